"""The published containers become our components bit by bit, and back; whatever is wrong with them is said in one
line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gesturebench.benchmarks.grid import Grid
from gesturebench.benchmarks.recipe import Recipes
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.weights.artifact import TENSORS, take, write_import
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.emage import published_export, published_folder
from gesturebench.methods.emage.config import EmageConfig
from gesturebench.methods.emage.method import Emage
from gesturebench.methods.emage.published import MODEL, PLACES, skeletons
from gesturebench.methods.rag_gesture import published_export as rag_gesture_export

from .released import FEATURES, SMALL, Released, Sizes, codec_shapes, model_shapes

PAPER = {"network": {}, "priors": {}}


def shapes_of(state) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def expected(sizes: Sizes) -> dict[str, dict[str, tuple[int, ...]]]:
    return {MODEL: model_shapes(sizes)} | {name: codec_shapes(part, sizes) for name, part in PLACES.items()}


def test_our_networks_have_the_published_names_and_shapes():
    own = {name: shapes_of(state) for name, state in skeletons(PAPER).items()}
    assert own == expected(Sizes())
    assert {name: len(shapes) for name, shapes in own.items()} == {
        MODEL: 608, "vq_face": 27, "vq_upper": 27, "vq_hands": 27, "vq_lower": 43, "global_motion": 42,
    }  # fmt: skip


def test_the_published_networks_are_those_of_the_manifests(request):
    folder = request.config.getoption("golden").parent / "manifests"
    if not (folder / "emage_audio.json").exists():
        pytest.skip("the manifests lie beside the full golden data")
    files = {MODEL: "audio"} | {name: place if name == "global_motion" else name for name, place in PLACES.items()}
    for name, shapes in expected(Sizes()).items():
        entries = json.loads((folder / f"emage_{files[name]}.json").read_text())
        assert shapes == {key: tuple(entry["shape"]) for key, entry in entries.items()}, name


@pytest.fixture
def released() -> Released:
    return Released.random()


def imported(folder: Path, out: Path) -> Passport:
    return write_import(published_folder.read(folder), out)[0]


@pytest.mark.parametrize("layout", ["write", "write_older"])
def test_tensors_are_imported_bit_by_bit(released, tmp_path, layout):
    passport = imported(getattr(released, layout)(tmp_path / "theirs"), tmp_path / "own")
    for name, state in {MODEL: released.model, **{n: released.codecs[part] for n, part in PLACES.items()}}.items():
        own = load_file(tmp_path / "own" / name / TENSORS)
        assert own.keys() == state.keys()
        assert all(torch.equal(own[key], tensor) for key, tensor in state.items()), name
    assert passport.sizes["network"] == {
        "hidden": 16, "audio": 8, "motion": 12, "heads": 4, "feed_forward": 20, "face_layers": 1, "cross_layers": 2,
        "speakers": 1, "window": 64,
    }  # fmt: skip
    assert passport.sizes["priors"] == {"codec": {"width": 6, "layers": 1, "codes": 10}, "lower_layers": 2}
    assert passport.settings["generation"]["global_input"] == "raw"


def test_an_export_is_read_back_as_the_same_weights(released, tmp_path):
    released.told |= {"cf": 1, "cl": 0, "seed_frames": 5}
    first = imported(released.write(tmp_path / "theirs"), tmp_path / "own")
    published_export.write(tmp_path / "own", tmp_path / "again")
    second = imported(tmp_path / "again", tmp_path / "twice")
    assert (first.sizes, first.settings) == (second.sizes, second.settings)
    routes = {"upper": "index", "hands": "index", "face": "index", "lower": "latent"}
    assert (first.settings["generation"]["routes"], first.settings["network"]) == (routes, {"seed_frames": 5})
    assert {name: part.files for name, part in first.parts.items()} == {n: p.files for n, p in second.parts.items()}
    theirs, again = (tmp_path / name / "pytorch_model.bin" for name in ("theirs", "again"))
    theirs, again = (torch.load(path, weights_only=True) for path in (theirs, again))
    assert all(torch.equal(again[name], tensor) for name, tensor in theirs.items())
    assert sorted(p.name for p in (tmp_path / "again" / "emage_vq").iterdir()) == sorted(FEATURES)


def test_weights_of_another_method_are_not_exported(weights, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    passport = json.loads((weights / "passport.json").read_text())
    (other / "passport.json").write_text(json.dumps(passport | {"method": "mambatalk"}))
    with pytest.raises(InputError, match=r"other: weights of mambatalk; expected weights of emage"):
        published_export.write(other, tmp_path / "theirs")
    with pytest.raises(InputError, match=r"own: weights of emage; expected weights of rag_gesture"):
        rag_gesture_export.write(weights, tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


def rename(state: dict, old: str, new: str) -> None:
    state[new] = state.pop(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: rename(r.model, "moton_proj.bias", "motion_proj.bias"),
            r"pytorch_model.bin: 1 missing: moton_proj.bias \(there is motion_proj.bias\); 1 superfluous: motion_proj",
        ),
        (
            lambda r: r.codecs["hands"].update({"encoder.main.0.bias": torch.zeros(3)}),
            r"hands/pytorch_model.bin: 1 wrongly shaped: encoder.main.0.bias is float32 \(3,\), not float32 \(6,\)",
        ),
        (
            lambda r: r.codecs["lower"]["quantizer.embedding.weight"].fill_(float("nan")),
            r"lower/pytorch_model.bin: 1 not finite: quantizer.embedding.weight",
        ),
        (
            lambda r: r.codecs["upper"].update(Released.random(Sizes(**{**vars(SMALL), "codes": 11})).codecs["upper"]),
            r"codes of vq_\w+ is 1\d; expected 1\d, as the others",
        ),
        (lambda r: r.told.update(cf="no"), r"config.json: cf = 'no'; expected a number"),
    ],
)
def test_what_is_wrong_is_named(released, tmp_path, change, message):
    change(released)
    with pytest.raises(InputError, match=message):
        published_folder.read(released.write(tmp_path))


def test_folders_that_lack_something_are_refused(released, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; expected pytorch_model.bin and emage_vq"):
        published_folder.read(tmp_path / "nowhere")
    folder = released.write(tmp_path / "theirs")
    (folder / "emage_vq" / "global" / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="theirs: no weights of global_motion; expected emage_vq/global/pytorch_model"):
        published_folder.read(folder)
    (folder / "pytorch_model.bin").rename(folder / "emage_240.bin")
    with pytest.raises(InputError, match=r"emage_240.bin: the model that also reads text; expected the audio model"):
        published_folder.read(folder)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    imported(Released.random().write(folder / "theirs"), folder / "own")
    return folder / "own"


def recipe(weights: Path, **changes):
    row = {"label": "row", "method": "emage", "config": {"weights": str(weights), **changes}}
    settings = {"title": "t", "data": "standin:tiny", "protocol": "standin", "preset": "tiny"}
    grid = Grid.parse(settings | {"rows": [row]})
    return Recipes(grid).of(grid.expanded().rows[0])


def test_a_row_with_weights_takes_their_sizes_and_trains_nothing(weights):
    made = recipe(weights)
    config = EmageConfig.parse(dict(made.config))
    assert (config.network.hidden, config.network.speakers, config.priors.codec.codes) == (16, 1, 10)
    assert (config.generation.global_input, config.generation.audio_hop) == ("raw", "exact")
    assert {part.name for part in made.parts} == {MODEL, *PLACES}
    assert not any(part.seeded for part in made.parts)
    with pytest.raises(InputError, match=r"network.cross_layers = 3; expected 2, as the weights in .* have it"):
        recipe(weights, **{"network.cross_layers": 3})
    assert recipe(weights, **{"generation.global_input": "proper"}).config["generation"]["global_input"] == "proper"


def test_motion_comes_out_of_imported_weights(store, weights, tmp_path):
    """Random ones: as many frames as the speech has, finite, and the same twice."""
    made, artifacts = recipe(weights), {}
    for part in made.parts:
        artifacts[part.name] = tmp_path / part.name
        artifacts[part.name].mkdir()
        take(part.config, FitContext(None, artifacts[part.name], tmp_path, place=part.place))
    speech = store.speech(store.split("test")[0])
    config = EmageConfig.parse(dict(made.config))
    first, second = (Emage.load(config, artifacts, store).generate([speech], seed=0)[0] for _ in range(2))
    assert first.checked("imported").n_frames == speech.n_frames(30)
    assert (first.poses == second.poses).all()
    assert first.poses.std() > 0
