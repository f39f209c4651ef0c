"""Training the part VAEs on a real store, and motion through them and back."""

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import WEIGHTS
from gesturebench.common.codecs.config import CodecConfig
from gesturebench.common.codecs.latent_windows import LatentWindows
from gesturebench.common.codecs.part_codec import PartCodecs, PartWindows, fit_part_vae
from gesturebench.common.codecs.reconstruction import reconstruct
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.corpus.windows import Window
from gesturebench.common.files import read_json
from gesturebench.common.fitting import FitContext
from gesturebench.common.motion.parts import PART_FEATURES, foot_contact, part_features
from gesturebench.common.motion.resample import decimate
from gesturebench.common.motion.skeleton import PART_NAMES

from .conftest import smooth_motion, write_body, write_clip, write_split

VAE = {
    "width": 16, "layers": 1, "heads": 2, "feed_forward": 24, "dropout": 0.0, "chunk": 5,
    "decoder_depth": "as_encoder", "pre_norm": True, "memory_span": 1,
}  # fmt: skip
CONFIG = CodecConfig.parse(
    {"vae": VAE, "frames": 30, "posterior": "mean", "training": {"steps": 12, "batch": 3, "save_every": 4}}
)
CLIPS = {"2_scott_0_1_1": 75, "2_scott_0_2_2": 90}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    root, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    for seed, (clip_id, frames) in enumerate(CLIPS.items()):
        write_clip(root, clip_id, seed, seconds=4.0, frames=frames)
    write_split(root, [(clip_id, "train") for clip_id in CLIPS])
    write_body(root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz")
    build_store(root, out)
    return ClipStore.open(out)


class Killed(BaseException):
    """Stands for a process that ends without notice."""


def fit(store, folder, part: str, config: CodecConfig = CONFIG, progress=lambda done, total: None):
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    fit_part_vae(
        {"codec": config.model_dump(mode="json"), "part": part}, FitContext(store, out, work, progress=progress)
    )
    return out


@pytest.fixture(scope="module")
def folders(store, tmp_path_factory):
    return {part: fit(store, tmp_path_factory.mktemp(part), part) for part in PART_NAMES}


@pytest.fixture(scope="module")
def codecs(folders) -> PartCodecs:
    return PartCodecs(CONFIG, folders)


def test_fitting_leaves_weights_curve_and_quality(folders):
    for part, folder in folders.items():
        curve, quality = read_json(folder / "curve.json"), read_json(folder / "quality.json")
        assert [row["step"] for row in curve] == [10, 12]
        assert curve[-1].keys() >= {"loss", "reconstruction", "velocity", "acceleration", "kl"}
        assert quality["explained_at_end"] == pytest.approx(1 - curve[-1]["reconstruction"]), part


def test_a_killed_fit_ends_in_the_same_bits(store, folders, tmp_path):
    def die(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        fit(store, tmp_path, "face", progress=die)
    assert not (tmp_path / "out" / WEIGHTS).exists()
    again = fit(store, tmp_path, "face")
    assert (again / WEIGHTS).read_bytes() == (folders["face"] / WEIGHTS).read_bytes()


def test_longer_training_explains_more(store, folders, tmp_path):
    longer = CONFIG.updated({"training": {"steps": 80, "lr": 3e-3}})
    quality = read_json(fit(store, tmp_path, "upper", longer) / "quality.json")
    assert quality["explained_at_end"] > read_json(folders["upper"] / "quality.json")["explained_at_end"] + 0.05


def test_windows_are_cut_and_decimated_clips(store):
    window = Window("2_scott_0_2_2", 10, 60)
    features = PartWindows(store, "train", CONFIG).features(window)
    slow = decimate(store.motion(window.clip_id).cut(10, 70), 15)
    expected = part_features(slow, foot_contact(slow, store.joints))
    assert {part: x.shape for part, x in features.items()} == {part: (30, n) for part, n in PART_FEATURES.items()}
    for part in ("upper", "hands", "face"):
        torch.testing.assert_close(features[part], expected[part])
    lower = slice(0, 57)  # contact of the window's last frame knows the clip's next one, here it does not
    torch.testing.assert_close(features["lower"][:, lower], expected["lower"][:, lower])
    torch.testing.assert_close(features["lower"][:-1], expected["lower"][:-1])


def encoded(codecs: PartCodecs, windows: PartWindows, window: Window) -> dict[str, torch.Tensor]:
    features = {part: x[None] for part, x in windows.features(window).items()}
    return codecs.encode(features, torch.Generator())


def test_latents_and_features_have_their_shapes(store, codecs):
    latents = encoded(codecs, PartWindows(store, "train", CONFIG), Window("2_scott_0_2_2", 0, 60))
    assert {part: z.shape for part, z in latents.items()} == dict.fromkeys(PART_NAMES, (1, 6, 16))
    decoded = codecs.decode(latents)
    assert {part: x.shape for part, x in decoded.items()} == {part: (1, 30, n) for part, n in PART_FEATURES.items()}


def test_cached_latents_are_those_of_the_window(store, codecs):
    """Chunks of a clip are encoded once and cut; encoding the window itself gives the same."""
    cache, windows = LatentWindows(store, "train", codecs), PartWindows(store, "train", CONFIG)
    drawn = cache.draw(6, torch.Generator().manual_seed(0))
    assert len({window.start for window in drawn}) > 1
    cached = cache.latents(drawn, torch.Generator())
    for row, window in enumerate(drawn):
        own = encoded(codecs, windows, window)
        for part, z in zip(PART_NAMES, cached, strict=True):
            torch.testing.assert_close(z[row], own[part][0], atol=1e-5, rtol=1e-4)


def test_standardised_latents_have_unit_size_and_decode_alike(store, folders, codecs):
    standard = PartCodecs(CONFIG.updated({"standardise": True}), folders)
    windows = PartWindows(store, "train", CONFIG)
    drawn = windows.draw(64, torch.Generator().manual_seed(3))
    features = [windows.features(window) for window in drawn]
    batch = {part: torch.stack([f[part] for f in features]) for part in PART_NAMES}
    z, raw = (c.encode(batch, torch.Generator()) for c in (standard, codecs))
    for part in PART_NAMES:
        assert z[part].mean() == pytest.approx(0.0, abs=0.1)
        assert z[part].square().mean() == pytest.approx(1.0, abs=0.3)
    decoded, expected = standard.decode(z), codecs.decode(raw)
    for part in PART_NAMES:
        torch.testing.assert_close(decoded[part], expected[part], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 59, 60, 61, 90, 131])
def test_reconstruction_keeps_length_rate_and_place(store, codecs, frames):
    motion = smooth_motion(frames)
    motion.trans[:, 0] += 5
    back = reconstruct(motion, codecs, store.joints, torch.Generator()).checked("reconstruction")
    assert (back.n_frames, back.fps) == (frames, 30)
    assert np.array_equal(back.betas, motion.betas)
    assert np.abs(back.trans[:, 0] - motion.trans[:, 0]).max() < 2
