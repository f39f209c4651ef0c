"""Our components and the published networks of EMAGE: where each lies, and the sizes of their tensors.

Our parameters bear the published names, so there is nothing to translate; a component is one file. Two layouts are
published; in the older one, beside the model that also reads text, lie the same part codecs.

| component     | `emage_audio`                      | older, below `EMAGE/` or MambaTalk's            |
|---------------|------------------------------------|-------------------------------------------------|
| audio_model   | pytorch_model.bin                  | emage_audio_175.bin                             |
| vq_face       | emage_vq/face/pytorch_model.bin    | pretrained_vq/last_790_face_v2.bin, face.bin    |
| vq_upper      | emage_vq/upper/...                 | upper_vertex_1layer_710.bin, upper.bin          |
| vq_hands      | emage_vq/hands/...                 | hands_vertex_1layer_710.bin, hands.bin          |
| vq_lower      | emage_vq/lower/...                 | lower_foot_600.bin, lower_foot.bin              |
| global_motion | emage_vq/global/...                | last_1700_foot.bin, foot.bin                    |
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.codecs.vq_config import PriorConfig
from gesturebench.common.weights.shapes import blocks_of, size_of
from gesturebench.methods.emage.config import NetworkConfig
from gesturebench.methods.emage.network import AudioModel
from gesturebench.methods.published_priors import prior_skeletons

MODEL, WEIGHTS, TOLD, CODECS = "audio_model", "pytorch_model.bin", "config.json", "emage_vq"
PLACES = {f"vq_{part}": part for part in ("face", "upper", "hands", "lower")} | {"global_motion": "global"}
"""Component -> its folder in `emage_vq`."""
OLDER_CODECS = "pretrained_vq"
OLDER = {
    MODEL: ("emage_audio_175.bin",),
    "vq_face": ("last_790_face_v2.bin", "face.bin"),
    "vq_upper": ("upper_vertex_1layer_710.bin", "upper.bin"),
    "vq_hands": ("hands_vertex_1layer_710.bin", "hands.bin"),
    "vq_lower": ("lower_foot_600.bin", "lower_foot.bin"),
    "global_motion": ("last_1700_foot.bin", "foot.bin"),
}
WITH_TEXT = "emage_240.bin"
OLDER_STATE = "model_state"
"""Key of the tensors in a file of the older layout."""


def network_sizes(state: Mapping[str, Tensor], told: Mapping[str, int]) -> dict[str, int]:
    """Of the audio model: read off shapes, as published where a tensor is missing; heads, which no tensor has, as told
    or published."""
    published = NetworkConfig()
    return {
        "hidden": size_of(state, "moton_proj.weight", 0, published.hidden),
        "audio": size_of(state, "audio_body_motion_proj.weight", 1, published.audio),
        "motion": size_of(state, "moton_proj.weight", 1, published.motion),
        "heads": told.get("nhead", published.heads),
        "feed_forward": size_of(state, "transformer_en_layer.linear1.weight", 0, published.feed_forward),
        "face_layers": blocks_of(state, "face_motion_decoder.layers") or published.face_layers,
        "cross_layers": blocks_of(state, "audio_motion_cross_attn.layers") or published.cross_layers,
        "speakers": size_of(state, "speaker_embedding_body.weight", 0, published.speakers),
        "window": size_of(state, "position_embeddings.pe", 1, 2 * published.window) // 2,
    }


def skeletons(sizes: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """The tensors of all components of these sizes (`network`, `priors`), without memory."""
    network = NetworkConfig.parse(dict(sizes["network"]), "network")
    with torch.device("meta"):
        model = AudioModel(network, PriorConfig.parse(dict(sizes["priors"]), "priors").codec)
    return {**prior_skeletons(sizes["priors"]), MODEL: model.state_dict()}
