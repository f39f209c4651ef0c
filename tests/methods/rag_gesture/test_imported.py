"""Imported weights in a configuration: they dictate sizes, name what contradicts them, and are taken as they are."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gesturebench.benchmarks.grid import Grid
from gesturebench.benchmarks.recipe import Recipes
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.weights.artifact import TENSORS, take, write_import
from gesturebench.common.weights.passport import PASSPORT, Passport
from gesturebench.methods.rag_gesture import published_folder
from gesturebench.methods.rag_gesture.config import RagGestureConfig
from gesturebench.methods.rag_gesture.method import RagGesture
from tests.methods.rag_gesture.released import Released


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    released = Released.random()
    released.config = "model = dict(num_heads=3, per_joint_scale=dict(upper=1.0, hands=1.5, face=1.0, lowertransl=1.0))"
    write_import(published_folder.read(released.write(folder / "theirs")), folder / "own")
    return folder / "own"


def recipe(weights: Path | str, base: dict | None = None, **changes):
    row = {"label": "row", "method": "rag_gesture", "config": {"weights": str(weights), **changes}}
    settings = {"title": "t", "data": "standin:tiny", "protocol": "standin", "preset": "tiny", "base": base or {}}
    grid = Grid.parse(settings | {"rows": [row]})
    return Recipes(grid).of(grid.expanded().rows[0])


def test_sizes_come_from_the_weights_and_settings_as_released(weights):
    config = RagGestureConfig.parse(dict(recipe(weights).config))
    assert (config.codec.vae.width, config.codec.frames, config.codec.lower_heads) == (16, 60, 2)
    assert config.codec.vae.decoder_depth == "published"
    assert config.codec.vae.memory_span is None
    assert (config.denoiser.width, config.denoiser.heads, config.denoiser.query_mask) == (24, 3, "released")
    assert (config.codec.posterior, config.codec.standardise, config.conditions.positions) == ("sampled", False, False)
    assert config.sampling.part_scales.hands == 1.5
    assert config.sampling.sections == (3, 3, 2, 1, 1)  # of the preset: no matter of weights


def test_what_was_released_and_is_no_size_may_be_changed(weights):
    changed = recipe(weights, {"rag_gesture": {"codec.posterior": "mean"}}, **{"denoiser.query_mask": "none"}).config
    assert (changed["codec"]["posterior"], changed["denoiser"]["query_mask"]) == ("mean", "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"denoiser.layers": 5}, r"denoiser.layers = 5; expected 2, as the weights in .*own have it; leave denoiser"),
        ({"codec.vae.chunk": 5}, r"codec.vae.chunk = 5; expected 15"),
        ({"codec.vae.memory_span": 2}, r"codec.vae.memory_span = 2; expected None"),
        (
            {"conditions.text": "mel"},
            r"conditions.text = mel, 66 numbers per row; expected 64, as the weights in .* read",
        ),
    ],
)
def test_what_contradicts_the_weights_is_named(changes, message, weights):
    with pytest.raises(InputError, match=message):
        recipe(weights, **changes)
    with pytest.raises(InputError, match=message):
        recipe(weights, base={"rag_gesture": changes})


def test_components_are_known_by_the_passport_wherever_the_folder_lies(weights, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(weights)
    here, there = recipe(weights), recipe(moved)
    assert here.config == there.config
    assert here.config["weights"] == f"sha256:{Passport.read(weights).sha256}"
    assert [(part.name, part.config) for part in here.parts] == [(part.name, part.config) for part in there.parts]
    assert {part.name for part in here.parts} == {"denoiser", "vae_upper", "vae_hands", "vae_face", "vae_lower"}
    assert not any(part.seeded for part in here.parts)
    parsed = RagGestureConfig.parse(dict(here.config))  # as a worker gets it, who need not see the folder
    assert parsed.model_dump(mode="json") == dict(here.config)


def test_no_weights_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no imported weights; expected a folder with passport.json; import"):
        recipe(tmp_path / "nowhere")
    (tmp_path / PASSPORT).write_text('{"format": 1}')
    with pytest.raises(InputError, match=r"passport.json: not a passport of weights \('files'\)"):
        recipe(tmp_path)
    (tmp_path / PASSPORT).write_text('{"format": 9}')
    with pytest.raises(InputError, match=r"passport.json: written by another version; expected format 1"):
        recipe(tmp_path)


def taken(weights: Path, component: str, out: Path) -> Path:
    (part,) = (part for part in recipe(weights).parts if part.name == component)
    out.mkdir()
    take(part.config, FitContext(None, out, out, place=part.place))
    return out


def test_a_part_is_taken_as_it_is(weights, tmp_path):
    out = taken(weights, "vae_face", tmp_path / "out")
    own, there = load_file(out / TENSORS), load_file(weights / "vae_face" / TENSORS)
    assert own.keys() == there.keys()
    assert all(torch.equal(own[name], there[name]) for name in own)
    assert sorted(path.name for path in out.iterdir()) == ["latents.npz", TENSORS]


def test_weights_that_changed_since_the_import_are_refused(tmp_path):
    folder = tmp_path / "own"
    passport, _ = write_import(published_folder.read(Released.random().write(tmp_path / "theirs")), folder)
    component = {"passport": passport.sha256, "component": "denoiser"}
    context = FitContext(None, tmp_path / "out", tmp_path, place={"weights": str(folder)})
    context.out.mkdir()
    path = folder / "denoiser" / TENSORS
    tensors = load_file(path)
    path.unlink()
    with pytest.raises(InputError, match=r"denoiser/weights.safetensors: no such file; import the weights again"):
        take(component, context)
    tensors["out.bias"] = tensors["out.bias"] + 1
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"weights.safetensors: changed since it was imported; expected sha256"):
        take(component, context)
    with pytest.raises(InputError, match=r"passport.json: changed since the run was planned"):
        take(component | {"passport": "0" * 64}, context)


def test_motion_comes_out_of_imported_weights(store, weights, tmp_path):
    """Random ones: as many frames as the speech has, finite, and the same twice."""
    made = recipe(weights)
    artifacts = {part.name: taken(weights, part.name, tmp_path / part.name) for part in made.parts}
    speech = store.speech(store.split("test")[0])
    config = RagGestureConfig.parse(dict(made.config))
    first, second = (RagGesture.load(config, artifacts, store).generate([speech], seed=0)[0] for _ in range(2))
    assert first.n_frames == speech.n_frames(30)
    assert torch.isfinite(torch.from_numpy(first.poses)).all()
    assert (first.poses == second.poses).all()
    assert first.poses.std() > 0
