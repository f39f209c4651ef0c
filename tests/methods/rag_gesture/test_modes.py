"""Every way in which retrieved gestures enter a sample, on a trained network: what all promise, and edge cases."""

from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.corpus.clip import Motion, Relation, Speech
from gesturebench.common.errors import InputError
from gesturebench.methods.rag_gesture.config import PRESETS

RETRIEVAL = {"strategy": "discourse", "window_stride": 30}
MODES = {
    "base": {},
    "latent initialisation": {"guidance": {"mode": "none"}},
    "an earlier start": {"guidance": {"mode": "none", "inversion_start": -4}},
    "paper": {"guidance": {"mode": "paper", "schedule": "all_10"}},
    "paper, level above": {"guidance": {"mode": "paper", "schedule": "all_one", "target_level": "released"}},
    "released": {"guidance": {"mode": "released"}, "seams": "released"},
    "inpainting": {"guidance": {"mode": "inpainting"}},
    "part scales": {"guidance": {"mode": "paper"}, "sampling": {"part_scales": {"upper": 1.2, "hands": 0.9}}},
    "another respacing": {"guidance": {"mode": "paper"}, "sampling": {"sections": "ddim10"}},
}


def overrides(mode: str) -> dict:
    return {"retrieval": {"strategy": "none"} if mode == "base" else RETRIEVAL, **MODES[mode]}


@pytest.fixture(autouse=True)
def _inverted_anew(monkeypatch):
    """What one test inverts is not found on the disk by another."""
    monkeypatch.setenv("GESTUREBENCH_INVERSIONS_GB", "0")


@pytest.fixture(scope="module")
def speeches(store, clips, silent_speech) -> list[Speech]:
    """Retrieving in some windows and in none; of 1 to 4 windows, 1 frame, and without a sound."""
    whole = [s for s in map(store.speech, store.split("test")) if s.relations][:2]
    bare = replace(whole[1], clip_id="bare", relations=())
    frame = replace(silent_speech, clip_id="frame", audio=silent_speech.audio[:534])
    silence = replace(silent_speech, clip_id="silence", audio=np.zeros_like(silent_speech.audio))
    return [*whole, bare, clips[0].speech, frame, silence]


@pytest.fixture(scope="module")
def together(small, speeches):
    """Motions of all speeches in one batch, by mode."""
    known = {}

    def of(mode: str) -> list[Motion]:
        if mode not in known:
            known[mode] = small.load("rag_gesture", **overrides(mode)).generate(speeches, seed=0, batch_size=8)
        return known[mode]

    return of


def distance(a, b) -> float:
    return max(float(np.abs(getattr(a, k) - getattr(b, k)).max()) for k in ("poses", "expressions", "trans"))


@pytest.mark.parametrize("mode", MODES)
def test_batch_and_order_do_not_matter(mode, small, speeches, together):
    alone = small.load("rag_gesture", **overrides(mode)).generate(speeches[::-1], seed=0, batch_size=1)[::-1]
    for speech, a, b in zip(speeches, together(mode), alone, strict=True):
        assert a.checked(speech.clip_id).n_frames == speech.n_frames(30)
        assert distance(a, b) < 1e-5, speech.clip_id


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("part scales", "another respacing")])
def test_a_speech_that_retrieves_nothing_is_the_base_sample(mode, speeches, together):
    """In the same batch as others that do; those differ from their base sample."""
    bare = [not speech.relations for speech in speeches]
    base, motions = together("base"), together(mode)
    for speech, lonely, a, b in zip(speeches, bare, base, motions, strict=True):
        if lonely and (mode != "released" or speech.duration_s <= 4):
            assert distance(a, b) < 1e-5, speech.clip_id
    assert 0 < sum(bare) < len(bare)
    gaps = [distance(a, b) for a, b, lonely in zip(base, motions, bare, strict=True) if not lonely]
    assert (max(gaps) > 1e-3) == (mode != "base")


def test_modes_differ_from_each_other(together):
    motions = [together(mode)[0] for mode in MODES]
    gaps = [distance(a, b) for k, a in enumerate(motions) for b in motions[:k]]
    assert min(gaps) > 1e-4


def at(speech: Speech, start_s: float, end_s: float) -> Speech:
    """The first connective of a speech, now spoken at this time."""
    told = speech.relations[0]
    times = {"start_s": start_s, "end_s": end_s, "connective_start_s": start_s, "connective_end_s": end_s}
    moved: Relation = replace(told, **times)
    return replace(speech, relations=(moved,))


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "base"])
def test_a_query_at_the_edge(mode, small, store):
    """At the first and the last moment of a window, across its end (no window then holds it whole but the next), and
    beyond the last frame of speech that is shorter than its window."""
    speech = next(s for s in map(store.speech, store.split("test")) if s.relations)
    short = replace(speech, clip_id="short", audio=speech.audio[:32000])
    asked = [at(speech, 0.0, 0.2), at(speech, 3.8, 4.0), at(speech, 3.9, 4.1), at(short, 1.9, 2.1)]
    method = small.load("rag_gesture", **overrides(mode))
    plain = small.load("rag_gesture").generate([speech, short], seed=0)
    for query, motion in zip(asked, method.generate(asked, seed=0), strict=True):
        assert motion.checked(mode).n_frames == query.n_frames(30)
        assert distance(motion, plain[query is asked[-1]]) > 1e-4


def test_a_database_of_one_window(small, store):
    """Whatever is asked, there is one answer."""
    stride = max(store.n_frames(clip) for clip in store.split("train"))
    speech = next(s for s in map(store.speech, store.split("test")) if s.relations)
    for mode in ("paper", "released", "inpainting"):
        settings = {**overrides(mode), "retrieval": {"strategy": "random", "window_stride": stride}}
        assert small.load("rag_gesture", **settings).generate([speech], seed=0)[0].checked(mode)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"guidance": {"mode": "inpainting", "inversion_start": -10}},
            "guidance.inversion_start = -10; expected -1 in mode inpainting, which inverts nothing",
        ),
        ({"guidance": {"inversion_start": -11}}, "inversion_start = -11; expected -1 to -10.*10 sampling steps"),
        (
            {"guidance": {"inversion_start": -50}, "sampling": {"sections": "ddim25"}},
            "inversion_start = -50; expected -1 to -25",
        ),
        ({"guidance": {"inversion_start": 0}}, "inversion_start = 0; expected less than 0"),
        ({"guidance": {"mode": "outpaint"}}, "unknown value of .*mode 'outpaint'; expected one of inpainting"),
        ({"guidance": {"lr": 1.0}}, "guidance.lr = 1.0; expected less than 1"),
        ({"sampling": {"sections": "trailling"}}, "unknown respacing 'trailling'.*did you mean 'trailing'"),
        ({"sampling": {"sections": [400, 700]}}, "respacing .*section 1 has 500 steps; expected a count from 1 to 500"),
        ({"sampling": {"sections": 50}}, r"sampling.sections = 50; expected a list of counts, such as \[15, "),
        ({"sampling": {"part_scales": {"upper": 0}}}, "part_scales.upper = 0; expected greater than 0"),
        ({"sampling": {"part_scales": {"head": 1}}}, "unknown key .*'head'; expected one of face, hands, lower, upper"),
        ({"seams": "anchord"}, "seams 'anchord'.*did you mean 'anchored'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values, says):
    with pytest.raises(InputError, match=says):
        PRESETS["tiny"].updated(values)


def test_respacings_survive_json():
    for sections in ([3, 3, 2, 1, 1], "trailing"):
        config = PRESETS["tiny"].updated({"sampling": {"sections": sections}})
        assert type(config).parse(config.model_dump(mode="json")) == config
