"""The clip store holds exactly what the reader reads, and says so when it does not."""

import json
import multiprocessing
import pickle
import shutil

import numpy as np
import pytest
import soundfile

from gesturebench.common.corpus.beat2 import Beat2Folder
from gesturebench.common.corpus.clip import Word
from gesturebench.common.corpus.fingerprint import fingerprint
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.errors import InputError
from gesturebench.common.features.registry import FEATURES, compute_feature

from .conftest import CLIPS, smooth_motion, write_clip, write_npz

ID = "2_scott_0_1_1"


@pytest.fixture
def store(corpus, tmp_path) -> ClipStore:
    build_store(corpus, tmp_path / "store")
    return ClipStore.open(tmp_path / "store")


def test_store_gives_back_what_the_reader_read(corpus, store):
    folder = Beat2Folder(corpus)
    assert store.ids == folder.ids()
    for clip_id in store.ids:
        read, kept = folder.read(clip_id), store.clip(clip_id)
        for name in ("poses", "expressions", "trans", "betas", "fps"):
            np.testing.assert_array_equal(getattr(kept.motion, name), getattr(read.motion, name))
        np.testing.assert_array_equal(kept.speech.audio, read.speech.audio)
        np.testing.assert_array_equal(kept.speech.tail, read.speech.tail)
        for name in ("speaker", "emotion", "words", "phones", "relations", "labels", "prominence", "oracle", "tokens"):
            assert getattr(kept.speech, name) == getattr(read.speech, name), name
        assert store.n_frames(clip_id) == kept.motion.n_frames == kept.speech.n_frames(30)


def test_store_maps_files_and_refuses_writes(store):
    motion = store.motion(ID)
    assert not motion.poses.flags.writeable
    assert not motion.poses.flags.owndata
    assert type(motion.poses) is np.ndarray


def test_features_equal_those_of_bare_speech(store):
    for name, feature in FEATURES.items():
        for clip_id in store.ids:
            rows = store.feature(name, clip_id)
            assert rows.shape == (store.n_frames(clip_id), feature.dim)
            np.testing.assert_array_equal(rows, compute_feature(name, store.speech(clip_id)))
    with pytest.raises(InputError, match="did you mean 'mel'"):
        store.feature("mell", ID)


def test_truth_is_told_only_when_asked(store):
    assert store.has_truth
    assert store.clip(ID).speech.oracle == ()
    (event,) = store.speech(ID, oracle=True).oracle
    assert (event.tag, event.stroke_s, event.hands) == ("iconic:climb", 0.5, "both")
    assert store.truth(ID) == (event,)


def test_corpus_without_truth(corpus, tmp_path):
    shutil.rmtree(corpus / "truth")
    build_store(corpus, tmp_path / "store")
    store = ClipStore.open(tmp_path / "store")
    assert not store.has_truth
    assert not store.is_standin
    with pytest.raises(InputError, match="the corpus has no truth"):
        store.speech(ID, oracle=True)


def test_generated_corpora_are_known_by_truth_or_manifest(corpus, store, tmp_path):
    assert store.is_standin
    shutil.rmtree(corpus / "truth")
    for text, generated in (('{"generator_version": 1}', True), ('{"made_by": "hand"}', False)):
        (corpus / "manifest.json").write_text(text)
        build_store(corpus, tmp_path / "again")
        assert ClipStore.open(tmp_path / "again").is_standin == generated


def test_info_counts(store):
    assert store.info["n_clips"] == 4
    assert store.info["n_frames"] == 4 * 60
    assert store.info["dropped_frames"] == 4 * 3
    full = ("words", "phones", "relations", "labels", "prominence", "truth")
    assert store.info["annotations"] == dict.fromkeys(full, 4) | {"transcript": 0, "tokens": 4}
    assert [store.split(kind) for kind in ("train", "val", "test", "additional")] == [(i,) for i in CLIPS]


def test_without_csv_there_are_clips_but_no_splits(corpus, tmp_path):
    (corpus / "train_test_split.csv").unlink()
    build_store(corpus, tmp_path / "store")
    store = ClipStore.open(tmp_path / "store")
    assert len(store.ids) == 4
    with pytest.raises(InputError, match="split 'test' is empty"):
        store.split("test")


@pytest.fixture
def longer_audio(corpus, tmp_path) -> ClipStore:
    """Four clips of 2.1 s, whose audio goes on for 0.4 s."""
    for seed, clip_id in enumerate(CLIPS):
        write_clip(corpus, clip_id, seed, seconds=2.5)
    build_store(corpus, tmp_path / "store")
    return ClipStore.open(tmp_path / "store")


def test_the_tail_is_kept_beside_the_speech(corpus, longer_audio):
    for clip_id in longer_audio.ids:
        speech = longer_audio.speech(clip_id)
        raw, _ = soundfile.read(corpus / "wave16k" / f"{clip_id}.wav", dtype="float32")
        assert (len(speech.audio), len(speech.tail)) == (33_600, 6_400)
        np.testing.assert_array_equal(np.concatenate([speech.audio, speech.tail]), raw)
    assert longer_audio.info["n_samples"] == 4 * 40_000
    assert longer_audio.info["dropped_frames"] == 0


@pytest.mark.parametrize(("start", "length"), [(0, 1), (0, 63), (7, 20), (62, 1)])
def test_a_window_is_the_cut_of_its_clip(longer_audio, start, length):
    for clip_id in longer_audio.ids:
        motion, audio = longer_audio.window(clip_id, start, length)
        cut = longer_audio.clip(clip_id).cut(start, start + length)
        for name in ("poses", "expressions", "trans", "betas"):
            np.testing.assert_array_equal(getattr(motion, name), getattr(cut.motion, name))
        np.testing.assert_array_equal(audio, cut.speech.audio)
    assert not motion.poses.flags.owndata


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 0), (60, 4), (63, 1)])
def test_a_window_outside_its_clip_is_refused(longer_audio, start, length):
    with pytest.raises(InputError, match=f"a window of {length} frames from frame {start}"):
        longer_audio.window(ID, start, length)


def test_transcripts_reach_the_store(corpus, tmp_path):
    (corpus / "whisper_transcription").mkdir()
    words = [{"word": " But", "start": 0.3, "end": 0.5}]
    (corpus / "whisper_transcription" / f"{ID}.json").write_text(json.dumps({"segments": [{"words": words}]}))
    before = fingerprint(corpus)
    build_store(corpus, tmp_path / "store")
    store = ClipStore.open(tmp_path / "store")
    assert store.speech(ID).transcript == (Word("But", 0.3, 0.5),)
    assert [i for i in store.ids if store.has("transcript", i)] == [ID]
    assert store.has("truth", ID)
    with pytest.raises(InputError, match="did you mean 'words'"):
        store.has("word", ID)
    (corpus / "whisper_transcription" / f"{ID}.json").unlink()
    assert fingerprint(corpus) != before == store.fingerprint


def test_weights_travel_with_the_store(corpus, tmp_path):
    before = fingerprint(corpus)
    (corpus / "weights").mkdir()
    (corpus / "weights" / "AESKConv_240_100.bin").write_bytes(b"encoder")
    (corpus / "weights" / "vocab.json").write_text('{"words_in_index_order_from_4": ["but", "high"]}')
    build_store(corpus, tmp_path / "store")
    store = ClipStore.open(tmp_path / "store")
    assert store.fingerprint == fingerprint(corpus) != before
    assert (store.path / "weights" / "AESKConv_240_100.bin").read_bytes() == b"encoder"
    assert store.vocabulary.index("high") == 5


def test_no_vocabulary(store):
    with pytest.raises(InputError, match=r"weights/vocab\.pkl: no such file"):
        assert store.vocabulary


def test_float_sources_keep_their_precision(corpus, tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 32_000).astype(np.float32)
    soundfile.write(corpus / "wave16k" / f"{ID}.wav", samples, 16_000, subtype="FLOAT")
    build_store(corpus, tmp_path / "store")
    np.testing.assert_array_equal(ClipStore.open(tmp_path / "store").speech(ID).audio, samples[:32_000])


def test_missing_mean_speed_is_measured_on_training_clips(corpus, store):
    velocity = np.gradient(store.joints.positions(store.motion(ID)), 1 / 30, axis=0)
    np.testing.assert_allclose(store.mean_speed, np.linalg.norm(velocity, axis=-1).mean(0), rtol=1e-5)


def test_published_mean_speed_is_taken_over(corpus, tmp_path):
    (corpus / "weights").mkdir()
    np.save(corpus / "weights" / "mean_vel_smplxflame_30.npy", np.arange(55, dtype=np.float32))
    build_store(corpus, tmp_path / "store")
    np.testing.assert_array_equal(ClipStore.open(tmp_path / "store").mean_speed, np.arange(55))
    np.save(corpus / "weights" / "mean_vel_smplxflame_30.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"mean_vel_smplxflame_30\.npy: shape \(3,\)"):
        build_store(corpus, tmp_path / "other")


def test_a_broken_clip_stops_the_build_and_leaves_no_store(corpus, tmp_path):
    broken = smooth_motion(63)
    broken.trans[3] = np.inf
    write_npz(corpus / "smplxflame_30" / "2_scott_0_65_65.npz", broken)
    with pytest.raises(InputError, match=r"2_scott_0_65_65\.npz: trans"):
        build_store(corpus, tmp_path / "store")
    with pytest.raises(InputError, match="not a whole clip store"):
        ClipStore.open(tmp_path / "store")


def test_missing_body_is_named(corpus, tmp_path, monkeypatch):
    monkeypatch.delenv("GESTUREBENCH_BODY", raising=False)
    with pytest.raises(InputError, match=r"nobody\.npz: no body model there"):
        build_store(corpus, tmp_path / "store", body=tmp_path / "nobody.npz")


@pytest.mark.parametrize("name", ["motion.npy", "audio.npy", "features/mel.npy", "joints.npz", "speech.jsonl"])
def test_missing_file(store, name):
    (store.path / name).unlink()
    with pytest.raises(InputError, match=name):
        ClipStore.open(store.path)


@pytest.mark.parametrize("name", ["speech.jsonl", "joints.npz", "index.json"])
def test_a_damaged_file_is_named(store, name):
    path = store.path / name
    path.write_bytes(b"[]" if name == "index.json" else path.read_bytes()[:10])

    def use() -> None:
        opened = ClipStore.open(store.path)
        opened.speech(opened.ids[-1])
        assert opened.joints.rest.any()

    with pytest.raises(InputError, match=rf"{name}: .*damaged.*delete the store's folder"):
        use()


def test_truncated_array_and_foreign_version(store):
    path = store.path / "motion.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"motion\.npy: missing or damaged"):
        ClipStore.open(store.path)
    index = json.loads((store.path / "index.json").read_text())
    index["info"]["version"] = "layout0"
    (store.path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="made by version layout0"):
        ClipStore.open(store.path)


def test_unknown_clip(store):
    with pytest.raises(InputError, match="did you mean '2_scott_0_1_1'"):
        store.clip("2_scot_0_1_1")


def _sum_of_poses(store: ClipStore) -> float:
    return float(store.motion(ID).poses.sum())


def test_store_travels_to_other_processes(store):
    here = _sum_of_poses(store)
    assert _sum_of_poses(pickle.loads(pickle.dumps(store))) == here
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_sum_of_poses, [store] * 4) == [here] * 4


def test_equal_data_gives_equal_bytes(corpus, tmp_path):
    for name in ("a", "b"):
        build_store(corpus, tmp_path / name)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path.name


def test_memory_does_not_grow_with_the_corpus(corpus, tmp_path):
    """A clip is let go before the next one is read."""
    import tracemalloc

    def peak(folder) -> int:
        tracemalloc.start()
        build_store(corpus, folder)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    build_store(corpus, tmp_path / "warm")
    few = peak(tmp_path / "few")
    for seed in range(12):
        write_clip(corpus, f"3_solomon_0_{seed + 1}_{seed + 1}", seed)
    assert peak(tmp_path / "many") < 1.2 * few + 100_000


# --- fingerprint -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_memory_of_hashes_is_replaced(corpus, tmp_path, text):
    cache = tmp_path / "fingerprints.json"
    cache.write_text(text)
    assert fingerprint(corpus, cache=cache) == fingerprint(corpus)
    assert len(json.loads(cache.read_text())) > 1


def test_fingerprint_is_about_content_not_place(corpus, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "copy")
    assert fingerprint(copy) == fingerprint(corpus)
    (copy / "readme.md").write_text("not read, so it does not matter")
    assert fingerprint(copy) == fingerprint(corpus)


@pytest.mark.parametrize(
    "name", ["smplxflame_30/{}.npz", "wave16k/{}.wav", "textgrid/{}.TextGrid", "train_test_split.csv", "prom/{}.prom"]
)
def test_fingerprint_sees_every_file_that_is_read(corpus, name):
    before = fingerprint(corpus)
    path = corpus / name.format(ID)
    path.write_bytes(path.read_bytes() + b" ")
    assert fingerprint(corpus) != before


def test_fingerprint_sees_the_body(corpus, tmp_path):
    before = fingerprint(corpus)
    (tmp_path / "other.npz").write_bytes(b"another body")
    assert fingerprint(corpus, body=tmp_path / "other.npz") != before


def test_cached_fingerprint_is_the_same_and_notices_changes(corpus, tmp_path):
    cache = tmp_path / "hashes.json"
    first = fingerprint(corpus, cache=cache)
    assert first == fingerprint(corpus) == fingerprint(corpus, cache=cache)
    path = corpus / "sem" / f"{ID}.txt"
    path.write_text(path.read_text() + "00_nogesture\t0\t0\t0\t0\n")
    assert fingerprint(corpus, cache=cache) == fingerprint(corpus) != first
