"""Where windows meet: nothing is added to what they say, and what they disagree about fades."""

import numpy as np
import pytest
import torch

from gesturebench.common.codecs.prior_windows import motion_channels, part_rows, stacked
from gesturebench.common.motion.parts import foot_contact
from gesturebench.methods.mambatalk.config import PRESETS
from gesturebench.methods.mambatalk.windows import shared_frames
from tests.methods.rag_gesture.test_long_form import long_speech
from tests.methods.seam_speeds import seam_speeds

TINY = PRESETS["tiny"]
WINDOW, OVERLAP = TINY.network.window, TINY.generation.overlap
HOP = WINDOW - OVERLAP


@pytest.fixture(scope="module")
def generator(small):
    return lambda **generation: small.load("mambatalk", generation=generation)._generator


def recordings(store) -> np.ndarray:
    """(T, 55, 3) m: all test clips, one after another."""
    clips = store.split("test")
    return np.concatenate([store.joints.positions(store.motion(clip), trans=False) for clip in clips])


def shared(seams: str) -> int:
    return shared_frames(TINY.network, TINY.generation.updated({"seams": seams}))


def codes_of(decoder, store, overlap: int) -> dict[str, torch.Tensor]:
    """(T,) codes of a recording, as long as whole windows."""
    motion = store.motion(store.split("test")[0])
    channels = (motion.poses, motion.trans, foot_contact(motion, store.joints))
    features = part_rows(motion_channels(*map(stacked, channels))[None], stacked(motion.expressions)[None])
    hop = WINDOW - overlap
    whole = (motion.n_frames - overlap) // hop * hop + overlap
    return {part: index[0, :whole] for part, index in decoder.priors.indices(features).items()}


@pytest.mark.parametrize("seams", ["blended", "released"])
def test_windows_that_agree_leave_no_seam(seams, generator, store):
    """Codes of a recording, cut into windows, are the motion that they are in one piece."""
    decoder = generator(seams=seams)._talker._decoder
    overlap = shared(seams)
    codes = codes_of(decoder, store, overlap)
    frames = len(codes["upper"])
    one, many = (
        decoder.motion(
            {part: index.unfold(0, length, WINDOW - overlap) for part, index in codes.items()}, frames, None, (0, 0)
        )
        for length in (frames, WINDOW)
    )
    assert frames > 3 * WINDOW
    for name in ("poses", "expressions", "trans"):
        np.testing.assert_allclose(getattr(many, name), getattr(one, name), atol=1e-5)


def test_what_windows_disagree_about_fades_in_equal_steps(generator):
    """Two windows that stand still at different codes: a cut is one step between them, a fade many shorter ones."""
    steps = {}
    for seams in ("blended", "released"):
        decoder, seen = generator(seams=seams)._talker._decoder, []
        decode = decoder.priors.codecs["upper"].decoder.register_forward_pre_hook(lambda _, z, s=seen: s.append(z[0]))
        codes = dict.fromkeys(("upper", "hands", "face", "lower"), still(3, 5))
        decoder.motion(codes, 2 * WINDOW - shared(seams), None, (0, 0))
        decode.remove()
        steps[seams] = seen[0][0].diff(dim=0).norm(dim=-1)
    whole = steps["released"].max()
    assert (steps["released"] > 1e-6).sum() == 1
    fading = steps["blended"][steps["blended"] > 1e-6]
    torch.testing.assert_close(fading, whole.expand(OVERLAP + 1) / (OVERLAP + 1))


def still(*codes: int) -> torch.Tensor:
    """(W, T)."""
    return torch.tensor(codes)[:, None].expand(-1, WINDOW)


def test_a_minute_of_speech_is_no_faster_at_its_seams(generator, store):
    """Than the 99th percentile between them; a network that was hardly trained stands still there, so that what people
    do counts beside it."""
    motion = generator().batch([long_speech(store, 60)], [None], seed=0)[0]
    found, people = (
        seam_speeds(x, HOP, OVERLAP) for x in (store.joints.positions(motion, trans=False), recordings(store))
    )
    assert motion.n_frames == 1800
    assert found["speed"].at <= max(found["speed"].elsewhere, people["speed"].elsewhere)
    assert found["acceleration"].at <= 2 * max(found["acceleration"].elsewhere, people["acceleration"].elsewhere)


def test_a_cut_is_seen(store):
    """Windows of recordings in another order."""
    whole = recordings(store)
    pieces = np.split(whole[: len(whole) // HOP * HOP], len(whole) // HOP)
    mixed = np.concatenate([pieces[k] for k in np.random.default_rng(0).permutation(len(pieces))])
    for name, seams in seam_speeds(mixed, HOP, 0).items():
        assert seams.ratio > 1.5, name
        assert seams.at > 1.5 * seam_speeds(whole, HOP, 0)[name].elsewhere
