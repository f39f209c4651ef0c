"""What ReMoDiffuse says about its retrieval, before any network is read."""

import json

from gesturebench.common.corpus.windows import Window


def test_what_is_explained_is_what_the_network_attends_to(small, store):
    method = small.load("remodiffuse")
    speech = store.speech(store.split("test")[0])
    (report,) = method.explain([speech], seed=0)
    json.dumps(report)
    assert report["clip"] == speech.clip_id
    points = [point for window in report["windows"] for point in window["points"]]
    assert points
    for point in points:
        scores = [match["score"] for match in point["ranked"]]
        assert scores == sorted(scores, reverse=True)
        assert all(match["clip"] != speech.clip_id for match in point["ranked"])
        assert point["dropped"] == ("nothing found" if point["found"] is None else "attended to, not placed")
    first = Window(speech.clip_id, 0, round(30 * report["windows"][0]["end_s"]))
    attended = {method._database.place(hit.entry)[0] for hit in method._database.query(speech, first)}
    assert {p["found"]["clip"] for p in report["windows"][0]["points"] if p["found"]} <= attended


def test_without_retrieval_there_is_nothing_to_say(small, store):
    method = small.load("remodiffuse", use_retrieval=False, mixture={"policy": "cfg_text"})
    assert method.explain([store.speech(store.split("test")[0])], seed=0) is None
    assert method.explained_by(method.config) == ()
