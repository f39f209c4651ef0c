"""The pretrained encoders there are, and the settings under which papers used them."""

from typing import Any

from gesturebench.common.errors import unknown_name
from gesturebench.common.features.cache import EncoderFeature
from gesturebench.common.features.clip_text import ClipText, ClipTextConfig
from gesturebench.common.features.ctc import CtcTokens
from gesturebench.common.features.pretrained import Pretrained
from gesturebench.common.features.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from gesturebench.common.features.text_encoder import TextEncoder, TextEncoderConfig

ENCODERS = {
    "speech": (SpeechEncoder, SpeechEncoderConfig),
    "ctc": (CtcTokens, Pretrained),
    "text": (TextEncoder, TextEncoderConfig),
    "clip_text": (ClipText, ClipTextConfig),
}

PUBLISHED: dict[str, dict[str, Any]] = {
    "rag_gesture_audio": {"kind": "speech", "model": "facebook/wav2vec2-base-960h", "fps": None},
    "rag_gesture_text": {"kind": "text", "model": "google-bert/bert-base-cased", "fps": 15, "source": "tokens"},
    "mambatalk_tokens": {"kind": "ctc", "model": "facebook/wav2vec2-base-960h"},
    "exges_audio": {"kind": "speech", "model": "microsoft/wavlm-large", "fps": 30},
    "dsg_zeggs_audio": {
        "kind": "speech",
        "model": "microsoft/wavlm-large",
        "fps": 30,
        "normalise": False,
        "placement": "end_to_end",
    },
    "dsg_beat_audio": {
        "kind": "speech",
        "model": "microsoft/wavlm-large",
        "fps": 30,
        "placement": "end_to_end",
        "chunk_s": 5.0,
        "tail": "released_padded",
    },
    "remodiffuse_text": {"kind": "clip_text", "model": "openai/clip-vit-base-patch32"},
}
"""Settings of the papers by name; `model` may be replaced by the folder of a copy. RAG-Gesture's audio is of windows of
10 s: give it the speech of a window."""


def encoder_feature(settings: dict[str, Any], device: str = "cpu") -> EncoderFeature:
    """The feature that settings describe: `kind`, `model`, and what the kind's configuration knows.

    >>> encoder_feature({"kind": "speech", "model": "facebook/wav2vec2-base-960h", "fps": 15}).config.fps
    15
    """
    values = dict(settings)
    kind = values.pop("kind", "")
    if kind not in ENCODERS:
        raise unknown_name("encoder", kind, ENCODERS)
    feature, config = ENCODERS[kind]
    return feature(config.parse(values, f"encoder {kind}"), device)
