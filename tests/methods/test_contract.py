"""What every method promises, over the registry."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gesturebench.common.errors import InputError
from gesturebench.methods.base import Control
from gesturebench.methods.registry import get_method, method_names, survey

NAMES = method_names()
FOLLOWING = [name for name in NAMES if get_method(name).control == "reference"]
FREE = [name for name in NAMES if name not in FOLLOWING]
SAMPLED = [name for name in FREE if get_method(name).sampled]
SIZES = ("tiny", "demo", "paper")


def distance(a, b) -> float:
    """Largest difference of two motions in any channel; joint angles as vectors, so far from a turn of 2 pi."""
    return max(float(np.abs(getattr(a, k) - getattr(b, k)).max()) for k in ("poses", "expressions", "trans"))


@pytest.mark.parametrize("name", NAMES)
def test_motion_is_as_long_as_the_speech(name, generate, clips):
    for motion, clip in zip(generate(name, clips), clips, strict=True):
        assert motion.n_frames == clip.speech.n_frames(30)
        assert motion.fps == 30
        motion.checked(f"{name} {clip.id}")
        assert {a.dtype for a in (motion.poses, motion.expressions, motion.trans)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", NAMES)
def test_one_frame_of_speech(name, generate, clips, cut):
    motion = generate(name, [cut(clips[0], 1)])[0]
    assert motion.checked(name).n_frames == 1


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_motion(name, generate, clips):
    for first, second in zip(generate(name, clips), generate(name, clips), strict=True):
        assert distance(first, second) == 0


@pytest.mark.parametrize("name", SAMPLED)
def test_another_seed_is_another_motion(name, generate, clips):
    first, second = (generate(name, clips[2:], seed=seed) for seed in (0, 1))
    assert distance(first[0], second[0]) > 1e-3
    assert distance(first[1], second[1]) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_batch_and_order_do_not_matter(name, generate, clips):
    together = generate(name, clips, batch_size=8)
    alone = generate(name, clips[::-1], batch_size=1)[::-1]
    assert max(distance(a, b) for a, b in zip(together, alone, strict=True)) < 1e-5


@pytest.mark.parametrize("name", FREE)
def test_speech_with_nothing_but_audio(name, small, silent_speech):
    """No words, no relations, from a BEAT2 speaker who is not among the training speakers."""
    stranger = replace(silent_speech, speaker=30)
    motion = small.load(name).generate([stranger], seed=0)[0]
    assert motion.checked(name).n_frames == stranger.n_frames(30)


@pytest.mark.parametrize("name", FOLLOWING)
def test_anchors_need_the_true_motion(name, small, clips):
    method = small.load(name)
    with pytest.raises(InputError, match="no reference motion"):
        method.generate([clips[0].speech], seed=0)
    some = [Control.everything(clips[0].motion), None]
    with pytest.raises(InputError, match="no reference motion"):
        method.generate([c.speech for c in clips[:2]], seed=0, control=some)


@pytest.mark.parametrize("name", NAMES)
def test_progress_reaches_the_number_of_speeches(name, small, clips):
    method, calls = small.load(name), []
    control = [Control.everything(c.motion) for c in clips]
    speeches = [c.speech for c in clips]
    method.generate(speeches, seed=0, control=control, batch_size=2, progress=lambda *done: calls.append(done))
    assert not calls or calls[-1] == (len(clips), len(clips))
    assert calls or not method.components(small.config(name))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_components_follow_what_they_need(name, size):
    cls = get_method(name)
    seen = set()
    for component in cls.components(cls.preset(size)):
        assert set(component.needs) <= seen
        assert component.name not in seen
        assert ":" in component.fit
        json.dumps(component.config)
        seen.add(component.name)


@pytest.mark.parametrize("name", NAMES)
def test_generation_settings_train_nothing_anew(name, small):
    """What is said about sampling alone changes no component, so ablations share their weights."""
    cls, config = get_method(name), small.config(name)
    settings = {
        "retrieval.strategy": "random",
        "guidance.mode": "paper",
        "mixture.policy": "both_only",
        "sampling.overlap": 10,
    }
    known = config.model_dump()
    for key, value in settings.items():
        section, _, name = key.partition(".")
        if name in (known.get(section) or {}):
            assert cls.components(config) == cls.components(config.updated({section: {name: value}}))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_configuration_survives_json(name, size):
    cls = get_method(name)
    config = cls.preset(size)
    assert isinstance(config, cls.Config)
    assert cls.Config.parse(json.loads(config.model_dump_json())) == config


@pytest.mark.parametrize("name", NAMES)
def test_unknown_setting_is_refused(name):
    preset = get_method(name).preset("tiny")
    with pytest.raises(InputError, match="unknown key"):
        preset.updated({"no_such_setting": 1})
    for field in type(preset).model_fields:
        with pytest.raises(InputError, match=f"unknown key.*'{field}s'.*did you mean .*'{field}'"):
            preset.updated({f"{field}s": 1})


@pytest.mark.parametrize("name", NAMES)
def test_query_is_a_known_word(name):
    cls = get_method(name)
    assert cls.query(cls.preset("tiny")) in ("none", "text", "annotation", "oracle")


def test_unknown_method_lists_near_matches():
    with pytest.raises(InputError, match="did you mean 'rag_gesture'"):
        get_method("rag_gestur")


def test_all_built_in_methods_are_whole():
    assert {state for _, state in survey()} == {"ok"}


def test_planning_needs_no_torch():
    """Plans ask for classes, presets and components of every method; they must not wait for torch."""
    code = (
        "import sys; from gesturebench.methods.registry import get_method, method_names\n"
        "for name in method_names():\n"
        "    cls = get_method(name); cls.components(cls.preset('demo')); cls.query(cls.preset('demo'))\n"
        "print(sorted({'torch', 'scipy', 'librosa'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
