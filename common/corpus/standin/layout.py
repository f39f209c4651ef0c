"""A finished clip as the files of BEAT2's layout: relative path -> bytes."""

import io
import json
from typing import Any

import numpy as np
import soundfile

from gesturebench.common.corpus.clip import SAMPLE_RATE, Motion
from gesturebench.common.corpus.standin import annotations
from gesturebench.common.corpus.standin.choreography import Choreography
from gesturebench.common.corpus.standin.motion import Performance
from gesturebench.common.corpus.standin.presets import ClipName
from gesturebench.common.corpus.standin.scene import Scene
from gesturebench.common.corpus.standin.textgrid import text_grid
from gesturebench.common.corpus.standin.truth import truth


def clip_files(name: ClipName, scene: Scene, plan: Choreography, done: Performance) -> dict[str, bytes]:
    """Every file of one clip."""
    clip = name.id
    return {
        f"smplxflame_30/{clip}.npz": _npz(done.motion),
        f"wave16k/{clip}.wav": _wav(scene.reading.audio),
        f"textgrid/{clip}.TextGrid": text_grid(scene).encode(),
        f"sem/{clip}.txt": annotations.semantic_labels(plan, scene.duration_s).encode(),
        f"discourse_rels/{clip}_whisper_relations.json": _json(annotations.discourse(scene)),
        f"prom/{clip}.prom": annotations.prominence_table(clip, scene).encode(),
        f"emo/{clip}.csv": annotations.emotion_table(name.emotion, scene.duration_s).encode(),
        f"truth/{clip}.json": _json(truth(name, scene, plan, done.steps)),
    }


def _npz(motion: Motion) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        betas=motion.betas,
        poses=motion.poses,
        expressions=motion.expressions,
        trans=motion.trans,
        model=np.array("smplx2020"),
        gender=np.array("neutral"),
        mocap_frame_rate=np.array(round(motion.fps), np.int32),
    )
    return buffer.getvalue()


def _wav(audio: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True) + "\n").encode()
