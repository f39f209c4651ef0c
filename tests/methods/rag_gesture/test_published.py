"""The published containers become our components bit by bit, and whatever is wrong with them is said in one line."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.errors import InputError
from gesturebench.common.weights.artifact import TENSORS, write_import
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.rag_gesture import published_export, published_folder
from gesturebench.methods.rag_gesture.config import DenoiserConfig
from gesturebench.methods.rag_gesture.published import (
    PUBLISHED_PARTS,
    DenoiserSizes,
    from_published,
    to_published,
    vae_skeleton,
)
from tests.methods.rag_gesture.released import (
    FEATURES,
    SMALL,
    Released,
    Shapes,
    Sizes,
    denoiser_shapes,
    vae_shapes,
)

FULL = Sizes()
EMBEDDED = "model.gesture_rep_encoder.{}_vae."


def full_skeleton(part: str) -> dict[str, torch.Tensor]:
    return vae_skeleton(PartVAEConfig(heads=8 if part == "lower" else 4), part)


def shapes_of(state) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def numbers(shapes: Shapes) -> int:
    return sum(torch.Size(shape).numel() for shape in shapes.values())


@pytest.fixture
def released() -> Released:
    return Released.random()


def imported(released: Released, tmp_path: Path, name: str = "own") -> tuple[Path, Passport]:
    root, out = tmp_path / "theirs", tmp_path / name
    if not root.exists():
        released.write(root)
    passport, _ = write_import(published_folder.read(root), out)
    return out, passport


# The map of names


@pytest.mark.parametrize(("own", "part"), PUBLISHED_PARTS.items())
def test_our_vaes_have_the_published_names_and_shapes(own, part):
    shapes = shapes_of(full_skeleton(own))
    assert shapes == vae_shapes(part, FULL)
    assert len(shapes) == 678


def test_our_denoiser_has_the_published_names_and_shapes():
    own = DenoiserSizes(DenoiserConfig(query_mask="released"), 10, 512, 768, 768).skeleton()
    assert shapes_of(own) == denoiser_shapes(FULL)


def test_the_variant_without_cross_attention_has_244_tensors():
    shapes = shapes_of(vae_skeleton(PartVAEConfig(architecture="all_encoder"), "upper"))
    assert shapes == vae_shapes("upper", replace(FULL, crossed=False))
    assert len(shapes) == 244


def test_parameters_are_as_many_as_published():
    """Positions of sinusoids are in the state and no parameters."""
    tables = 3 * 1024 * 512
    assert numbers(vae_shapes("upper", FULL)) - tables == 119_933_518
    assert numbers(vae_shapes("lowertrans", FULL)) - tables == 119_916_093
    assert numbers(denoiser_shapes(FULL)) - 10 * 512 == 141_037_568


def test_names_go_to_their_component_and_back(released):
    parts = from_published(released.diffusion)
    assert set(parts) == {"denoiser", "vae_upper", "vae_hands", "vae_face", "vae_lower"}
    assert "temporal_decoder_blocks.0.ca_mix.weight" in parts["denoiser"]
    assert "global_motion_token" in parts["vae_lower"]
    assert to_published(parts) == released.diffusion  # the same tensors, not copies
    with pytest.raises(InputError, match=r"tensor optimizer.lr; expected a name that begins with model\."):
        from_published({"optimizer.lr": 1})


@pytest.fixture
def manifests(request) -> Path:
    folder = request.config.getoption("golden").parent / "manifests"
    if not (folder / "rag_gesture_diffusion.json").exists():
        pytest.skip("the manifests lie beside the full golden data")
    return folder


def read_manifest(folder: Path, name: str) -> Shapes:
    entries = json.loads((folder / f"rag_gesture_{name}.json").read_text())
    return {key: tuple(entry["shape"]) for key, entry in entries.items() if key != "config"}


def test_the_map_agrees_with_the_manifests(manifests):
    own = {"denoiser": DenoiserSizes(DenoiserConfig(), 10, 512, 768, 768).skeleton()}
    for part, name in PUBLISHED_PARTS.items():
        own[f"vae_{part}"] = full_skeleton(part)
        assert shapes_of(own[f"vae_{part}"]) == read_manifest(manifests, f"vae_{name}")
    whole = read_manifest(manifests, "diffusion")
    assert shapes_of(to_published(own)) == whole
    assert {part: shapes_of(state) for part, state in own.items()} == from_published(whole)


# A whole import


def test_tensors_are_imported_bit_by_bit_and_embedded_vaes_win(released, tmp_path):
    folder, passport = imported(released, tmp_path)
    denoiser = load_file(folder / "denoiser" / TENSORS)
    assert denoiser.keys() == denoiser_shapes(SMALL).keys()
    for name, tensor in denoiser.items():
        assert torch.equal(tensor, released.diffusion[f"model.{name}"]), name
    for own, part in PUBLISHED_PARTS.items():
        vae = load_file(folder / f"vae_{own}" / TENSORS)
        assert vae.keys() == vae_shapes(part, SMALL).keys()
        for name, tensor in vae.items():
            assert torch.equal(tensor, released.diffusion[EMBEDDED.format(part) + name]), name
        assert passport.parts[f"vae_{own}"].source.endswith("epoch_64.pth")


def test_vae_files_serve_where_the_checkpoint_embeds_none(tmp_path):
    released = Released.random(embedded=False)
    folder, passport = imported(released, tmp_path)
    vae = load_file(folder / "vae_lower" / TENSORS)
    assert all(torch.equal(vae[name], tensor) for name, tensor in released.vaes["lowertrans"].items())
    assert passport.parts["vae_lower"].source.endswith("vae_lowertrans.bin")


def test_the_passport_tells_sizes_origin_and_hashes(released, tmp_path):
    folder, passport = imported(released, tmp_path)
    assert Passport.read(folder) == passport
    vae = passport.sizes["codec"]["vae"]
    assert (vae["width"], vae["layers"], vae["heads"], vae["feed_forward"], vae["chunk"]) == (16, 2, 1, 24, 15)
    assert passport.sizes["codec"]["frames"] == 60
    assert passport.sizes["codec"]["lower_heads"] == 2
    assert passport.sizes["denoiser"] == {
        "width": 24, "layers": 2, "heads": 3, "time_width": 32, "feed_forward": 20, "speakers": 25,
    }  # fmt: skip
    assert passport.widths == {"text": 64, "audio": 66}
    assert passport.settings["denoiser"]["query_mask"] == "released"
    assert len(passport.files) == 4 * 2 + 2
    assert passport.parameters == sum(numbers(vae_shapes(p, SMALL)) for p in FEATURES) + numbers(denoiser_shapes(SMALL))


def test_equal_imports_have_equal_passports_and_others_are_not_overwritten(released, tmp_path):
    folder, passport = imported(released, tmp_path)
    other, second = imported(released, tmp_path, "other")
    assert passport.sha256 == second.sha256
    assert write_import(published_folder.read(tmp_path / "theirs"), folder)[1] is False
    changed = Released.random()
    changed.diffusion["model.out.bias"] += 1
    changed.write(tmp_path / "changed")
    with pytest.raises(InputError, match="own: holds other weights"):
        write_import(published_folder.read(tmp_path / "changed"), folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed", "other", "own", "theirs"]
    assert torch.equal(load_file(other / "denoiser" / TENSORS)["out.bias"], released.diffusion["model.out.bias"])


def test_an_import_that_fails_leaves_nothing(released, tmp_path):
    read = published_folder.read(released.write(tmp_path / "theirs"))

    def breaks():
        yield next(iter(read.parts))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_import(replace(read, parts=breaks()), tmp_path / "own")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("told", [{}, {"position_embedding": "learned", "vae_dist": "multivariate_normal"}])
@pytest.mark.parametrize("crossed", [True, False])
def test_an_export_is_read_back_as_the_same_weights(crossed, told, tmp_path):
    released = Released.random(replace(SMALL, crossed=crossed))
    released.told |= told
    released.config = "model = dict(num_heads=3, per_joint_scale=dict(upper=1.5, hands=1.0, face=1, lowertransl=0.5))"
    folder, passport = imported(released, tmp_path)
    published_export.write(folder, tmp_path / "again")
    back, again = write_import(published_folder.read(tmp_path / "again"), tmp_path / "back")[0], tmp_path / "back"
    assert (back.sizes, back.settings, back.widths) == (passport.sizes, passport.settings, passport.widths)
    assert {name: part.files for name, part in back.parts.items()} == {n: p.files for n, p in passport.parts.items()}
    checkpoint = torch.load(tmp_path / "again" / published_folder_checkpoint(tmp_path / "again"), weights_only=True)
    assert checkpoint["state_dict"].keys() == released.diffusion.keys()
    assert all(torch.equal(checkpoint["state_dict"][n], t) for n, t in released.diffusion.items())
    assert again.is_dir()


def published_folder_checkpoint(root: Path) -> Path:
    return next(root.glob("diffusion/*/epoch_64.pth")).relative_to(root)


# What the settings files say


def test_settings_come_from_yaml_then_shapes_then_the_name(tmp_path):
    released = Released.random(replace(SMALL, width=32, heads={**SMALL.heads, "upper": 2, "hands": 2, "face": 2}))
    released.told |= {"model": {"num_heads": 1, "transformer_normalize_before": True}, "ff_size": 24}
    _, passport = imported(released, tmp_path)
    vae = passport.sizes["codec"]["vae"]
    assert vae["heads"] == 1  # the names say 2
    assert vae["pre_norm"] is True
    assert passport.sizes["codec"]["lower_heads"] is None


def test_part_scales_are_read_and_the_file_is_not_run(released, tmp_path):
    mark = tmp_path / "ran"
    released.config = (
        f"import os\nopen({str(mark)!r}, 'w').close()\nheads = 3\nwide = 2.0\n"
        "model = dict(model=dict(num_heads=heads, per_joint_scale=dict(upper=wide, hands=1.25, face=1, lowertransl=1)))"
    )
    _, passport = imported(released, tmp_path)
    assert passport.settings["sampling"]["part_scales"] == {"upper": 2.0, "hands": 1.25, "face": 1, "lower": 1}
    assert not mark.exists()


# What is wrong is said


def state_with(released: Released, **changes) -> None:
    """Entries of the checkpoint set, or taken away where the value is None."""
    for name, tensor in changes.items():
        if tensor is None:
            del released.diffusion[name]
        else:
            released.diffusion[name] = tensor


def test_all_that_differs_stands_in_one_error(released, tmp_path):
    state = released.diffusion
    moved = state.pop("model.temporal_decoder_blocks.1.ca_mix.bias")
    state["model.temporal_decoder_blocks.1.ca_mx.bias"] = moved
    del state[EMBEDDED.format("face") + "final_layer.bias"]
    state["model.extra"] = torch.zeros(2)
    state["stranger.weight"] = torch.zeros(2)
    state["model.out.bias"] = torch.zeros(17)
    state["model.out.weight"] = state["model.out.weight"].half()
    state["model.joint_embed.bias"] = state["model.joint_embed.bias"].clone().fill_(torch.nan)
    with pytest.raises(InputError) as caught:
        imported(released, tmp_path)
    told = str(caught.value)
    assert "epoch_64.pth: 2 missing" in told
    assert "ca_mix.bias (there is model.temporal_decoder_blocks.1.ca_mx.bias)" in told
    assert "model.gesture_rep_encoder.face_vae.final_layer.bias" in told
    assert "3 superfluous" in told
    assert "stranger.weight" in told
    assert "model.out.bias is float32 (17,), not float32 (16,)" in told
    assert "model.out.weight is float16 (16, 24), not float32 (16, 24)" in told
    assert "1 not finite: model.joint_embed.bias" in told
    assert "\n" not in told


@pytest.mark.parametrize("name", ["encoder.norm.weight", "skel_embedding.weight", "global_motion_token"])
def test_a_tensor_missing_in_a_vae_file_is_named(name, released, tmp_path):
    del released.vaes["hands"][name]
    with pytest.raises(InputError, match=rf"vae_hands.bin: 1 missing: {name}; expected \d+ tensors"):
        imported(released, tmp_path)


def test_a_setting_that_contradicts_the_tensors_names_what_differs(released, tmp_path):
    released.told["ff_size"] = 48
    with pytest.raises(
        InputError, match=r"wrongly shaped: encoder.*linear1.weight is float32 \(24, 16\), not float32 \(48"
    ):
        imported(released, tmp_path)


@dataclass(frozen=True)
class Evil:
    """What leaves a mark if it is unpickled without care."""

    mark: Path

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def break_pickle(released: Released, root: Path) -> None:
    path = released.checkpoint(root)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_short_old_format(released: Released, root: Path) -> None:
    path = released.vae_file(root, "upper")
    torch.save({"model_state": released.vaes["upper"]}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-1000])


def add_code(released: Released, root: Path) -> None:
    torch.save({"model_state": released.vaes["face"], "hook": Evil(root / "was run")}, released.vae_file(root, "face"))


def second_checkpoint(released: Released, root: Path) -> None:
    path = released.checkpoint(root)
    path.rename(path.with_name("epoch_62.pth"))
    path.with_name("epoch_66.pth").write_bytes(b"")


def second_folder(released: Released, root: Path) -> None:
    (root / "vae" / "another_upper_vae").mkdir()


FAULTS = {
    "cut short": (break_pickle, r"epoch_64.pth: not readable as a checkpoint \(RuntimeError\), perhaps cut short"),
    "cut short, old format": (cut_short_old_format, r"vae_upper.bin: not readable as a checkpoint"),
    "with code": (add_code, r"vae_face.bin: needs posix.mkdir to be loaded, and loading it could run any code"),
    "no yaml": (lambda r, root: r.yaml_file(root, "face").unlink(), r"face.*\.yaml: no such file"),
    "broken yaml": (lambda r, root: r.yaml_file(root, "face").write_text("a: [1"), r"\.yaml: not valid YAML"),
    "yaml names no file": (
        lambda r, root: r.yaml_file(root, "face").write_text("nfeats: 3"),
        r"\.yaml: test_ckpt = None; expected the name of the checkpoint",
    ),
    "no checkpoint": (lambda r, root: r.checkpoint(root).unlink(), r"diffusion: no checkpoint; expected one <name>/ep"),
    "two checkpoints": (second_checkpoint, r"diffusion: .*epoch_62.pth, .*epoch_66.pth; expected one"),
    "two folders": (second_folder, r"vae: .*another_upper_vae named \*_upper_\*; expected one folder of that name"),
    "no vae file": (lambda r, root: r.vae_file(root, "upper").unlink(), r"vae_upper.bin: no such file"),
    "an empty vae file": (lambda r, root: r.vae_file(root, "upper").write_bytes(b""), r"vae_upper.bin: not readable"),
    "another dictionary": (
        lambda r, root: torch.save({"model": {}}, r.vae_file(root, "upper")),
        r"vae_upper.bin: a dictionary of model; expected 'model_state' with tensors by name",
    ),
    "broken python": (
        lambda r, root: next((root / "diffusion").glob("*/*.py")).write_text("model = ("),
        r"basegesture_len150_beat.py: not valid Python",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_folder_is_told_in_one_line(fault, released, tmp_path):
    harm, told = FAULTS[fault]
    released.write(tmp_path / "theirs")
    harm(released, tmp_path / "theirs")
    with pytest.raises(InputError, match=told) as caught:
        published_folder.read(tmp_path / "theirs")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "theirs" / "was run").exists()


def test_the_mark_of_the_pickle_with_code_would_be_seen(tmp_path):
    torch.save(Evil(tmp_path / "was run"), tmp_path / "evil.pt")
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert (tmp_path / "was run").exists()


TOLD = {
    "heads": ({"num_heads": 3}, r"\.yaml: 12 heads for 16 channels; expected heads of equal width"),
    "spread": (
        {"vae_dist": "cauchy"},
        r"unknown vae_dist of .*'cauchy'.*; expected one of multivariate_normal, normal",
    ),
    "activation": ({"transformer_activation": "relu"}, r"unknown transformer_activation of .*expected one of gelu"),
    "layers": ({"num_layers": "many"}, r"\.yaml\.layers = 'many'"),
    "frames": ({"num_frames": 75}, r"latents per part 4, of its VAEs 5"),
    "a word for frames": ({"num_frames": "all"}, r"num_frames = 'all'; expected a number"),
}


@pytest.mark.parametrize("told", TOLD)
def test_settings_that_cannot_be_are_refused(told, released, tmp_path):
    values, message = TOLD[told]
    released.told |= values
    with pytest.raises(InputError, match=message):
        imported(released, tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("model = dict(num_heads=3, per_joint_scale=dict(legs=1.0))", r"unknown part of per_joint_scale in .*'legs'"),
        ("model = dict(num_heads=3, per_joint_scale=2.0)", r"per_joint_scale = 2.0; expected a number for upper"),
        ("model = dict(num_heads=5)", r"5 heads for 24 channels"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(config, message, released, tmp_path):
    released.config = config
    with pytest.raises(InputError, match=message):
        imported(released, tmp_path)


def test_vaes_of_different_sizes_are_refused(released, tmp_path):
    face = replace(SMALL, feed_forward=28)
    released.vaes["face"] = {n: torch.zeros(s) for n, s in vae_shapes("face", face).items()}
    for name, tensor in released.vaes["face"].items():
        released.diffusion[EMBEDDED.format("face") + name] = tensor
    with pytest.raises(InputError, match=r"face.*: feed_forward is 28, of upper 24; expected four VAEs of equal sizes"):
        imported(released, tmp_path)


def test_weights_of_one_speaker_are_refused(released, tmp_path):
    released.diffusion["model.speaker_embedding.weight"] = torch.zeros(1, 24)
    with pytest.raises(InputError, match="weights of one speaker; expected the variant for all speakers"):
        imported(released, tmp_path)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; expected the published folders vae and diffusion"):
        published_folder.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"vae: none named \*_upper_\*; expected one folder of that name"):
        published_folder.read(tmp_path)
