"""Inverted windows: kept in memory and on disk, found again by weights and window, remade where a file is damaged."""

import copy

import pytest
import torch

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.codecs.part_codec import PartCodecs, PartWindows
from gesturebench.common.corpus.windows import Window
from gesturebench.common.errors import InputError
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.rag_gesture.fitting import build_denoiser
from gesturebench.methods.rag_gesture.inversions import LIMIT_GB, Inversions, limit_bytes
from gesturebench.methods.rag_gesture.layout import RETRIEVED_PARTS
from gesturebench.methods.rag_gesture.sampler import LatentSampler


class Counted(LatentSampler):
    """Remembers how many windows were inverted at once."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.batches: list[int] = []

    def invert(self, latents_BTL, told):
        self.batches.append(len(latents_BTL))
        return super().invert(latents_BTL, told)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GESTUREBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv(LIMIT_GB, "1")


@pytest.fixture(scope="module")
def trained(small, store):
    config, artifacts = small.config("rag_gesture"), small.artifacts("rag_gesture")
    denoiser, layout = build_denoiser(config)
    load_weights(denoiser.requires_grad_(False), artifacts["denoiser"])
    codecs = PartCodecs(config.codec, {part: artifacts[f"vae_{part}"] for part in PART_NAMES})
    return config, denoiser, layout, codecs, PartWindows(store, "train", config.codec)


@pytest.fixture
def fresh(trained, store):
    """`fresh(denoiser=...)`: (inversions, their sampler), as another process would have them."""
    config, own, layout, codecs, windows = trained

    def make(denoiser=None, config=config):
        sampler = Counted(denoiser or own, config.sampling, config.compute)
        return Inversions(sampler, codecs, layout, store, windows, config), sampler

    return make


@pytest.fixture
def windows(store) -> list[Window]:
    return [Window(clip_id, 0, 120) for clip_id in store.split("train")[:3]]


@pytest.fixture
def tokens(trained) -> list[int]:
    layout = trained[2]
    return layout.tokens_of(0, layout.slots, RETRIEVED_PARTS)


def test_a_window_is_inverted_once_for_all_processes(fresh, windows, tokens):
    first, inverting = fresh()
    first.prepare(windows)
    first.prepare(windows[:1])
    second, reading = fresh()
    second.prepare(windows)
    assert (inverting.batches, reading.batches) == ([3], [])
    for window in windows:
        assert torch.equal(first.tokens(window, tokens), second.tokens(window, tokens))


def test_what_is_missing_is_inverted_together(fresh, windows, tokens):
    first, _ = fresh()
    first.prepare(windows[:1])
    second, sampler = fresh()
    second.prepare([windows[2], windows[0], windows[1], windows[2]])
    assert sampler.batches == [2]
    alone, _ = fresh()
    alone.prepare(windows[2:])
    torch.testing.assert_close(alone.tokens(windows[2], tokens), second.tokens(windows[2], tokens))


def test_batches_do_not_change_a_window(fresh, windows, tokens, monkeypatch):
    monkeypatch.setenv(LIMIT_GB, "0")
    together, _ = fresh()
    together.prepare(windows)
    for window in windows:
        alone, _ = fresh()
        alone.prepare([window])
        torch.testing.assert_close(alone.tokens(window, tokens), together.tokens(window, tokens), atol=1e-4, rtol=1e-4)


def test_other_weights_and_other_settings_have_their_own_inversions(fresh, trained, windows, tokens):
    config, denoiser, *_ = trained
    first, _ = fresh()
    first.prepare(windows[:1])
    changed = copy.deepcopy(denoiser)
    changed.out.bias.data += 0.01
    other, retrained = fresh(changed)
    other.prepare(windows[:1])
    slower, respaced = fresh(config=config.updated({"sampling": {"coarse_scale": 1.0}}))
    slower.prepare(windows[:1])
    assert retrained.batches == respaced.batches == [1]
    assert not torch.equal(first.tokens(windows[0], tokens), other.tokens(windows[0], tokens))


def test_a_damaged_file_is_made_again(fresh, windows, tokens, tmp_path):
    first, _ = fresh()
    first.prepare(windows[:1])
    (file,) = tmp_path.rglob("*.npz")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    second, sampler = fresh()
    second.prepare(windows[:1])
    assert sampler.batches == [1]
    assert torch.equal(first.tokens(windows[0], tokens), second.tokens(windows[0], tokens))
    third, sampler = fresh()
    third.prepare(windows[:1])
    assert sampler.batches == []


def test_no_room_no_files(fresh, windows, tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT_GB, "0")
    inversions, _ = fresh()
    inversions.prepare(windows[:1])
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("value", ["much", "-1", "nan", "inf"])
def test_the_limit_is_a_number(monkeypatch, value):
    monkeypatch.setenv(LIMIT_GB, value)
    with pytest.raises(InputError, match=f"{LIMIT_GB}={value}; expected gigabytes"):
        limit_bytes()
