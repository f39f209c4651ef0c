"""Our denoiser and the published networks of DiffuseStyleGesture and DiffuseStyleGesture+: what a state tells of its
sizes, and the tables in it that we do not keep.

Our parameters bear the published names. The published state has tables beside them, all of them formulas:
`sequence_pos_encoder.pe` and `embed_timestep.sequence_pos_encoder.pe`, the same (5000, 1, D) sinusoids twice, and
`rel_pos.inv_freq` (d / 2,) of the rotary positions.

| line          | frames | seed | local window | conditioning | features | audio         |
|---------------|--------|------|--------------|--------------|----------|---------------|
| ZEGGS         | 88     | 8    | 11           | 3            | 1141     | WavLM 1024    |
| BEAT, TWH     | 150    | 30   | 15           | 3, 4 or 5    | 2052, 2232 | 1434, 1435  |
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gesturebench.common.cross_local.config import CrossLocalConfig, CrossLocalSizes
from gesturebench.common.cross_local.denoiser import POSITIONS, CrossLocalDenoiser
from gesturebench.common.cross_local.rotary import inverse_frequencies
from gesturebench.common.errors import InputError
from gesturebench.common.nn.positions import sinusoid
from gesturebench.common.weights.artifact import read_part
from gesturebench.common.weights.passport import Passport
from gesturebench.common.weights.shapes import blocks_of, size_of

METHOD, NETWORK = "diffuse_style_gesture", "network"
TABLE_TOLERANCE = 1e-4
LINES = {8: {"frames": 88, "window": 11}, 30: {"frames": 150, "window": 15}}
"""Seed frames of a published line -> what no tensor of it tells."""
TOLD = {"n_poses": "frames", "n_seed": "seed_frames", "local_window": "window", "num_heads": "heads"}
"""Settings beside a checkpoint -> our names; the last two are ours, released code has them in the program."""
WIDTHS = ("features", "audio_features", "styles")
_POSE, _FINAL = "input_process.poseEmbedding.weight", "embed_text_last.weight"


def tables(config: CrossLocalConfig) -> dict[str, Tensor]:
    """The published tables of a network of these sizes."""
    positions = sinusoid(POSITIONS, config.latent)[:, None]
    return {
        "sequence_pos_encoder.pe": positions,
        "embed_timestep.sequence_pos_encoder.pe": positions.clone(),
        "rel_pos.inv_freq": inverse_frequencies(config.latent // config.local_heads),
    }


def sizes_of(state: Mapping[str, Tensor], told: Mapping[str, Any], where: str) -> CrossLocalConfig:
    """Read off shapes; where a tensor is missing, and what no tensor tells, as `told` beside them or as published."""
    own = CrossLocalSizes()
    latent, features = size_of(state, _POSE, 0, own.latent), size_of(state, _POSE, 1, 2052)
    style = size_of(state, "embed_style.weight", 0, own.style_latent)
    attention = 5 if _FINAL in state else 4 if style == latent else 3
    seed = size_of(state, "embed_text.weight", 1, 0) // features if attention == 3 else 0
    rotated = size_of(state, "rel_pos.inv_freq", 0, latent // own.local_heads // 2)
    values = {
        "attention": attention,
        "seed_frames": seed or own.seed_frames,
        "latent": latent,
        "audio_latent": size_of(state, "WavEncoder.audio_feature_map.weight", 0, own.audio_latent),
        "style_latent": style if attention == 3 else own.style_latent,
        "layers": blocks_of(state, "seqTransEncoder.layers") or own.layers,
        "local_heads": latent // (2 * rotated),
        "feed_forward": size_of(state, "seqTransEncoder.layers.0.linear1.weight", 0, own.feed_forward),
        "features": features,
        "audio_features": size_of(state, "WavEncoder.audio_feature_map.weight", 1, 1434),
        "styles": size_of(state, "embed_style.weight", 1, 2),
    }
    values |= {name: told[key] for key, name in TOLD.items() if key in told}
    return CrossLocalConfig.parse(LINES.get(values["seed_frames"], {}) | values, where)


def skeleton(config: CrossLocalConfig) -> dict[str, Tensor]:
    """All tensors of the published state, without memory."""
    with torch.device("meta"):
        return CrossLocalDenoiser(config).state_dict() | tables(config)


def without_tables(state: Mapping[str, Tensor], config: CrossLocalConfig, where: str) -> dict[str, Tensor]:
    """The tensors that we keep; a table that is not the formula's is refused."""
    expected = tables(config)
    for name, table in expected.items():
        gap = float((state[name] - table).abs().max())
        if gap > TABLE_TOLERANCE:
            raise InputError(
                f"{where}: {name} differs by {gap:.2g} from the table of the published networks",
                expected=f"at most {TABLE_TOLERANCE:g}",
                remedy="these weights belong to another network",
            )
    return {name: tensor for name, tensor in state.items() if name not in expected}


def config_of(passport: Passport, where: str) -> CrossLocalConfig:
    """The sizes of imported weights; those of another method are refused."""
    if passport.method != METHOD:
        raise InputError(f"{where}: weights of {passport.method}", expected=f"weights of {METHOD}")
    return CrossLocalConfig.parse({**passport.sizes[NETWORK], **passport.widths}, where)


def load(folder: Path) -> CrossLocalDenoiser:
    """The network of imported weights, ready to predict."""
    network = CrossLocalDenoiser(config_of(Passport.read(folder), str(folder)))
    network.load_state_dict(read_part(folder, NETWORK))
    return network.eval().requires_grad_(False)
