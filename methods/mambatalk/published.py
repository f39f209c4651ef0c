"""Our network and the published checkpoint of MambaTalk: the sizes of a state. Our parameters bear the published
names."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.weights.shapes import blocks_of, size_of
from gesturebench.methods.mambatalk.config import PRESETS, NetworkConfig, SpeechConfig
from gesturebench.methods.mambatalk.network import Network

_WORDS = "text_pre_encoder_face.weight"


def network_sizes(state: Mapping[str, Tensor], where: str) -> dict[str, Any]:
    """Sections `network` and `speech`, read off shapes; as published where a tensor is missing, and heads, of which no
    tensor tells, too. A state holds the whole network: nothing in it was left out."""
    published, speech = NetworkConfig(), SpeechConfig()

    def size(name: str, axis: int, otherwise: int) -> int:
        return size_of(state, name, axis, otherwise)

    network = {
        "hidden": size("global_scan.out.weight", 0, published.hidden),
        "audio": size("text_encoder_face.weight", 0, published.audio),
        "motion": size("global_scan.motion_encoder.main.0.weight", 0, published.motion),
        "heads": published.heads,
        "scan_heads": published.scan_heads,
        "cross_layers": blocks_of(state, "local_scan.motion_cross_attn.layers") or published.cross_layers,
        "face_layers": blocks_of(state, "local_scan.face_scan.layers") or published.face_layers,
        "speakers": size("speaker_encoder_face.weight", 0, published.speakers),
        "window": size("global_scan.position_embeddings.pe", 1, 2 * published.window) // 2,
        "target": published.target,
        "local_scan": published.local_scan,
        "global_scan": published.global_scan,
    }
    NetworkConfig.parse(network, where)
    words = {"word_rows": size(_WORDS, 0, speech.word_rows), "word_width": size(_WORDS, 1, speech.word_width)}
    return {"network": network, "speech": words}


def network_skeleton(sizes: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The tensors of a network of these sizes (`priors` among them), without memory."""
    try:
        config = PRESETS["paper"].updated(dict(sizes), where)
    except InputError as error:
        raise InputError(f"{where}: {error.what}", expected=error.expected) from error
    with torch.device("meta"):
        return Network(config).state_dict()
