"""A small stand-in corpus, and every method trained on it once: real things at toy size."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from gesturebench.common.config import Config
from gesturebench.common.corpus.clip import SAMPLE_RATE, Clip, Speech
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import ClipStore, build_store
from gesturebench.common.fitting import FitContext
from gesturebench.methods.base import Component, Control, Method
from gesturebench.methods.registry import get_method

SIZES = StandinPreset(speakers=2, clips=6, sentences=2, test_share=0.34, val_share=0.17)
SMALLER = {
    "codec": {
        "vae": {"width": 32, "feed_forward": 48},
        "frames": 60,
        "training": {"steps": 40, "batch": 4},
    },
    "denoiser": {"width": 32, "time_width": 32, "feed_forward": 48},
    "priors": {"training": {"steps": 10, "batch": 4}},
    "training": {"steps": 80, "batch": 4},
}
"""Of these a method takes the sections it has."""
SHORTER = {
    name: {"training": {"steps": 20}}
    for name in ("diffuse_style_gesture", "emage", "exges", "mambatalk", "remodiffuse")
}
"""What a method need not learn for the tests of it."""


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> ClipStore:
    """Twelve clips of 7 to 12 s of two speakers: 6 train, 2 val, 4 test."""
    root, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("store")
    generate_corpus(SIZES, root, workers=1)
    build_store(root, out)
    return ClipStore.open(out)


@pytest.fixture(scope="session")
def small(store, tmp_path_factory) -> SimpleNamespace:
    """Small configurations, their artifacts (equal components are fitted once), and loaded methods."""
    fitted: dict[str, Path] = {}

    def config(name: str, **overrides) -> Config:
        preset = get_method(name).preset("tiny")
        shrunk = preset.updated({key: value for key, value in SMALLER.items() if key in type(preset).model_fields})
        return shrunk.updated(SHORTER.get(name, {})).updated(overrides)

    def artifact(component: Component, done: dict[str, Path]) -> Path:
        identity = json.dumps([component.fit, component.config], sort_keys=True, default=str)
        if identity not in fitted:
            out, work = tmp_path_factory.mktemp(component.name), tmp_path_factory.mktemp("work")
            module, _, function = component.fit.partition(":")
            upstream = {need: done[need] for need in component.needs}
            context = FitContext(store, out, work, 0, upstream, place=component.place)
            getattr(import_module(module), function)(component.config, context)
            fitted[identity] = out
        return fitted[identity]

    def artifacts(name: str, **overrides) -> dict[str, Path]:
        done: dict[str, Path] = {}
        for component in get_method(name).components(config(name, **overrides)):
            done[component.name] = artifact(component, done)
        return done

    def load(name: str, **overrides) -> Method:
        return get_method(name).load(config(name, **overrides), artifacts(name, **overrides), store)

    return SimpleNamespace(config=config, artifacts=artifacts, load=load)


def cut_clip(clip: Clip, frames: int, new_id: str | None = None) -> Clip:
    """The first `frames` frames of a clip with the annotations that end inside."""
    end = frames / 30
    speech = replace(
        clip.speech,
        clip_id=new_id or clip.id,
        audio=clip.speech.audio[: -(-frames * SAMPLE_RATE // 30)],
        words=tuple(w for w in clip.speech.words if w.end_s <= end),
        relations=tuple(r for r in clip.speech.relations if r.end_s <= end),
    )
    return Clip(speech.clip_id, speech, clip.motion.cut(0, frames))


@pytest.fixture(scope="session")
def clips(store) -> list[Clip]:
    """Half a second, exactly one window of four seconds, and two that need several windows."""
    first, second, third, fourth = (store.clip(name) for name in store.split("test"))
    return [cut_clip(first, 15), cut_clip(second, 120), cut_clip(third, 121), cut_clip(fourth, 210)]


@pytest.fixture(scope="session")
def generate(small):
    """Motions of a method for clips; methods that follow a reference are given the true motion."""

    def run(name: str, clips: list[Clip], *, seed: int = 0, batch_size: int = 8, **overrides):
        method = small.load(name, **overrides)
        control = [Control.everything(c.motion) for c in clips] if method.control == "reference" else None
        return method.generate([c.speech for c in clips], seed=seed, control=control, batch_size=batch_size)

    return run


@pytest.fixture(scope="session")
def cut():
    """`cut(clip, frames, new_id=None)`: see `cut_clip`."""
    return cut_clip


@pytest.fixture(scope="session")
def silent_speech(store) -> Speech:
    """Speech of which only audio and a speaker are known."""
    speech = store.speech(store.split("test")[0])
    return Speech("unannotated", speech.audio[: 3 * SAMPLE_RATE], speech.speaker)
