"""What EMAGE is trained on: windows, masks, losses; and that a training learns and repeats."""

import math

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import WEIGHTS
from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.prior_windows import part_rows
from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_file
from gesturebench.common.fitting import CURVE, FitContext
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.training import PROGRESS
from gesturebench.methods.emage.config import PRESETS, GenerationConfig, HintsConfig, Routes
from gesturebench.methods.emage.fitting import TrainingWindows, centre, fit_audio_model, speaker_row
from gesturebench.methods.emage.losses import (
    Codes,
    code_loss,
    hidden_share,
    latent_loss,
    seed_hidden,
    training_losses,
)
from gesturebench.methods.emage.network import AudioModel, Prediction
from gesturebench.methods.registry import get_method

from .conftest import noise


def test_losses_of_perfect_and_of_clueless_predictions():
    indices = {part: torch.randint(12, (2, 20), generator=torch.Generator().manual_seed(0)) for part in PART_NAMES}
    truth = Codes(indices, {part: noise(2, 20, 5) for part in PART_NAMES})
    sure = {part: 100.0 * torch.nn.functional.one_hot(i, 12) for part, i in indices.items()}
    perfect = Prediction(truth.latents, sure)
    assert float(latent_loss(perfect, truth)) == 0
    assert float(code_loss(perfect, truth)) < 1e-6
    clueless = Prediction({p: z + 1 for p, z in truth.latents.items()}, {p: 0 * x for p, x in sure.items()})
    assert float(latent_loss(clueless, truth)) == pytest.approx(3 * 4)
    assert float(code_loss(clueless, truth)) == pytest.approx(3 * math.log(12))
    deaf = {**sure, "face": -sure["face"]}
    assert float(code_loss(Prediction(truth.latents, deaf), truth)) < 1e-6, "the face is decoded by its latent"


@pytest.mark.parametrize("steps", [10, 1000])
def test_more_is_hidden_as_training_goes_on(steps):
    shares = [hidden_share(step / steps, steps, "growing") for step in range(steps)]
    assert shares[0] == 0.05
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1 - 0.95 / steps)


@pytest.mark.parametrize("steps", [10, 100_000])
def test_the_released_share_hides_everything_from_the_second_step_on(steps):
    """0.05 + 0.95 * 400 / 135 is 2.86 at the second step."""
    shares = [hidden_share(step / steps, steps, "released") for step in range(10)]
    assert shares == [0.05] + [1.0] * 9


def test_of_a_seed_the_first_frames_are_seen():
    hidden = seed_hidden(torch.zeros(2, 10, 3), 4)
    assert hidden.any(-1).tolist() == [[False] * 4 + [True] * 6] * 2
    assert torch.equal(hidden.any(-1), hidden.all(-1))


@pytest.fixture(scope="module")
def windows(store, small) -> TrainingWindows:
    config, artifacts = small.config("emage"), small.artifacts("emage")
    return TrainingWindows(store, config, PartVQs(config.priors, artifacts))


@pytest.fixture(scope="module")
def batch(windows) -> dict[str, torch.Tensor]:
    return windows.batch(3, torch.Generator().manual_seed(1)) | {PROGRESS: torch.full((3,), 0.5)}


def test_a_batch_is_windows_of_the_store(store, windows, batch):
    drawn = windows._windows.draw(3, torch.Generator().manual_seed(1))
    assert batch["audio"].shape == (3, 34_133)
    for row, window in enumerate(drawn):
        assert window.start % 20 == 0
        clip = store.clip(window.clip_id)
        first = window.start * 16_000 // 30
        np.testing.assert_array_equal(batch["audio"][row], clip.speech.audio[first : first + 34_133])
        np.testing.assert_allclose(batch["motion"][row, :, 330:333], clip.motion.trans[window.start :][:64])
        assert int(batch["speaker"][row]) == speaker_row(clip.speech.speaker, 25)


def test_targets_are_the_codes_of_the_motion(windows, batch):
    face = windows._windows.expressions(windows._windows.draw(3, torch.Generator().manual_seed(1)))
    for part, features in part_rows(batch["motion"], face).items():
        codec = windows._vqs.codecs[part]
        assert torch.equal(batch[f"index_{part}"], codec.indices(features))
        torch.testing.assert_close(batch[f"latent_{part}"], codec.latent(features))


def test_speakers_without_a_row_are_refused():
    assert [speaker_row(30, rows) for rows in (1, 25)] == [0, 7]
    with pytest.raises(InputError, match=r"network.speakers = 3, and speaker 30 has row 7; expected 25 rows, or 1"):
        speaker_row(30, 3)


def losses(toy_batch, small, tasks, hidden="growing", **changes):
    config = small.config("emage")
    torch.manual_seed(0)
    model = AudioModel(config.network, config.priors.codec)
    return model, training_losses(model, {**toy_batch, **changes}, HintsConfig(tasks=tasks, hidden=hidden), 100)


def test_each_task_has_its_losses_and_they_add_up(small, batch):
    tasks = ("seed", "hints", "motion")
    _, found = losses(batch, small, tasks)
    assert found.keys() == {"loss", *(f"{task}_{kind}" for task in tasks for kind in ("latents", "codes"))}
    torch.testing.assert_close(found["loss"], sum(value for name, value in found.items() if name != "loss"))
    for task in tasks:
        _, alone = losses(batch, small, (task,))
        torch.testing.assert_close(alone["loss"], found[f"{task}_latents"] + found[f"{task}_codes"])


def test_tasks_see_what_they_are_meant_to(small, batch):
    """`seed` reads no mask, `motion` is deaf but for the face, and a released mask hides what `growing` shows."""
    other_mask = {"chance": 1 - batch["chance"]}
    other_speech = {"audio": batch["audio"].flip(1)}
    other_motion = {"motion": torch.cat((batch["motion"][:, :4], batch["motion"][:, 4:] + 1), 1)}

    def changed(task, change, hidden="growing", kind="codes"):
        (_, before), (_, after) = losses(batch, small, (task,), hidden), losses(batch, small, (task,), hidden, **change)
        return not torch.equal(before[f"{task}_{kind}"], after[f"{task}_{kind}"])

    assert [changed(task, other_mask) for task in ("seed", "hints", "motion")] == [False, True, True]
    assert [changed(task, other_speech) for task in ("seed", "hints", "motion")] == [True, True, False]
    assert changed("motion", other_speech, kind="latents")
    assert [changed(task, other_motion) for task in ("seed", "hints")] == [False, True]
    assert not changed("hints", other_motion, "released")


def test_gradients_reach_all_that_is_used(small, batch):
    """Not the templates of the published stacks, nor the codes of the face."""
    model, found = losses(batch, small, ("seed", "hints", "motion"))
    found["loss"].backward()
    unreached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert unreached == {"transformer_en_layer", "audio_motion_cross_attn_layer", "face_cls"}


def fitted(store, small, out, tmp_path, **changes):
    config = small.config("emage", **{"training": {"steps": 11, "batch": 2}, **changes})
    component = get_method("emage").components(config)[-1]
    folders = [tmp_path / out, tmp_path / f"{out}-work"]
    for folder in folders:
        folder.mkdir()
    fit_audio_model(component.config, FitContext(store, *folders, 3, small.artifacts("emage")))
    return folders[0]


def test_training_repeats_to_the_bit_and_learns(store, small, tmp_path):
    first, second = (fitted(store, small, name, tmp_path) for name in ("one", "two"))
    assert sha256_file(first / WEIGHTS) == sha256_file(second / WEIGHTS)
    assert read_json(first / CURVE) == read_json(second / CURVE)
    alone = fitted(store, small, "seeds", tmp_path, hints={"tasks": ["seed"]})
    assert read_json(alone / CURVE)[-1].keys() == {"step", "loss", "seed_latents", "seed_codes"}
    curve = read_json(first / CURVE)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_a_centred_start_hides_the_mean_and_sees_what_deviates(small, windows):
    config = small.config("emage")
    model = AudioModel(config.network, config.priors.codec)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    motion = windows.motion(16, torch.Generator().manual_seed(0))
    centre(model, motion)
    first = model.motion_encoder.main[0]
    mean = motion.mean((0, 1))
    inside = first(mean[:, None].expand(-1, 5)[None])[0, :, 1:-1]
    torch.testing.assert_close(inside, torch.zeros_like(inside), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.mask_embedding[0, 0], mean)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    speakers = {"speaker_embedding_face.weight", "speaker_embedding_body.weight"}
    assert changed == {"motion_encoder.main.0.weight", "motion_encoder.main.0.bias", "mask_embedding"} | speakers


def test_only_what_is_learnt_is_in_the_keys_of_components(small):
    cls, config = get_method("emage"), small.config("emage")
    keys = [c.config for c in cls.components(config)]
    for change in ({"generation": {"start": "rest", "audio_hop": "released"}}, {"given": ["hands"]}):
        assert [c.config for c in cls.components(config.updated(change))] == keys
    changed = cls.components(config.updated({"hints": {"hidden": "released"}}))
    assert [c.name for c, key in zip(changed, keys, strict=True) if c.config != key] == ["audio_model"]


@pytest.mark.parametrize("size", PRESETS)
def test_quirks_of_released_code_are_mended_where_no_weights_expect_them(size):
    config = PRESETS[size]
    assert config.generation == GenerationConfig(
        start="training", audio_hop="exact", tail="whole", seams="blended", rotations="stable", global_input="proper"
    )
    assert config.hints.hidden == "growing"
    assert (config.priors.body_velocity, config.priors.face_pairing) == ("time", "own")
    assert config.generation.routes == Routes(upper="index", hands="index", face="latent", lower="index")


def test_the_paper_preset_is_the_published_training():
    paper = PRESETS["paper"]
    t, n = paper.training, paper.network
    assert (t.steps, t.batch, t.optimizer, t.lr, t.final_lr, t.betas) == (
        100_000,
        56,
        "adam",
        1.5e-4,
        1.0,
        (0.9, 0.999),
    )
    assert (n.hidden, n.audio, n.motion, n.heads, n.feed_forward, n.face_layers, n.cross_layers) == (
        768, 256, 256, 4, 1536, 4, 8,
    )  # fmt: skip
    assert n.initial == "published"
    assert t.clip_norm == 0.99, "which released code applies to no gradients"
    assert paper.hints == HintsConfig(tasks=("seed", "hints", "motion"), hidden="growing")
    assert paper.priors.codec.codes == paper.priors.codec.width == 256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"heads": 3}}, r"heads \(3\) that divide hidden"),
        ({"network": {"seed_frames": 33}}, r"seed_frames \(33\) of at most half a window \(64\)"),
        ({"generation": {"overlap": 3}}, r"generation.overlap \(3\) from 4 to 32, half a window"),
        ({"network": {"window": 30}}, r"generation.overlap \(16\) from 4 to 15, half a window"),
        ({"network": {"window": 65}}, r"network.window = 65; expected less than or equal to 64"),
        ({"hints": {"tasks": []}}, r"hints.tasks"),
        ({"hints": {"tasks": ["seeds"]}}, r"'seeds'.*did you mean 'seed'"),
        ({"given": ["hand"]}, r"'hand'.*did you mean 'hands'"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        PRESETS["tiny"].updated(change)
