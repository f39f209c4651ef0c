"""The BEAT2 reader: what it makes of a whole folder, and what it says about a damaged one."""

import numpy as np
import pytest
import soundfile

from gesturebench.common.corpus.beat2 import Beat2Folder, ClipName, body_model_path, dense_speaker, read_speech
from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.names import SPEAKERS
from gesturebench.common.errors import InputError
from gesturebench.common.motion.export import announced_shape, motion_length

from .conftest import CLIPS, WORDS, smooth_motion, textgrid, write_npz, write_split

ID = "2_scott_0_1_1"


def test_clip_is_cut_to_the_shorter_of_motion_and_audio(corpus):
    record = Beat2Folder(corpus).record(ID)
    assert record.clip.motion.n_frames == 60 == record.clip.speech.n_frames(30)
    assert record.dropped_frames == 3
    assert record.dropped_s == 0


def test_audio_is_cut_when_it_is_longer(corpus):
    write_npz(corpus / "smplxflame_30" / f"{ID}.npz", smooth_motion(41))
    record = Beat2Folder(corpus).record(ID)
    assert record.clip.motion.n_frames == 41 == record.clip.speech.n_frames(30)
    assert record.dropped_s == pytest.approx(2 - 41 / 30, abs=1e-4)
    raw, _ = soundfile.read(corpus / "wave16k" / f"{ID}.wav", dtype="float32")
    speech = record.clip.speech
    np.testing.assert_array_equal(np.concatenate([speech.audio, speech.tail]), raw)


def test_headers_tell_the_lengths(corpus):
    write_npz(corpus / "smplxflame_30" / f"{ID}.npz", smooth_motion(41))
    assert Beat2Folder(corpus).lengths(ID) == (41, 32_000)
    soundfile.write(wave(corpus), np.zeros(44_100), 44_100)
    assert Beat2Folder(corpus).lengths(ID) == (41, 16_000)


def test_clip_holds_what_was_written(corpus):
    clip = Beat2Folder(corpus).read(ID)
    assert [(w.text, w.start_s, w.end_s) for w in clip.speech.words] == WORDS == [
        (w.text, w.start_s, w.end_s) for w in clip.speech.phones
    ]  # fmt: skip
    assert clip.speech.labels[1].word == "climb"
    assert clip.speech.labels[2].word == "" == clip.speech.labels[0].word
    assert clip.speech.prominence[0].prominence == 1.5
    relation = clip.speech.relations[0]
    assert (relation.start_s, relation.end_s) == (0.3, 1.7)
    assert (relation.connective_start_s, relation.connective_end_s) == (0.3, 0.55)
    written = smooth_motion(63, seed=0)
    np.testing.assert_array_equal(clip.motion.poses, written.poses[:60])
    np.testing.assert_array_equal(clip.motion.betas, written.betas)


def test_parent_folder_is_enough(corpus):
    assert Beat2Folder(corpus.parent).ids() == tuple(sorted(CLIPS))


def test_splits_follow_the_csv(corpus):
    folder = Beat2Folder(corpus)
    assert [folder.split(kind) for kind in ("train", "val", "test", "additional")] == [(i,) for i in CLIPS]


def test_names_tell_speaker_and_emotion():
    names = [f"2_scott_0_{n}_{n}" for n in (1, 64, 65, 72, 73, 81, 87, 95, 103, 111, 118)]
    assert [ClipName.parse(name).emotion for name in names] == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 7]
    assert ClipName.parse("30_katya_1_70_70").emotion == 0, "conversations are neutral"
    with pytest.raises(InputError, match="speaker_name_type"):
        ClipName.parse("scott_1")


def test_names_beyond_beat2_english_are_refused():
    for number in (8, 14, 19, 26, 29, 31):
        with pytest.raises(InputError, match=f"speaker {number} is not in BEAT2 English"):
            ClipName.parse(f"{number}_someone_0_1_1")
    with pytest.raises(InputError, match="type 2 is not English"):
        ClipName.parse("12_zhao_2_1_1")
    assert len(SPEAKERS) == 25
    assert {speaker for clip in CLIPS for speaker in [clip.split("_")[1]]} <= set(SPEAKERS.values())


def test_released_emotion_is_always_zero(corpus):
    clip = "30_katya_0_103_103"
    assert Beat2Folder(corpus).read(clip).speech.emotion == 6
    assert Beat2Folder(corpus, emotion="always_zero").read(clip).speech.emotion == 0


def test_dense_speakers_fill_25_rows_without_gaps():
    absent = (8, 14, 19, 26, 29)
    assert sorted(dense_speaker(n) for n in range(1, 31) if n not in absent) == list(range(25))
    for number in (*absent, 0, 31):
        with pytest.raises(InputError, match=f"speaker {number}"):
            dense_speaker(number)


def test_missing_annotations_are_empty_unless_required(corpus):
    for path in (corpus / "textgrid").iterdir():
        path.unlink()
    assert Beat2Folder(corpus).read(ID).speech.words == ()
    with pytest.raises(InputError, match=r"2_scott_0_1_1\.TextGrid: no such file, but words are required"):
        Beat2Folder(corpus, requires=frozenset({"words"})).read(ID)
    with pytest.raises(InputError, match="did you mean 'words'"):
        Beat2Folder(corpus, requires=frozenset({"word"}))


def test_body_is_looked_for_in_order(tmp_path, monkeypatch):
    monkeypatch.delenv("GESTUREBENCH_BODY", raising=False)
    assert body_model_path(tmp_path).name == "SMPLX_NEUTRAL_2020.npz"
    monkeypatch.setenv("GESTUREBENCH_BODY", "/elsewhere.npz")
    assert str(body_model_path(tmp_path)) == "/elsewhere.npz"
    assert body_model_path(tmp_path, tmp_path / "mine.npz").name == "mine.npz"


# --- damage: every fault names its file -----------------------------------------------------------------------------


def refused(corpus, match: str) -> str:
    with pytest.raises(InputError, match=match) as caught:
        Beat2Folder(corpus).read(ID)
    return str(caught.value)


def damage_poses(corpus, **changes):
    write_npz(corpus / "smplxflame_30" / f"{ID}.npz", smooth_motion(63), **changes)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_truncated_npz(corpus, share):
    path = corpus / "smplxflame_30" / f"{ID}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert f"{ID}.npz" in refused(corpus, "truncated or not an npz")


def test_npz_with_a_flipped_byte(corpus):
    path = corpus / "smplxflame_30" / f"{ID}.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    refused(corpus, "truncated or not an npz")


def test_missing_motion_and_missing_key(corpus):
    with pytest.raises(InputError, match=r"9_x_0_1_1\.npz: no such motion file"):
        Beat2Folder(corpus).read("9_x_0_1_1")
    np.savez(corpus / "smplxflame_30" / f"{ID}.npz", poses=np.zeros((5, 165)))
    refused(corpus, "no array expressions, trans, betas, mocap_frame_rate")


def test_pickled_arrays_are_never_loaded(corpus):
    damage_poses(corpus, poses=np.array([{"a": 1}], dtype=object))
    refused(corpus, "truncated or not an npz")


def test_nan_pose(corpus):
    poses = smooth_motion(63).poses.copy()
    poses[7, 3] = np.nan
    damage_poses(corpus, poses=poses)
    assert f"{ID}.npz" in refused(corpus, r"poses\[7, 3\] is nan")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"poses": np.zeros((63, 64), np.float32)}, r"poses has shape \(63, 64\)"),
        ({"poses": np.zeros((63, 55, 3), np.float32)}, r"poses has shape \(63, 55, 3\)"),
        ({"trans": np.zeros((60, 3))}, r"trans has shape \(60, 3\)"),
        ({"betas": np.zeros(16)}, r"betas have shape \(16,\)"),
        ({"betas": np.arange(600.0).reshape(2, 300)}, "betas change from frame to frame"),
        ({"betas": np.array(["a"] * 300)}, "betas holds <U1"),
        ({"poses": np.array(["a"] * 63)[:, None]}, "poses"),
        ({"mocap_frame_rate": np.array(25)}, "25 frames per second"),
        ({"mocap_frame_rate": np.array([], int)}, r"mocap_frame_rate is \[\]; expected one number"),
        ({"mocap_frame_rate": np.array("thirty")}, "mocap_frame_rate is 'thirty'"),
    ],
)
def test_wrong_arrays(corpus, changes, says):
    damage_poses(corpus, **changes)
    assert f"{ID}.npz" in refused(corpus, says)


@pytest.mark.parametrize("shape", [(300,), (1, 300), (63, 300)])
def test_betas_in_all_spellings(corpus, shape):
    betas = smooth_motion(1).betas
    damage_poses(corpus, betas=np.broadcast_to(betas, shape))
    np.testing.assert_array_equal(Beat2Folder(corpus).read(ID).motion.betas, betas)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_either_precision_and_any_integer_rate(corpus, kind):
    motion = smooth_motion(63)
    arrays = {name: getattr(motion, name).astype(kind) for name in ("poses", "expressions", "trans", "betas")}
    damage_poses(corpus, **arrays, mocap_frame_rate=np.array(30, np.int64))
    read = Beat2Folder(corpus).read(ID).motion
    np.testing.assert_array_equal(read.poses, motion.poses[:60])
    assert read.trans.dtype == np.float32


@pytest.mark.parametrize("compressed", [False, True])
def test_the_announced_shape_is_the_real_one(tmp_path, compressed):
    arrays = {"poses": np.zeros((7, 165)), "betas": np.zeros((7, 300), np.float32)}
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **arrays)
    assert announced_shape(tmp_path / "a.npz", "betas") == (7, 300)
    assert motion_length(tmp_path / "a.npz") == 7
    with pytest.raises(InputError, match=r"a\.npz: no array trans"):
        announced_shape(tmp_path / "a.npz", "trans")
    np.savez(tmp_path / "a.npz", poses=np.zeros(165))
    with pytest.raises(InputError, match=r"a\.npz: poses has shape \(165,\)"):
        motion_length(tmp_path / "a.npz")


def wave(corpus):
    return corpus / "wave16k" / f"{ID}.wav"


def test_missing_wav(corpus):
    wave(corpus).unlink()
    refused(corpus, rf"{ID}\.wav: no such sound file")


def test_zero_length_wav(corpus):
    soundfile.write(wave(corpus), np.zeros(0), 16_000)
    refused(corpus, rf"{ID}\.wav: the recording has no samples")
    wave(corpus).write_bytes(b"")
    refused(corpus, rf"{ID}\.wav: not a readable sound file")


def test_truncated_wav(corpus):
    whole = wave(corpus).read_bytes()
    wave(corpus).write_bytes(whole[: len(whole) // 2])
    refused(corpus, rf"{ID}\.wav: truncated after {len(whole) // 2} bytes; expected {len(whole)} bytes")


def test_nan_in_a_float_wav(corpus):
    samples = np.zeros(32_000, np.float32)
    samples[123] = np.nan
    soundfile.write(wave(corpus), samples, 16_000, subtype="FLOAT")
    refused(corpus, "sample 123 is nan")


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (44_100, 2), (8_000, 1), (48_000, 2), (22_050, 1)])
def test_other_rates_and_channels_sound_the_same(tmp_path, rate, channels):
    """A 440 Hz tone is the same function of time after resampling and mixing down."""
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    soundfile.write(tmp_path / "tone.wav", np.repeat(tone[:, None], channels, 1), rate, subtype="FLOAT")
    audio = read_speech(tmp_path / "tone.wav", speaker=2).audio
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    assert audio.dtype == np.float32
    assert len(audio) == 32_000
    np.testing.assert_allclose(audio[500:-500], expected[500:-500], atol=3e-3)


def test_pcm16_is_read_without_loss(corpus):
    raw, _ = soundfile.read(wave(corpus), dtype="int16")
    np.testing.assert_array_equal(Beat2Folder(corpus).read(ID).speech.audio * 32_768, raw[:32_000])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(ID, "train"), (ID, "test")], "line 3: 2_scott_0_1_1 is listed twice"),
        ([(ID, "train"), ("2_scott_0_2_2", "train")], r"line 3: no file .*2_scott_0_2_2\.npz"),
        ([(ID, "trian")], "type 'trian'; expected header id,type"),
        ([(ID, "test")], "split 'train' is empty"),
    ],
)
def test_damaged_split(corpus, rows, says):
    write_split(corpus, rows)
    with pytest.raises(InputError, match=says) as caught:
        Beat2Folder(corpus).split("train")
    assert "train_test_split.csv" in str(caught.value)


def test_missing_split_and_unknown_split(corpus):
    with pytest.raises(InputError, match="did you mean 'train'"):
        Beat2Folder(corpus).split("training")
    (corpus / "train_test_split.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"train_test_split\.csv: not a csv file"):
        Beat2Folder(corpus).split("train")
    (corpus / "train_test_split.csv").unlink()
    with pytest.raises(InputError, match=r"train_test_split\.csv: no such file"):
        Beat2Folder(corpus).split("train")


def test_folder_without_clips(tmp_path):
    with pytest.raises(InputError, match="no folder smplxflame_30"):
        Beat2Folder(tmp_path)
    (tmp_path / "smplxflame_30").mkdir()
    with pytest.raises(InputError, match="no npz files"):
        Beat2Folder(tmp_path).ids()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("textgrid/{}.TextGrid", "", "not a TextGrid"),
        ("textgrid/{}.TextGrid", "hello\nworld", "not a TextGrid|no interval tier"),
        ("textgrid/{}.TextGrid", textgrid(WORDS, 2.0)[:400], "not a TextGrid"),
        ("sem/{}.txt", "01_beat_align\t0.0\t0.5\n", "line 1: 3 columns"),
        ("sem/{}.txt", "01_beat_align\t0.0\tend\t0.5\t0.1\n", "line 1: could not convert"),
        ("sem/{}.txt", "01_beat_align\t-0.1\t0.5\t0.6\t0.1\n", "line 1: starts at -0.1 s"),
        ("sem/{}.txt", "\n01_beat_align\t0.5\t0.1\t0.5\t0.1\n", "line 2: ends at 0.1 s before"),
        ("prom/{}.prom", "a\t0\t1\tword\tnan\t0\n", "line 1: 'nan' is not a finite number"),
        ("discourse_rels/{}_whisper_relations.json", "{", "not valid JSON"),
        ("discourse_rels/{}_whisper_relations.json", '{"sentences": []}', "KeyError: 'relations'"),
        ("truth/{}.json", '{"events": [{"tag": "x"}]}', "KeyError: 'word'"),
    ],
)
def test_broken_annotation_names_its_file(corpus, file, text, says):
    (corpus / file.format(ID)).write_text(text)
    assert file.format(ID) in refused(corpus, says)


def test_utf16_with_its_mark_is_a_textgrid_and_latin_is_not(corpus):
    path = corpus / "textgrid" / f"{ID}.TextGrid"
    text = textgrid([("café", 0.3, 0.55)], 2.0)
    path.write_text(text, encoding="utf-16")
    assert [word.text for word in Beat2Folder(corpus).read(ID).speech.words] == ["café"]
    path.write_text(text, encoding="latin-1")
    assert f"{ID}.TextGrid" in refused(corpus, "not a TextGrid")


def test_a_textgrid_before_the_recording_is_refused(corpus):
    path = corpus / "textgrid" / f"{ID}.TextGrid"
    path.write_text(textgrid([("but", -0.25, 0.3), *WORDS[1:]], 2.0))
    assert f"{ID}.TextGrid" in refused(corpus, "an interval from -0.25 s to 0.3 s")


def test_relation_beyond_its_tokens(corpus):
    path = corpus / "discourse_rels" / f"{ID}_whisper_relations.json"
    path.write_text(path.read_text().replace("[1, 2]", "[1, 3]"))
    refused(corpus, "IndexError")


def test_short_textgrid_and_a_last_interval_past_the_end(tmp_path):
    from praatio import textgrid as praat

    path = tmp_path / "a.TextGrid"
    path.write_text(textgrid(WORDS, 2.0))
    grid = praat.openTextgrid(str(path), False)
    grid.save(str(tmp_path / "b.TextGrid"), format="short_textgrid", includeBlankSpaces=True)
    path.write_text(textgrid([*WORDS, ("end", 1.7, 2.0)], 2.0).replace("xmax = 2.0\n", "xmax = 1.9996\n", 2))
    soundfile.write(tmp_path / "a.wav", np.zeros(32_000), 16_000)
    read = read_speech(tmp_path / "a.wav", tmp_path / "b.TextGrid", speaker=2)
    assert [w.text for w in read.words] == [w for w, _, _ in WORDS]
    assert read_speech(tmp_path / "a.wav", path, speaker=2).words[-1] == Word("end", 1.7, 2.0)


def test_a_textgrid_of_the_corpus_that_ends_a_second_early_is_refused(corpus):
    clip = Beat2Folder(corpus).read(ID)
    path = corpus / "textgrid" / f"{ID}.TextGrid"
    path.write_text(textgrid(WORDS[:1], clip.speech.duration_s - 0.9))
    assert len(Beat2Folder(corpus).read(ID).speech.words) == 1
    path.write_text(textgrid(WORDS[:1], clip.speech.duration_s - 1.1))
    refused(corpus, rf"{ID}\.TextGrid: ends at .* s, the audio .*{ID}\.wav at")


def test_a_sound_shorter_than_a_frame_is_refused(tmp_path):
    soundfile.write(tmp_path / "blip.wav", np.zeros(533), 16_000)
    with pytest.raises(InputError, match=r"blip\.wav: 533 samples are shorter than one frame"):
        read_speech(tmp_path / "blip.wav", speaker=2)
    soundfile.write(tmp_path / "blip.wav", np.zeros(534), 16_000)
    assert read_speech(tmp_path / "blip.wav", speaker=2).n_frames(30) == 1


def test_a_folder_in_place_of_a_sound_is_named(corpus):
    wave = corpus / "wave16k" / f"{ID}.wav"
    wave.unlink()
    wave.mkdir()
    refused(corpus, "no such sound file")


# --- speech for generation, and the real thing ----------------------------------------------------------------------


def test_speech_alone(tmp_path):
    soundfile.write(tmp_path / "talk.wav", np.zeros(40_000), 16_000)
    speech = read_speech(tmp_path / "talk.wav", speaker=30)
    assert (speech.clip_id, speech.speaker, speech.n_frames(30), speech.words) == ("talk", 30, 75, ())
    with pytest.raises(InputError, match=r"a\.TextGrid: no such file"):
        read_speech(tmp_path / "talk.wav", tmp_path / "a.TextGrid", speaker=30)
    (tmp_path / "a.TextGrid").write_text(textgrid(WORDS[:1], 1.0))
    with pytest.raises(InputError, match=r"a\.TextGrid: ends at 1\.00 s, the audio .*talk\.wav at 2\.50 s"):
        read_speech(tmp_path / "talk.wav", tmp_path / "a.TextGrid", speaker=30)


def test_real_clip(reference):
    record = Beat2Folder(reference / "data" / "real" / "beat2_sample").record("2_scott_0_1_1")
    assert record.clip.motion.n_frames == 1906 == record.clip.speech.n_frames(30)
    assert record.dropped_frames == 0
    assert record.dropped_s == pytest.approx(64.097 - 63.533, abs=2e-3)
    np.testing.assert_allclose(record.clip.motion.trans.mean(0), (0.064, 1.303, -0.116), atol=1e-3)
    assert (record.clip.speech.speaker, record.clip.speech.emotion, record.clip.speech.words) == (2, 0, ())


def test_hand_made_reference_folder(reference):
    folder = Beat2Folder(reference / "reference" / "golden" / "evaluators" / "tiny_beat2")
    assert [len(folder.split(kind)) for kind in ("train", "val", "test", "additional")] == [2, 1, 1, 1]
    clips = [folder.read(clip_id) for clip_id in folder.ids()]
    assert all(clip.speech.words and clip.speech.labels for clip in clips)
    assert {clip.id: clip.speech.emotion for clip in clips}["30_katya_0_87_87"] == 4
