"""Random windows are uniform over everything that fits, and windows in a row leave nothing out."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.corpus.windows import RandomWindows, Window, laid_out
from gesturebench.common.errors import InputError

from .conftest import write_body, write_clip, write_split

LENGTHS = {"2_scott_0_1_1": 45, "2_scott_0_2_2": 60, "2_scott_0_3_3": 20}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    """Three training clips, of which one is shorter than the windows drawn here."""
    root, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    for seed, (clip_id, frames) in enumerate(LENGTHS.items()):
        write_clip(root, clip_id, seed, seconds=3.0, frames=frames)
    write_split(root, [(clip_id, "train") for clip_id in LENGTHS])
    write_body(root / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz")
    build_store(root, out)
    return ClipStore.open(out)


def draw(store: ClipStore, count: int, seed: int = 0, **settings: int) -> list[Window]:
    return RandomWindows(store, "train", 30, **settings).draw(count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("step", [1, 10])
def test_windows_fit_into_their_clips(store, step):
    for window in draw(store, 500, step=step):
        assert window.length == 30
        assert window.start % step == 0
        assert 0 <= window.start <= store.n_frames(window.clip_id) - 30


@pytest.mark.parametrize(("step", "places"), [(1, 16 + 31), (10, 2 + 4)])
def test_every_place_is_equally_likely(store, step, places):
    """Chi squared of 6000 draws over all places: 4.5 standard deviations above its mean would be one in 10^5."""
    count = Counter((w.clip_id, w.start) for w in draw(store, 6000, step=step))
    assert len(count) == places
    expected = 6000 / places
    statistic = sum((seen - expected) ** 2 / expected for seen in count.values())
    assert statistic < places - 1 + 4.5 * (2 * (places - 1)) ** 0.5


def test_draws_belong_to_the_generator(store):
    assert draw(store, 20) == draw(store, 20) != draw(store, 20, seed=1)


def test_no_clip_is_long_enough(store):
    with pytest.raises(InputError, match=r"split 'train': no clip has 61 frames \(2.0 s\)"):
        RandomWindows(store, "train", 61)


def test_a_window_may_be_a_whole_clip(store):
    windows = RandomWindows(store, "train", 60).draw(5, torch.Generator())
    assert set(windows) == {Window("2_scott_0_2_2", 0, 60)}


@pytest.mark.parametrize("stride", [1, 7, 30])
def test_windows_in_a_row(store, stride):
    windows = laid_out(store, "train", 30, stride)
    by_clip = {clip: [w.start for w in windows if w.clip_id == clip] for clip in LENGTHS}
    assert [w.clip_id for w in windows] == sorted((w.clip_id for w in windows), key=list(store.split("train")).index)
    assert not by_clip.pop("2_scott_0_3_3")
    for clip, starts in by_clip.items():
        assert starts[0] == 0
        assert all(b - a == stride for a, b in pairwise(starts))
        assert starts[-1] + 30 <= LENGTHS[clip] < starts[-1] + stride + 30
