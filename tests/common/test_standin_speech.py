"""Script and speech of the stand-in corpus: grammar, exact times, determinism."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.corpus.standin import espeak
from gesturebench.common.corpus.standin.espeak import Library, find_library
from gesturebench.common.corpus.standin.lexicon import CONNECTIVES, TAGS
from gesturebench.common.corpus.standin.phones import Phone, arpabet, is_pause
from gesturebench.common.corpus.standin.presets import EMOTION_STARTS, PRESETS, StandinPreset, clip_names, splits
from gesturebench.common.corpus.standin.prominence import energy_and_pitch, word_prominence
from gesturebench.common.corpus.standin.script import Script, Token, write_script
from gesturebench.common.corpus.standin.speech import Voice, _split, read_aloud
from gesturebench.common.corpus.standin.style import speaker_style
from gesturebench.common.corpus.standin.templates import TEMPLATES
from gesturebench.common.errors import InputError

VOICE = Voice("en-us+f1", 170, 50, 50)


@pytest.fixture(scope="module")
def reading_and_script():
    script = write_script(6, np.random.default_rng(3))
    return read_aloud(script, VOICE, find_library(), np.random.default_rng(4)), script


def test_every_tag_has_a_template_and_every_template_a_tag():
    assert set(TAGS) == set(TEMPLATES)
    assert len(TAGS) == 36


def test_the_grammar_reaches_every_gesture_with_a_long_tail():
    script = write_script(2000, np.random.default_rng(0))
    counts = Counter(t.tag for t in script.tokens if t.tag)
    assert set(counts) == set(TAGS)
    assert max(counts.values()) > 5 * min(counts.values())
    assert 0.65 < len(script.relations) / 2000 < 0.85


@given(st.integers(0, 10_000))
def test_relations_point_at_their_connective_and_at_two_different_clauses(seed):
    script = write_script(5, np.random.default_rng(seed))
    senses = {c.text: c.sense for c in CONNECTIVES}
    for relation in script.relations:
        text = " ".join(script.tokens[i].surface for i in relation.connective).lower()
        assert senses[text] == relation.sense
        assert relation.arg1
        assert relation.arg2
        assert not {*relation.connective, *relation.arg1, *relation.arg2} & {
            i for i, t in enumerate(script.tokens) if not t.is_word
        }
        assert len({*relation.connective, *relation.arg1, *relation.arg2}) == sum(
            map(len, (relation.connective, relation.arg1, relation.arg2))
        )


def test_every_word_is_timed_once_in_order_inside_the_wave(reading_and_script):
    reading, script = reading_and_script
    assert [w.index for w in reading.words] == [i for i, t in enumerate(script.tokens) if t.is_word]
    edges = np.array([(w.start_s, w.end_s) for w in reading.words])
    assert (edges[:, 1] - edges[:, 0] > 0.02).all()
    assert (edges[1:, 0] >= edges[:-1, 1] - 1e-9).all()
    assert edges[0, 0] > 0
    assert edges[-1, 1] <= reading.duration_s
    for word in reading.words:
        assert word.phones[0].start_s == word.start_s
        assert word.phones[-1].end_s == word.end_s
        assert all(a.end_s == pytest.approx(b.start_s) for a, b in pairwise(word.phones))


def test_words_sound_and_pauses_do_not(reading_and_script):
    reading, _ = reading_and_script
    audio = reading.audio / 32768

    def rms(start_s, end_s):
        return np.sqrt(np.mean(audio[int(start_s * 16000) : int(end_s * 16000)] ** 2))

    assert min(rms(w.start_s, w.end_s) for w in reading.words) > 0.003
    assert rms(0, reading.words[0].start_s - 0.06) < 0.003


def test_content_words_carry_primary_stress(reading_and_script):
    reading, script = reading_and_script
    long_words = [w for w in reading.words if len(script.tokens[w.index].surface) >= 6]
    stressed = [any(p.stress == 1 for p in w.phones) for w in long_words]
    assert np.mean(stressed) > 0.8


def test_the_same_reading_is_bit_identical_within_one_process(reading_and_script):
    reading, script = reading_and_script
    again = read_aloud(script, VOICE, find_library(), np.random.default_rng(4))
    assert np.array_equal(reading.audio, again.audio)
    assert reading.words == again.words


def test_words_the_engine_merges_each_get_their_own_time():
    words = ["There", "was", "a", "boat", "in", "the", "park", "with", "the", "dog", "on", "the", "hill"]
    script = Script(((*map(Token, words), Token(".")),), ())
    reading = read_aloud(script, VOICE, find_library(), np.random.default_rng(0))
    assert len(reading.words) == 13
    assert all(w.end_s > w.start_s for w in reading.words)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 12))
def test_splitting_a_run_of_phones_keeps_time_and_leaves_no_word_empty(counts, n_phones):
    phones = [Phone("AH", 0, i * 0.1, (i + 1) * 0.1) for i in range(n_phones)]
    parts = _split(phones, counts)
    assert len(parts) == len(counts)
    assert all(parts)
    flat = [p for part in parts for p in part]
    assert flat[0].start_s == 0
    assert flat[-1].end_s == pytest.approx(n_phones * 0.1)
    assert all(a.end_s == pytest.approx(b.start_s) for a, b in pairwise(flat))


def test_phone_mnemonics():
    assert arpabet("'aU") == ("AW", 1)
    assert arpabet(",i:") == ("IY", 2)
    assert arpabet("tS") == ("CH", None)
    assert arpabet("t[") == ("T", None)
    assert is_pause("_:")
    assert not is_pause("'E")


def test_pitch_of_a_pulse_train_is_found():
    audio = np.zeros(16000, np.float32)
    audio[::128] = 0.5
    _, f0 = energy_and_pitch(audio)
    assert np.median(f0) == pytest.approx(125, rel=0.02)


def test_prominence_is_in_range_and_lower_on_function_words(reading_and_script):
    reading, script = reading_and_script
    prominence = word_prominence(reading)
    articles = np.array([script.tokens[w.index].surface.lower() in ("the", "a") for w in reading.words])
    assert prominence.min() >= 0
    assert prominence.max() <= 3
    assert prominence[articles].mean() < 0.5 * prominence[~articles].mean()


def test_without_an_engine_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    monkeypatch.setattr(espeak.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(InputError, match=r"pip install \"gesturebench\[standin\]\""):
        find_library()


def test_an_unknown_voice_is_refused():
    with pytest.raises(InputError, match="no voice"):
        espeak.Engine(find_library(), "klingon-x-none")


def test_every_speaker_has_a_voice_the_engine_knows():
    library: Library = find_library()
    for speaker in range(1, 9):
        with espeak.Engine(library, speaker_style(0, speaker).voice.name) as engine:
            assert len(engine.synthesise("Hello.")[0]) > 5000


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_have_every_split_and_as_many_clips_as_promised(name):
    preset = PRESETS[name]
    table = splits(preset)
    assert list(table) == [n.id for n in clip_names(preset)]
    assert len(table) == preset.speakers * preset.clips
    counts = Counter(table.values())
    assert counts["test"] == preset.speakers * round(preset.test_share * preset.clips)
    assert counts["val"] >= preset.speakers
    emotions = {n.emotion for n in clip_names(preset) if table[n.id] == "test"}
    assert len(emotions) >= min(4, preset.clips)


def test_clip_numbers_stay_in_the_range_of_their_emotion():
    names = clip_names(StandinPreset(speakers=1, clips=72, sentences=1))
    bounds = (*EMOTION_STARTS, 119)
    assert len({n.number for n in names}) == 72
    assert all(bounds[n.emotion] <= n.number < bounds[n.emotion + 1] for n in names)


def test_more_clips_rename_no_clip():
    few, many = (StandinPreset(speakers=2, clips=n, sentences=1) for n in (3, 20))
    assert {n.id for n in clip_names(few)} <= {n.id for n in clip_names(many)}
