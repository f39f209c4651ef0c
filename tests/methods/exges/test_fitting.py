"""Training with parts of the motion given, and what of a configuration is trained."""

import json

import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.training import PROGRESS, Batch
from gesturebench.methods.exges.components import NETWORK, POSES
from gesturebench.methods.exges.config import PRESETS, ControlConfig, ExgesConfig
from gesturebench.methods.exges.fitting import ControlledDrawing, build_network, denoising_losses
from gesturebench.methods.exges.masks import NO_AUDIO, MaskDraws
from gesturebench.methods.exges.method import Exges

TINY = PRESETS["tiny"]
ROWS = 24


@pytest.fixture(scope="module")
def batch(store, small, tmp_path_factory) -> Batch:
    upstream = {POSES: small.artifacts("exges", keyframes={"source": "none"})[POSES]}
    folder = tmp_path_factory.mktemp("drawing")
    drawn = ControlledDrawing(TINY, FitContext(store, folder, folder, 0, upstream)).batch(
        ROWS, torch.Generator().manual_seed(5)
    )
    return {**drawn, PROGRESS: torch.zeros(ROWS)}


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return build_network(TINY).eval()


def test_windows_are_drawn_alike_from_equal_generators(store, small, batch, tmp_path):
    upstream = {POSES: small.artifacts("exges", keyframes={"source": "none"})[POSES]}
    drawn = ControlledDrawing(TINY, FitContext(store, tmp_path, tmp_path, 0, upstream))
    again = drawn.batch(ROWS, torch.Generator().manual_seed(5))
    assert all(torch.equal(batch[name], again[name]) for name in again)
    assert batch["x0"].shape == (ROWS, TINY.network.frames, 333)
    assert batch["audio"].shape == (ROWS, TINY.network.frames, 66)
    assert (batch["style"].sum(1) == 1).all()


def test_the_audio_of_a_window_is_nulled_and_no_other(network, batch):
    audio = batch["audio"].clone().requires_grad_()
    denoising_losses(network, {**batch, "audio": audio}, TINY.control)["loss"].backward()
    heard = audio.grad.abs().sum((1, 2)) > 0
    nulled = MaskDraws.of(batch).null == NO_AUDIO
    assert nulled.any()
    assert torch.equal(heard, ~nulled)


def test_the_share_given_falls_with_the_training(network, batch):
    shares = [
        float(denoising_losses(network, {**batch, PROGRESS: torch.full((ROWS,), p)}, TINY.control)["share_given"])
        for p in (0.0, 0.5, 1.0)
    ]
    assert shares[0] > 2 * shares[1] > 4 * shares[2] > 0


def test_the_loss_is_the_mean_of_given_and_hidden(network, batch):
    losses = denoising_losses(network, batch, TINY.control)
    share = losses["share_given"]
    torch.testing.assert_close(losses["loss"], share * losses["given"] + (1 - share) * losses["hidden"])


def test_given_entries_may_be_left_out_of_the_loss(network, batch):
    hidden_only = denoising_losses(network, batch, ControlConfig(observed_weight=0.0))
    expected = (1 - hidden_only["share_given"]) * hidden_only["hidden"]
    torch.testing.assert_close(hidden_only["loss"], expected)


def test_without_control_the_network_sees_no_mask(batch):
    config = TINY.updated({"control": {"training": False}})
    plain = build_network(config)
    assert plain.input_process.poseEmbedding.in_features == 333
    assert build_network(TINY).input_process.poseEmbedding.in_features == 666
    unmasked = {name: rows for name, rows in batch.items() if not name.startswith("mask_")}
    assert set(denoising_losses(plain, unmasked, config.control)) == {"loss"}


def test_the_curve_tells_what_was_given(small):
    curve = json.loads((small.artifacts("exges")[NETWORK] / "curve.json").read_text())
    assert set(curve[0]) == {"step", "loss", "given", "hidden", "share_given"}
    assert curve[-1]["share_given"] < curve[0]["share_given"]


def parts(**overrides) -> dict[str, object]:
    components = Exges.components(TINY.updated(overrides))
    return {component.name: component.config for component in components}


@pytest.mark.parametrize(
    "sampled",
    [
        {"keyframes": {"source": "random"}},
        {"keyframes": {"per_window": 1, "clearance": 0, "joints": "upper"}},
        {"sampling": {"hard_impose": "every", "w_audio": 2.0, "start": "training", "sampler": "ddpm"}},
    ],
)
def test_what_is_sampled_trains_nothing_anew(sampled):
    assert parts(**sampled) == parts()


def test_rows_without_retrieval_share_the_network_and_need_no_base():
    alone = parts(keyframes={"source": "none"})
    assert set(alone) == {POSES, NETWORK}
    assert alone[NETWORK] == parts()[NETWORK]


@pytest.mark.parametrize("control", [{"training": False}, {"part_mask": "frames_only"}, {"curriculum": "off"}])
def test_how_control_is_trained_is_another_network(control):
    assert parts(control=control)[NETWORK] != parts()[NETWORK]
    assert parts(control=control)["retriever"] == parts()["retriever"]


def test_settings_of_control_say_nothing_where_it_is_not_trained():
    off = {"training": False}
    assert parts(control=off)[NETWORK] == parts(control={**off, "curriculum": "off"})[NETWORK]


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        ({"sampling": {"w_audio": 2.0}, "control": {"training": False}}, "w_audio = 1"),
        ({"sampling": {"w_audio": 2.0}, "control": {"null_share": 0.0}}, "w_audio = 1"),
        ({"network": {"attention": 4}}, "network.attention = 3"),
        ({"control": {"joints": 0, "frames": 0, "trajectory": 0}}, "not all 0"),
        ({"keyframes": {"source": "middle"}}, "did you mean 'middle_frame'"),
    ],
)
def test_contradictions_are_refused(overrides, what):
    with pytest.raises(InputError, match=what):
        TINY.updated(overrides)


@pytest.mark.parametrize("size", PRESETS)
def test_presets_are_whole(size):
    assert ExgesConfig.parse(PRESETS[size].model_dump(mode="json")) == PRESETS[size]
