"""The retriever: whom it asks, what it may find, which pose it takes and where it puts it."""

import gc
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech, Word
from gesturebench.common.errors import InputError
from gesturebench.methods.exges.retrieval.fitting import VECTORS
from gesturebench.methods.exges.retrieval.similar import FlatIndex, index_of
from gesturebench.methods.exges.retrieval.truth import Truth, measured


@pytest.fixture(scope="module")
def speech(store) -> Speech:
    return store.speech(store.split("test")[0])


def test_keyframes_are_poses_of_the_training_split(retriever, store, speech):
    keyframes = retriever().keyframes(speech)
    assert len(keyframes) == len(retriever().ask(speech).segments)
    frames = [keyframe.frame for keyframe in keyframes]
    assert frames == sorted(set(frames))
    assert frames[0] >= 0
    assert frames[-1] < speech.n_frames(30)
    for keyframe in keyframes:
        assert keyframe.source_recording in store.split("train")
        assert store.speech(keyframe.source_recording).speaker == speech.speaker
        pose = store.motion(keyframe.source_recording).poses[keyframe.source_frame]
        np.testing.assert_array_equal(keyframe.pose, pose.astype(np.float32))
        assert -1 <= keyframe.similarity <= 1 + 1e-6


def test_what_was_asked_goes_with_the_speech(retriever, store):
    found, speech = retriever(), store.speech(store.split("test")[0])
    assert found.ask(speech) is found.ask(speech)
    del speech
    gc.collect()
    assert not found._asked


def test_the_best_entry_is_the_most_similar_one(retriever, retrieval, speech):
    found = retriever()
    asked, allowed = found.ask(speech), found.allowed(speech)
    vectors = np.load(retrieval.artifacts["retriever"] / VECTORS)
    for number, (ids, similarities) in enumerate(asked.found):
        scores = vectors[allowed] @ asked.audio.vector[number].numpy()
        assert similarities[0] == pytest.approx(scores.max(), abs=1e-6)
        assert ids[0] in allowed
        assert len(ids) == min(16, len(allowed)) == len(set(ids.tolist()))


def test_the_keyframe_is_the_frame_most_like_the_sound(retriever, speech):
    found = retriever()
    asked = found.ask(speech)
    for number, keyframe in enumerate(found.keyframes(speech)):
        entry = int(asked.found[number][0][0])
        _, first, count = found.base.entries.place(entry)
        with torch.no_grad():
            rows = torch.from_numpy(np.array(found.base.motion(entry)))[None]
            frames = found.module.motion(rows, torch.ones(1, count, dtype=torch.bool)).frames[0]
        cosines = torch.nn.functional.cosine_similarity(frames, asked.audio.vector[number], dim=-1)
        place = found.module.motion.step * int(cosines.argmax())
        assert keyframe.source_frame == first + place
        start, end = keyframe.segment
        assert keyframe.frame == min(round(30 * (start + place / (count - 1) * (end - start))), speech.n_frames(30) - 1)


def test_a_recording_never_finds_itself(retriever, store):
    speech, found = store.speech(store.split("train")[0]), retriever(same_speaker=False)
    own = found.base.entries.of_clip(speech.clip_id)
    assert len(own)
    assert not np.isin(own, found.allowed(speech)).any()
    for mode in ("retrieved", "random", "middle_frame"):
        assert all(k.source_recording != speech.clip_id for k in found.keyframes(speech, mode))


def test_a_speaker_without_entries_gets_none_unless_others_may_be_found(retriever, speech):
    stranger = replace(speech, speaker=30)
    assert retriever().keyframes(stranger) == []
    assert "no entry of speaker 30" in retriever().explain(stranger)[0]["reason"]
    assert retriever(same_speaker=False).keyframes(stranger)


def test_the_gate_holds_back_what_is_not_alike(retriever, speech):
    closed = retriever(gate=True)
    closed.diagnostics["gate"] = 1.01
    assert closed.keyframes(speech) == []
    assert "is below the gate" in closed.explain(speech)[0]["reason"]
    closed.diagnostics["gate"] = -1.0
    assert len(closed.keyframes(speech)) == len(retriever().keyframes(speech))


def test_modes(retriever, store, speech):
    found, truth = retriever(), store.motion(speech.clip_id)
    retrieved, middle, random, real = (
        found.keyframes(speech, mode, seed=3, truth=truth)
        for mode in ("retrieved", "middle_frame", "random", "ground_truth")
    )
    assert found.keyframes(speech, "none") == []
    assert len(retrieved) == len(middle) == len(random) == len(real)
    assert [k.frame for k in real] == [k.frame for k in retrieved]
    for keyframe in real:
        assert keyframe.source_recording == speech.clip_id
        np.testing.assert_array_equal(keyframe.pose, truth.poses[keyframe.frame].astype(np.float32))
    for keyframe, asked in zip(middle, found.ask(speech).found):
        _, first, count = found.base.entries.place(int(asked[0][0]))
        assert keyframe.source_frame == first + (count - 1) // 2
    assert [k.source_frame for k in random] == [k.source_frame for k in found.keyframes(speech, "random", seed=3)]
    assert [k.source_frame for k in random] != [k.source_frame for k in found.keyframes(speech, "random", seed=4)]


def test_the_truth_must_be_given_to_be_shown(retriever, store, speech):
    for truth, told in ((None, "is not given"), (store.motion(speech.clip_id).cut(0, 5), "has 5 frames")):
        with pytest.raises(InputError, match=f"the true motion {told}.*ground_truth"):
            retriever().keyframes(speech, "ground_truth", truth=truth)


@pytest.mark.parametrize("search", [{"anchor": "audio_peak"}, {"frame": "contribution"}, {"rerank": "itm"}])
def test_other_ways_to_ask(retriever, speech, search):
    own, other = retriever().keyframes(speech), retriever(**search).keyframes(speech)
    assert other
    assert all(0 <= k.frame < speech.n_frames(30) for k in other)
    for keyframe in other:
        start, end = keyframe.segment
        assert np.floor(30 * start) <= keyframe.frame <= np.ceil(30 * end)
    assert [(k.frame, k.source_frame) for k in own] != [(k.frame, k.source_frame) for k in other]


def test_reranking_reorders_and_drops_nobody(retriever, speech):
    plain, judged = retriever().ask(speech), retriever(rerank="itm").ask(speech)
    for (ids, similarities), (other_ids, other_similarities) in zip(plain.found, judged.found):
        assert dict(zip(ids.tolist(), similarities)) == dict(zip(other_ids.tolist(), other_similarities))


@pytest.mark.parametrize("audio", [np.zeros(3 * SAMPLE_RATE, np.float32), np.zeros(0, np.float32)])
def test_where_nothing_is_said_there_are_no_keyframes(retriever, audio):
    assert retriever().keyframes(Speech("silence", audio, 1)) == []
    assert retriever().explain(Speech("silence", audio, 1)) == []


def test_words_in_silent_audio_are_asked_like_any(retriever):
    words = tuple(Word(f"w{k}", 0.3 * k, 0.3 * k + 0.3) for k in range(5))
    speech = Speech("mute", np.zeros(2 * SAMPLE_RATE, np.float32), 1, words=words)
    (keyframe,) = retriever().keyframes(speech)
    assert np.isfinite(keyframe.similarity)
    assert np.isfinite(keyframe.pose).all()


def test_words_behind_the_end_of_the_audio_ask_nothing(retriever):
    words = tuple(Word(f"w{k}", 5 + 0.3 * k, 5.3 + 0.3 * k) for k in range(5))
    speech = Speech("cut", np.zeros(2 * SAMPLE_RATE, np.float32), 1, words=words)
    assert retriever().keyframes(speech) == []


def test_an_explanation_is_plain_data_and_tells_the_keyframes(retriever, speech):
    found = retriever()
    told = json.loads(json.dumps(found.explain(speech)))
    assert [row["keyframe"]["frame"] for row in told] == [k.frame for k in found.keyframes(speech)]
    assert all(row["text"] and row["found"][0]["similarity"] >= row["found"][-1]["similarity"] for row in told)
    assert {row["reason"] for row in found.explain(speech, "none")} == {"keyframes are switched off"}


def test_faiss_finds_the_same():
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(300, 16)).astype(np.float32), rng.normal(size=(5, 16)).astype(np.float32)
    ids, banned = np.arange(1000, 1300), np.arange(1000, 1040)
    flat, faiss = (index_of(vectors, ids, kind).search(queries, 7, banned) for kind in ("flat", "faiss"))
    for (one, a), (other, b) in zip(flat, faiss):
        assert one.tolist() == other.tolist()
        assert not np.isin(one, banned).any()
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_an_index_finds_what_there_is():
    index = FlatIndex(np.eye(3, dtype=np.float32), np.array([5, 6, 7]))
    ((ids, scores),) = index.search(np.array([[0.0, 1.0, 0.0]]), 16, np.array([7]))
    assert ids.tolist() == [6, 5]
    assert scores.tolist() == [1.0, 0.0]
    assert index.search(np.ones((1, 3)), 16, np.array([5, 6, 7]))[0][0].tolist() == []


def test_truth_knows_what_a_stretch_and_a_frame_hold(store):
    clip = store.split("test")[0]
    truth, event = Truth(store), store.truth(clip)[0]
    meaning = truth.between(clip, event.stroke_s, event.end_s)
    assert event.tag in meaning.tags
    assert event.word in meaning.words
    assert not truth.between(clip, 0, min(e.stroke_s for e in store.truth(clip)) - 1e-3).tags
    assert truth.at(clip, round(30 * (event.stroke_s + event.end_s) / 2)).tag == event.tag


def test_matches_are_measured_beside_chance(retriever, store):
    found = measured(retriever(), store, ks=(1, 5))
    assert found["queries"] > 3
    for kind in ("class", "word"):
        for what in ("", "_chance"):
            assert 0 <= found[f"{kind}_at_1{what}"] <= found[f"{kind}_at_5{what}"] <= 1
    assert set(found["keyframes"]) == {"retrieved", "middle_frame", "random"}
    with pytest.raises(InputError, match="matches at 20 of 16 candidates"):
        measured(retriever(), store, ks=(20,))
