"""The published files become our components bit by bit and back, and whatever is wrong with them is said in one
line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gesturebench.common.errors import InputError
from gesturebench.common.weights.artifact import TENSORS, write_import
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.imported import dictated, imported_components
from gesturebench.methods.mambatalk import published_export, published_folder
from gesturebench.methods.mambatalk.config import PRESETS
from gesturebench.methods.mambatalk.method import MambaTalk
from gesturebench.methods.mambatalk.network import Network
from gesturebench.methods.mambatalk.published import network_sizes, network_skeleton
from gesturebench.methods.published_priors import prior_sizes, prior_skeletons

FILES = {
    "network": "mambatalk_100.bin",
    "vq_face": "pretrained_vq/face.bin",
    "vq_upper": "pretrained_vq/upper.bin",
    "vq_hands": "pretrained_vq/hands.bin",
    "vq_lower": "pretrained_vq/lower_foot.bin",
    "global_motion": "pretrained_vq/foot.bin",
}
MANIFESTS = {
    "network": "model", "vq_face": "vq_face", "vq_upper": "vq_upper", "vq_hands": "vq_hands",
    "vq_lower": "vq_lowerfoot", "global_motion": "vq_lower",
}  # fmt: skip
PUBLISHED_NETWORK = {"heads": 4, "scan_heads": 8, "hidden": 32, "audio": 16, "motion": 24}


def random_state(skeleton: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(x.shape, generator=draw) if x.is_floating_point() else torch.tensor(7)
        for name, x in skeleton.items()
    }


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, torch.Tensor]]:
    """Components at toy size by the published names, as a converter of ours would never write them: with `module.`."""
    config = PRESETS["tiny"].updated({"network": PUBLISHED_NETWORK})
    with torch.device("meta"):
        skeletons = {"network": Network(config).state_dict()}
    priors = config.priors.model_dump(include={"codec": {"width", "codes", "layers"}, "lower_layers": True})
    skeletons |= prior_skeletons(priors)
    return {name: random_state(skeleton, k) for k, (name, skeleton) in enumerate(skeletons.items())}


def written(states, root: Path, **changed) -> Path:
    (root / "pretrained_vq").mkdir(parents=True)
    for name, state in (states | changed).items():
        prefixed = {f"module.{key}": tensor for key, tensor in state.items()}
        torch.save({"model_state": prefixed}, root / FILES[name])
    return root


def imported(states, tmp_path: Path, name: str = "own") -> Path:
    write_import(published_folder.read(written(states, tmp_path / f"theirs {name}")), tmp_path / name)
    return tmp_path / name


def test_the_map_agrees_with_the_manifests(request):
    """Both ways: no tensor of ours is missing there, none of theirs here, for all six files at full size."""
    folder = request.config.getoption("golden").parent / "manifests"
    if not (folder / "mambatalk_model.json").exists():
        pytest.skip("the manifests lie beside the full golden data")
    theirs = {}
    for name, file in MANIFESTS.items():
        entries = json.loads((folder / f"mambatalk_{file}.json").read_text())
        shapes = {key: entry["shape"] for key, entry in entries.items() if key != "config"}
        theirs[name] = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    priors = {name: state for name, state in theirs.items() if name != "network"}
    sizes = {"priors": prior_sizes(priors, "manifests"), **network_sizes(theirs["network"], "manifests")}
    ours = {"network": network_skeleton(sizes, "manifests"), **prior_skeletons(sizes["priors"])}
    for name, state in theirs.items():
        assert {k: tuple(x.shape) for k, x in ours[name].items()} == {k: tuple(x.shape) for k, x in state.items()}
    paper = PRESETS["paper"].model_dump()
    assert sizes["network"] == {key: paper["network"][key] for key in sizes["network"]}


def test_tensors_are_imported_bit_by_bit(states, tmp_path):
    folder = imported(states, tmp_path)
    for name, state in states.items():
        own = load_file(folder / name / TENSORS)
        assert own.keys() == state.keys()
        assert all(torch.equal(own[key], tensor) for key, tensor in state.items())
    passport = Passport.read(folder)
    assert {part.source for part in passport.parts.values()} == set(FILES.values())
    assert passport.sizes["network"]["motion"] == 24


def test_an_export_is_read_back_as_the_same_weights(states, tmp_path):
    folder = imported(states, tmp_path)
    published_export.write(folder, tmp_path / "again")
    passport, _ = write_import(published_folder.read(tmp_path / "again"), tmp_path / "second")
    before = Passport.read(folder)
    assert passport.sizes == before.sizes
    assert {n: part.files for n, part in passport.parts.items()} == {n: part.files for n, part in before.parts.items()}
    with pytest.raises(InputError, match="already there"):
        published_export.write(folder, tmp_path / "again")


def test_imported_weights_dictate_sizes_and_released_settings(states, tmp_path):
    folder = imported(states, tmp_path)
    told = dictated(str(folder), "mambatalk")
    assert told["generation"] == {"audio_hop": "released"}
    assert told["network"]["hidden"] == 32
    config = PRESETS["tiny"].updated(dict(told) | {"weights": str(folder)})
    components = MambaTalk.components(config)
    assert [part.name for part in components] == list(Passport.read(folder).parts)
    with pytest.raises(InputError, match=r"network.local_scan = none; expected mamba, as the weights in"):
        imported_components(config.updated({"network": {"local_scan": "none"}}), "mambatalk")
    with pytest.raises(InputError, match="weights of mambatalk; expected weights of rag_gesture"):
        dictated(str(folder), "rag_gesture")


FAULTS = {
    "missing": (lambda state: state.pop("global_scan.out.bias"), "1 missing: global_scan.out.bias"),
    "superfluous": (lambda state: state.update(extra=torch.zeros(1)), "1 superfluous: extra"),
    "shape": (
        lambda state: state.update({"at_attn_face.bias": torch.zeros(3)}),
        r"at_attn_face.bias is float32 \(3,\), not float32 \(32,\)",
    ),
    "not finite": (lambda state: state["at_attn_face.bias"].fill_(torch.nan), "1 not finite: at_attn_face.bias"),
    "speakers": (
        lambda state: state.update({"speaker_encoder_body.weight": torch.zeros(3, 32)}),
        "1 wrongly shaped: speaker_encoder_body.weight",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_the_network_is_told(fault, states, tmp_path):
    change, message = FAULTS[fault]
    network = {name: tensor.clone() for name, tensor in states["network"].items()}
    change(network)
    with pytest.raises(InputError, match=message):
        published_folder.read(written(states, tmp_path / "theirs", network=network))


def test_codecs_of_different_sizes_are_refused(states, tmp_path):
    hands = {name: tensor.clone() for name, tensor in states["vq_hands"].items()}
    hands["quantizer.embedding.weight"] = torch.zeros(9, 32)
    with pytest.raises(InputError, match="codes of vq_hands is 9; expected 32, as the others"):
        published_folder.read(written(states, tmp_path / "theirs", vq_hands=hands))


def test_a_folder_without_its_files_is_told(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        published_folder.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no checkpoint; expected mambatalk_100.bin"):
        published_folder.read(tmp_path)
