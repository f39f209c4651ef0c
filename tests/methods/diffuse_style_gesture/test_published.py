"""Published checkpoints become our network bit by bit and back, and whatever is wrong is said in one line."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gesturebench.common.cross_local.config import CrossLocalConfig, CrossLocalSizes
from gesturebench.common.cross_local.denoiser import CrossLocalDenoiser
from gesturebench.common.errors import InputError
from gesturebench.common.weights.artifact import write_import
from gesturebench.methods.diffuse_style_gesture import published_export, published_folder
from gesturebench.methods.diffuse_style_gesture.published import load, sizes_of, skeleton, tables
from gesturebench.weights import import_weights

MANIFESTS = {
    "diffusestylegesture": (3, 88, 8, 11),
    **{f"diffusestylegesture_beat_attention{k}": (k, 150, 30, 15) for k in (3, 4, 5)},
    "diffusestylegesture_twh_attention4": (4, 150, 30, 15),
}


def small(attention: int = 3) -> CrossLocalConfig:
    sizes = CrossLocalSizes(
        attention=attention, frames=20, seed_frames=4, window=5, latent=96, audio_latent=8, layers=2, feed_forward=32,
    )  # fmt: skip
    return sizes.of(features=7, audio_features=6, styles=3)


def state_of(config: CrossLocalConfig) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return CrossLocalDenoiser(config).state_dict() | tables(config)


def write(folder: Path, state: dict[str, Tensor], told: str = "n_poses: 20\nn_seed: 4\nlocal_window: 5\n") -> Path:
    folder.mkdir()
    torch.save(state, folder / "model000010.pt")
    if told:
        (folder / "DiffuseStyleGesture.yml").write_text(told)
    return folder


@pytest.mark.parametrize("attention", [3, 4, 5])
def test_there_and_back(tmp_path, attention):
    config = small(attention)
    state = state_of(config)
    source = write(tmp_path / "released", state)
    passport, _ = write_import(published_folder.read(source), tmp_path / "ours")
    network = load(tmp_path / "ours")
    assert network.config == config
    own = network.state_dict()
    assert all(torch.equal(own[name], state[name]) for name in own)
    published_export.write(tmp_path / "ours", tmp_path / "again")
    back = torch.load(tmp_path / "again" / published_folder.CHECKPOINT)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    again, _ = write_import(published_folder.read(tmp_path / "again"), tmp_path / "ours again")
    assert (again.sizes, again.widths) == (passport.sizes, passport.widths)


def test_the_import_says_that_no_run_takes_it(tmp_path, capsys):
    source = write(tmp_path / "released", state_of(small()))
    import_weights("diffuse_style_gesture", source, tmp_path / "ours")
    assert "no run takes it" in capsys.readouterr().out


@pytest.mark.parametrize(("manifest", "told"), MANIFESTS.items())
def test_the_published_networks_are_those_of_the_manifests(request, manifest, told):
    """Every tensor by name and shape, and no other, and the frames that no tensor tells."""
    path = request.config.getoption("golden").parent / "manifests" / f"{manifest}.json"
    if not path.exists():
        pytest.skip("the manifests lie beside the full golden data")
    shapes = {name: tensor["shape"] for name, tensor in json.loads(path.read_text()).items()}
    config = sizes_of({name: torch.empty(shape, device="meta") for name, shape in shapes.items()}, {}, manifest)
    assert {name: list(tensor.shape) for name, tensor in skeleton(config).items()} == shapes
    assert (config.attention, config.frames, config.seed_frames, config.window) == told


def test_the_latest_of_several_checkpoints(tmp_path):
    folder = write(tmp_path / "released", {name: x * 0 for name, x in state_of(small()).items()})
    torch.save({"state_dict": state_of(small())}, folder / "model000020.pt")
    torch.save({}, folder / "opt000020.pt")
    assert next(file.path for file in published_folder.read(folder).files) == "model000020.pt"


def _without(state, name):
    return {key: value for key, value in state.items() if key != name}


FAULTS = {
    "a tensor is missing": (lambda s: _without(s, "embed_style.bias"), r"1 missing: embed_style\.bias"),
    "one too many": (lambda s: s | {"extra": torch.zeros(1)}, "1 superfluous: extra"),
    "another shape": (lambda s: s | {"embed_style.bias": torch.zeros(5)}, r"embed_style\.bias is float32 \(5,\)"),
    "no number": (lambda s: s | {"embed_style.bias": s["embed_style.bias"] / 0}, "not finite"),
    "another table": (lambda s: s | {"rel_pos.inv_freq": s["rel_pos.inv_freq"] + 1}, "rel_pos.inv_freq differs by 1"),
    "no tensors": (lambda s: {"epoch": 3}, "a dictionary of"),
}


@pytest.mark.parametrize(("change", "fault"), FAULTS.values(), ids=FAULTS)
def test_wrong_checkpoints_are_refused_in_one_line(tmp_path, change, fault):
    folder = write(tmp_path / "released", change(state_of(small())))
    with pytest.raises(InputError, match=fault) as error:
        published_folder.read(folder)
    assert "\n" not in str(error.value)


def test_folders_without_a_checkpoint_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        published_folder.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no checkpoint"):
        published_folder.read(tmp_path)
