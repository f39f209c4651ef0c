"""EMAGE from speech to motion: its seams, its length, and word between windows."""

import numpy as np
import pytest

WINDOW = 64


@pytest.fixture(scope="module")
def trained(small):
    """Long enough to have codes of its own for every place in a window."""
    return lambda **generation: small.load("emage", training={"steps": 40}, generation=generation)


def steps(motion, overlap: int) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the pose from frame to frame: into and out of frames that windows share, and away from these."""
    change = np.linalg.norm(np.diff(motion.poses, axis=0), axis=1)
    at, near = np.zeros((2, len(change)), bool)
    for start in range(WINDOW - overlap, len(change), WINDOW - overlap):
        at[start - 1 : start + overlap] = True
        near[start - 8 : start + overlap + 8] = True
    return change[at], change[~near]


def compared(motions, overlap: int) -> tuple[float, float]:
    """Mean step at seams over that inside, and the share of seams' steps above the 99th percentile inside."""
    seams, inside = (np.concatenate(group) for group in zip(*(steps(m, overlap) for m in motions), strict=True))
    return seams.mean() / inside.mean(), (seams > np.percentile(inside, 99)).mean()


def test_seams_are_as_smooth_as_the_inside(trained, store):
    """As released, every window jumps from its predecessor's last pose to its own first one."""
    speeches = [store.speech(clip) for clip in store.split("test")]
    ratio, above = compared(trained().generate(speeches, seed=0), overlap=16)
    assert above <= 0.02
    assert ratio < 2
    ratio, _ = compared(trained(seams="released").generate(speeches, seed=0), overlap=4)
    assert ratio > 5


@pytest.mark.parametrize("tail", ["whole", "released"])
def test_a_motion_is_as_long_as_its_speech_and_released_tails_stand_still(trained, clips, cut, tail):
    speech = cut(clips[3], 127).speech
    (motion,) = trained(seams="released", tail=tail).generate([speech], seed=0)
    assert motion.n_frames == 127
    assert (np.ptp(motion.poses[119:], axis=0).max() == 0) == (tail == "released")


def test_progress_is_told_between_windows_and_may_stop_there(trained, clips):
    calls = []
    trained().generate([clip.speech for clip in clips], seed=0, progress=lambda *done: calls.append(done))
    assert len(calls) > 5
    assert calls[-1] == (4, 4)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained().generate([clips[3].speech], seed=0, progress=stop)
