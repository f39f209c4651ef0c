"""The motion base: what is in it, where it comes from, what it says of itself, and when there is none."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.files import write_json
from gesturebench.common.motion.rotations import axis_angle_from_6d
from gesturebench.methods.exges.retrieval.components import MOTION_BASE, RETRIEVER, missing_models, retrieval_components
from gesturebench.methods.exges.retrieval.entries import AUDIO, MOTION, Entries
from gesturebench.methods.exges.retrieval.motion_base import MotionBase
from gesturebench.methods.exges.retrieval.rows import MOTION_WIDTH, compared, motion_rows
from gesturebench.methods.exges.retrieval.segmentation import is_entry, segments_of
from gesturebench.methods.exges.retrieval.words import cleaned


@pytest.fixture(scope="module")
def base(retrieval) -> MotionBase:
    return MotionBase(retrieval.artifacts[MOTION_BASE])


def test_entries_are_the_segments_of_the_training_split(base, store, retrieval):
    rule, expected = retrieval.config.base.segments, []
    for clip in store.split("train"):
        speech = store.speech(clip)
        for segment in segments_of(cleaned(speech.words, 0.02), speech.duration_s, rule):
            first, stop = segment.frames(store.n_frames(clip))
            if is_entry(segment, rule) and stop - first >= rule.min_frames:
                expected.append((clip, first, stop - first, segment.text))
    e = base.entries
    assert [(*e.place(k), e.texts[k]) for k in range(len(e))] == expected
    assert set(e.clips) == set(store.split("train"))


def test_rows_are_those_of_their_frames(base, store):
    for entry in (0, len(base) // 2, len(base) - 1):
        clip, first, count = base.entries.place(entry)
        np.testing.assert_allclose(base.motion(entry), motion_rows(store.motion(clip))[first : first + count])
        np.testing.assert_allclose(base.audio(entry), store.feature("mel", clip)[first : first + count], atol=4e-3)


def test_rows_are_memory_mapped_and_statistics_are_theirs(base, retrieval):
    motion, audio = (np.load(retrieval.artifacts[MOTION_BASE] / name) for name in (MOTION, AUDIO))
    assert isinstance(base.motion(0).base, np.memmap) or base.motion(0).base is not None
    assert len(motion) == len(audio) == base.entries.rows[-1]
    np.testing.assert_allclose(base.statistics["motion_mean"], motion.mean(0, np.float64), atol=1e-5)
    np.testing.assert_allclose(base.statistics["audio_std"], audio.std(0, dtype=np.float64), rtol=1e-3, atol=1e-4)
    assert base.statistics["motion_std"].min() >= 1e-2 * 0.999


def test_motion_rows_turn_back_into_rotations(store):
    motion = store.motion(store.ids[0]).cut(0, 40)
    rows = motion_rows(motion)
    assert rows.shape == (40, MOTION_WIDTH)
    six = torch.from_numpy(rows[:, :-3]).unflatten(-1, (55, 6))
    np.testing.assert_allclose(axis_angle_from_6d(six).flatten(1), motion.poses, atol=1e-4)
    np.testing.assert_allclose(rows[5, -3:], (motion.trans[6] - motion.trans[4]) * 15, atol=1e-4)


def test_the_face_is_not_compared_unless_asked():
    assert compared(face=True).all()
    assert np.flatnonzero(~compared(face=False)).tolist() == list(range(6 * 22, 6 * 25))


def test_the_report_counts_what_is_there(base):
    report, e = base.report(), base.entries
    assert report["entries"] == len(e) == sum(report["flags"].values())
    assert sum(report["per_speaker"].values()) == len(e)
    for name in ("seconds", "words"):
        assert sum(report[name]["count"]) == len(e)
        assert len(report[name]["from"]) == len(report[name]["count"])
    shares = report["coverage"]
    assert 0 < shares["speech_time"] <= 1 + 1e-9
    assert 0 < shares["words"] <= 1
    words = [(start, count) for start, count in zip(report["words"]["from"], report["words"]["count"]) if count]
    assert words == [(n, int((e.words == n).sum())) for n in sorted(set(e.words.tolist()))]


def test_what_whisper_heard_is_heard_once(retrieval, store, tmp_path):
    """Words in the work folder are taken from there: no model is loaded, and equal words make an equal base."""
    (tmp_path / "model").mkdir()
    heard = {"words": {"source": "whisper", "whisper": {"model": str(tmp_path / "model")}}}
    for clip in store.split("train"):
        words = cleaned(store.speech(clip).words, 0.02)
        write_json(tmp_path / "words" / f"{clip}.json", [asdict(word) for word in words])
    other = retrieval.fit(MOTION_BASE, retrieval.config.updated({"base": heard}), work=tmp_path)
    for name in (MOTION, "names.json"):
        assert (other / name).read_bytes() == (retrieval.artifacts[MOTION_BASE] / name).read_bytes()


def test_two_bases_of_one_corpus_are_equal(retrieval):
    again = retrieval.fit(MOTION_BASE)
    for name in (MOTION, AUDIO, "report.json", "names.json"):
        assert (again / name).read_bytes() == (retrieval.artifacts[MOTION_BASE] / name).read_bytes()


class Silenced:
    """A corpus in which fewer words are said."""

    def __init__(self, store, keep: int):
        self._store, self._keep = store, keep

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def speech(self, clip_id: str):
        speech = self._store.speech(clip_id)
        return replace(speech, words=speech.words[: self._keep])


@pytest.mark.parametrize(("keep", "told"), [(0, "no words at all"), (1, "6 segments, ok 0, few_words")])
def test_a_base_without_entries_is_refused(retrieval, store, keep, told):
    with pytest.raises(
        InputError, match=rf"no segment can be an entry.*{told}.* in 6 recordings.*words.source=whisper"
    ):
        retrieval.fit(MOTION_BASE, store=Silenced(store, keep))


def test_a_missing_base_is_named(tmp_path):
    with pytest.raises(InputError, match="no motion base"):
        Entries.load(tmp_path)


def test_keys_hold_what_is_read_and_no_more(retrieval):
    def keys(values):
        return {part.name: part.config for part in retrieval_components(retrieval.config.updated(values))}

    plain = keys({})
    assert keys({"search": {"rerank": "itm", "candidates": 3}}) == plain
    assert keys({"base": {"wavlm": {"model": "elsewhere"}}}) == plain, "nobody listens to it"
    other = keys({"contrast": {"alpha": 0.0}})
    assert other[MOTION_BASE] == plain[MOTION_BASE]
    assert other[RETRIEVER] != plain[RETRIEVER]
    wider = keys({"base": {"segments": {"most": 9}}})
    assert wider[MOTION_BASE] != plain[MOTION_BASE]
    assert wider[RETRIEVER] != plain[RETRIEVER]


def test_missing_models_are_said_before_anything_runs(retrieval, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert missing_models(retrieval.config) == ()
    (line,) = missing_models(retrieval.config.updated({"base": {"audio": "wavlm"}}))
    assert "retrieval.base.wavlm.model: microsoft/wavlm-large" in line
    assert "hf download" in line
