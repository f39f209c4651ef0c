"""Training the motion priors on a real store, and motion through them and back."""

import json

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import WEIGHTS, load_weights
from gesturebench.common.codecs.part_vqs import PartVQs, poses_of, proper_lower, to_motion
from gesturebench.common.codecs.prior_fitting import centre, fit_global_motion, fit_part_vq, start_codes
from gesturebench.common.codecs.prior_losses import POINT_TERMS
from gesturebench.common.codecs.prior_quality import codebook_usage, part_quality, reconstruction
from gesturebench.common.codecs.prior_windows import PriorWindows, motion_channels, part_rows
from gesturebench.common.codecs.vq_config import PRIORS, PriorConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.corpus.windows import Window
from gesturebench.common.files import read_json
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.parts import PART_FEATURES, foot_contact
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.codec_components import vq_components

from .bodies import dense_body, written
from .conftest import write_clip, write_split

CONFIG = PriorConfig.parse({
    "codec": {"width": 12, "codes": 10}, "lower_layers": 2, "frames": 16, "stride": 5, "centred": True, "uncoded": 0.5,
    "training": {"steps": 12, "batch": 3, "save_every": 4, "lr": 3e-3},
})  # fmt: skip
CLIPS = {"2_scott_0_1_1": ("train", 75), "2_scott_0_2_2": ("train", 90), "2_scott_0_65_65": ("val", 75)}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    root, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    for seed, (clip_id, (_, frames)) in enumerate(CLIPS.items()):
        write_clip(root, clip_id, seed, seconds=4.0, frames=frames)
    write_split(root, [(clip_id, split) for clip_id, (split, _) in CLIPS.items()])
    body = root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz"
    body.parent.mkdir(parents=True)
    written(body, dense_body())
    build_store(root, out)
    return ClipStore.open(out)


class Killed(BaseException):
    """Stands for a process that ends without notice."""


def fit(store, folder, part: str | None, config: PriorConfig = CONFIG, progress=lambda done, total: None):
    """A codec, or without a part global motion."""
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    context, priors = FitContext(store, out, work, progress=progress), config.model_dump(mode="json")
    if part is None:
        fit_global_motion({"priors": priors}, context)
    else:
        fit_part_vq({"priors": priors, "part": part}, context)
    return out


@pytest.fixture(scope="module")
def folders(store, tmp_path_factory):
    made = {f"vq_{part}": fit(store, tmp_path_factory.mktemp(part), part) for part in PART_NAMES}
    return made | {"global_motion": fit(store, tmp_path_factory.mktemp("global"), None)}


@pytest.fixture(scope="module")
def vqs(folders) -> PartVQs:
    return PartVQs(CONFIG, folders)


@pytest.fixture(scope="module")
def clip(store):
    """Features (1, T, F) of a whole clip by part."""
    motion = store.motion("2_scott_0_2_2")
    poses, trans = (torch.from_numpy(np.array(rows)) for rows in (motion.poses, motion.trans))
    contact = torch.from_numpy(foot_contact(motion, store.joints))
    channels = motion_channels(poses, trans, contact)[None]
    return part_rows(channels, torch.from_numpy(np.array(motion.expressions))[None])


def test_windows_are_cut_clips_with_absolute_translation(store, clip):
    windows = PriorWindows(store, "train", 16, 5)
    drawn = [Window("2_scott_0_2_2", 5, 16), Window("2_scott_0_2_2", 60, 16)]
    for features in (windows.features(drawn), part_rows(windows.channels(drawn), windows.expressions(drawn))):
        for part in PART_NAMES:
            expected = torch.stack([clip[part][0, w.start : w.start + 16] for w in drawn])
            torch.testing.assert_close(features[part], expected)
    assert {w.start % 5 for w in windows.draw(40, torch.Generator().manual_seed(0))} == {0}


@pytest.mark.parametrize("part", PART_NAMES)
def test_fitting_a_codec_leaves_weights_curve_and_quality(folders, part):
    folder = folders[f"vq_{part}"]
    curve, quality = read_json(folder / "curve.json"), read_json(folder / "quality.json")
    assert [row["step"] for row in curve] == [10, 12]
    points = {"points", "skate"} if part == "lower" else set(POINT_TERMS)
    assert curve[-1].keys() >= {"loss", "rotation", "velocity", "acceleration", "codebook", "perplexity"} | points
    terms = {name: value for name, value in curve[-1].items() if name not in ("step", "loss", "perplexity")}
    assert curve[-1]["loss"] == pytest.approx(sum(terms.values()), rel=1e-5)
    codebook, kept = quality["codebook"], quality["reconstruction"]
    assert kept["split"] == "val"
    assert kept["windows"] == 75 // 16
    assert codebook["used"] + codebook["dead"] == codebook["codes"] == len(codebook["counts"]) == 10
    assert sum(codebook["counts"]) == 16 * (75 // 16 + 90 // 16)
    assert kept["point_mm"] > 0
    assert ("contact" in kept) == (part == "lower")


def test_fitting_global_motion_leaves_weights_curve_and_quality(folders):
    curve = read_json(folders["global_motion"] / "curve.json")
    assert curve[-1].keys() >= {
        "speed",
        "position",
        "contact",
        "speed_change",
        "position_change",
        "skate",
        *POINT_TERMS,
    }
    kept = read_json(folders["global_motion"] / "quality.json")["reconstruction"]
    assert kept.keys() == {"split", "windows", "place_mm", "speed_mm_s", "contact"}


@pytest.mark.parametrize("after", [2, 5, 7])
def test_a_killed_fit_ends_in_the_same_bits(store, folders, tmp_path, after):
    """Before, at and after the step that chooses the codes."""
    config = CONFIG.updated({"training": {"save_every": 1}})

    def die(done: int, total: int) -> None:
        if done > after:
            raise Killed

    with pytest.raises(Killed):
        fit(store, tmp_path, "upper", config, die)
    again = fit(store, tmp_path, "upper", config)
    assert (again / WEIGHTS).read_bytes() == (folders["vq_upper"] / WEIGHTS).read_bytes()


def test_longer_training_keeps_more(store, folders, tmp_path):
    windows = PriorWindows(store, "train", CONFIG.frames)
    drawn = windows.draw(16, torch.Generator().manual_seed(0))
    x, betas = windows.features(drawn, ("upper",))["upper"], windows.betas(drawn)

    def kept(folder) -> dict[str, float]:
        codec = VQVAE(PART_FEATURES["upper"], CONFIG.part_codec("upper"))
        load_weights(codec, folder)
        return reconstruction("upper", codec.decode_indices(codec.indices(x)), x, betas, store)

    short = kept(folders["vq_upper"])
    long = kept(fit(store, tmp_path, "upper", CONFIG.updated({"training": {"steps": 150}})))
    assert long["explained"] > short["explained"] + 0.05
    assert long["rotation_deg"] < short["rotation_deg"]
    assert long["point_mm"] < short["point_mm"]


@pytest.mark.parametrize(("part", "changes"), [
    ("upper", {"body": "vertices"}), ("face", {"body_velocity": "released"}), ("face", {"face_pairing": "released"}),
    ("hands", {"body": "vertices", "body_velocity": "released"}), ("lower", {"body": "none"}),
    ("upper", {"centred": False, "uncoded": 0.0}), (None, {"body_velocity": "released"}), (None, {"body": "none"}),
])  # fmt: skip
def test_every_setting_trains_something_else(store, folders, tmp_path, part, changes):
    out = fit(store, tmp_path, part, CONFIG.updated(changes))
    usual = folders["global_motion" if part is None else f"vq_{part}"]
    assert (out / WEIGHTS).read_bytes() != (usual / WEIGHTS).read_bytes()
    last = read_json(out / "curve.json")[-1]
    if changes.get("body") == "none":
        assert not {"points", "skate"} & last.keys()


def test_centring_makes_features_enter_alike_and_leave_around_their_mean():
    codec = VQVAE(9, VQConfig(width=8, layers=2, codes=16))
    x = 3 + 0.01 * torch.randn(4, 20, 9, generator=torch.Generator().manual_seed(0))
    plain = codec.encoder.main[0].weight.clone()
    centre(codec, x)
    with torch.no_grad():
        entered = codec.encoder.main[0](x.transpose(1, 2))[..., 1:-1]
        expected = torch.nn.functional.conv1d((x.transpose(1, 2) - x.mean((0, 1))[:, None]) / 0.01, plain)
        torch.testing.assert_close(entered, expected, rtol=0.05, atol=0.2)
        assert (codec(x)[0] - 3).abs().max() < 0.1


def test_first_codes_are_means_of_what_they_stand_for():
    codec = VQVAE(9, VQConfig(width=8, layers=2, codes=5))
    x = torch.randn(6, 20, 9, generator=torch.Generator().manual_seed(0))
    start_codes(codec, x, torch.Generator().manual_seed(1))
    with torch.no_grad():
        z = codec.encoder(x).flatten(0, 1)
        index = codec.quantizer.indices(z)
    assert len(index.unique()) == 5
    means = torch.stack([z[index == code].mean(0) for code in range(5)])
    spread = (z - means[index]).square().mean()
    assert (z - codec.quantizer.codes(index)).square().mean() < 1.05 * spread


def test_usage_counts_codes():
    usage = codebook_usage(torch.tensor([[0, 2, 2], [2, 2, 0]]), 5)
    assert (usage["counts"], usage["used"], usage["dead"]) == ([2, 0, 4, 0, 0], 2, 3)
    p = np.array([1 / 3, 2 / 3])
    assert usage["perplexity"] == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_dead_codes_are_told(store, folders):
    """Codes that no latent is near: quality names their number and which they are."""
    codec = VQVAE(PART_FEATURES["hands"], CONFIG.part_codec("hands"))
    load_weights(codec, folders["vq_hands"])
    codec.requires_grad_(False).quantizer.embedding.weight[[1, 4, 8]] = 1e4
    codebook = part_quality(codec, "hands", store, CONFIG.frames)["codebook"]
    assert [codebook["counts"][code] for code in (1, 4, 8)] == [0, 0, 0]
    assert codebook["dead"] == codebook["counts"].count(0) >= 3
    assert codebook["used"] == 10 - codebook["dead"] > 0
    assert 1 <= codebook["perplexity"] <= codebook["used"]


def test_codes_of_motion_and_back(vqs, clip):
    indices, latents = vqs.indices(clip), vqs.latents(clip)
    decoded = vqs.decode(indices)
    for part, rows in clip.items():
        assert indices[part].shape == (1, 90)
        assert latents[part].shape == (1, 90, 12)
        assert decoded[part].shape == rows.shape
        assert not decoded[part].requires_grad
        assert torch.equal(latents[part], vqs.vectors(indices)[part])
        assert torch.equal(indices[part], vqs.nearest({part: latents[part] + 1e-6})[part])
    assert vqs.indices({"face": clip["face"]}).keys() == {"face"}


def test_the_same_weights_have_the_same_fingerprint(vqs, folders):
    same = PartVQs.of(vqs.codecs, vqs.network)
    other = PartVQs.of(vqs.codecs, ConvAutoencoder(61, CONFIG.global_motion))
    assert vqs.fingerprint() == PartVQs(CONFIG, folders).fingerprint() == same.fingerprint() != other.fingerprint()


def test_true_features_are_the_motion_they_came_from(store, clip):
    """With exact speeds, at the place where it starts."""
    motion = store.motion("2_scott_0_2_2")
    steps = 30 * np.diff(motion.trans[:, [0, 2]], axis=0)
    walk = clip["lower"][0].clone()
    walk[:-1, [54, 56]] = torch.from_numpy(steps)
    start = (float(motion.trans[0, 0]), float(motion.trans[0, 2]))
    back = to_motion({part: rows[0] for part, rows in clip.items()}, walk, motion.betas, start).checked("back")
    known = np.delete(np.arange(165), np.arange(69, 75))  # eyes belong to no part
    np.testing.assert_allclose(back.poses[:, known], motion.poses[:, known], atol=1e-4)
    assert np.abs(back.poses[:, 69:75]).max() == 0
    np.testing.assert_allclose(back.trans, motion.trans, atol=1e-5)
    assert np.array_equal(back.expressions, motion.expressions)
    assert back.fps == 30
    assert np.array_equal(back.betas, motion.betas)


def test_parts_that_are_not_taken_rest(clip):
    poses = poses_of(clip, taken=("upper", "hands", "lower"))
    assert poses[..., 66:69].abs().max() == 0
    torch.testing.assert_close(poses[..., :66], poses_of(clip)[..., :66])


def test_global_motion_is_given_proper_rotations_or_what_was_decoded(vqs, clip):
    rough = clip["lower"] * 1.5
    proper = proper_lower(rough)
    torch.testing.assert_close(proper[..., :54], clip["lower"][..., :54], atol=1e-5, rtol=1e-4)
    assert proper[..., 54:57].abs().max() == 0
    assert torch.equal(proper[..., 57:], rough[..., 57:])
    torch.testing.assert_close(proper_lower(rough, rotations_legacy), proper, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(vqs.global_motion(rough), vqs.network(proper))
    torch.testing.assert_close(vqs.global_motion(rough, "raw"), vqs.network(rough))


def test_components_are_declared_alike_and_known_by_their_settings():
    (upper, *_), (other, *_) = vq_components(PRIORS["tiny"]), vq_components(PRIORS["demo"])
    assert [c.name for c in vq_components(CONFIG)] == [*(f"vq_{part}" for part in PART_NAMES), "global_motion"]
    assert upper == vq_components(PRIORS["tiny"])[0]
    assert upper.config != other.config
    assert not upper.seeded


def test_published_sizes():
    """Parameters as counted in the papers' checkpoints."""
    paper = PRIORS["paper"]
    count = {
        part: sum(p.numel() for p in VQVAE(n, paper.part_codec(part)).parameters()) for part, n in PART_FEATURES.items()
    }
    assert count == {"upper": 2_172_648, "hands": 2_408_472, "face": 2_231_168, "lower": 3_714_325}
    assert paper.body == "vertices"


def test_the_published_rate_falls_in_the_last_epochs_and_never_for_the_upper_body():
    face, upper = (PRIORS["paper"].part_training(part) for part in ("face", "upper"))
    assert (face.lr, face.final_lr, face.decay) == (3e-4 * 64 / 128, 0.1, "step")
    assert face.decay_steps / face.steps == 780 / 800
    assert PRIORS["paper"].training == face
    assert upper.steps / face.steps == 500 / 800
    assert upper.decay_steps > upper.steps


MANIFESTS = {
    **{f"mambatalk_vq_{name}": part for name, part in
       {"face": "face", "upper": "upper", "hands": "hands", "lowerfoot": "lower", "lower": "global_motion"}.items()},
    **{f"emage_vq_{part}": part for part in PART_NAMES},
    "emage_global": "global_motion",
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "name"), MANIFESTS.items())
def test_the_published_networks_are_those_of_the_manifests(request, manifest, name):
    """Every tensor by name and shape, and no other."""
    path = request.config.getoption("golden").parent / "manifests" / f"{manifest}.json"
    if not path.exists():
        pytest.skip("the manifests lie beside the full golden data")
    paper = PRIORS["paper"]
    with torch.device("meta"):
        network = (
            ConvAutoencoder(61, paper.global_motion)
            if name == "global_motion"
            else VQVAE(PART_FEATURES[name], paper.part_codec(name))
        )
    published = json.loads(path.read_text())
    published = published.get("tensors", published)
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == {k: v["shape"] for k, v in published.items()}
