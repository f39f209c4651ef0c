"""What cases of ReMoDiffuse share: condition codes, and the small network that two files use."""

from functools import cached_property

import torch
from torch import Tensor

from gesturebench.methods.remodiffuse.branches import PlainBranches, PreparedBranches
from gesturebench.methods.remodiffuse.denoiser import Denoiser
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig, RetrievalEncoderConfig
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved
from tests.parity.cases._rag_gesture import Arrays, filled
from tests.parity.frame import Golden

BLOCK = 1e-5
NETWORK = 2e-5
CHAIN = 1e-4


def flags(codes: Tensor | int) -> tuple[Tensor, Tensor]:
    """Speech and retrieval (B,) of condition codes: the units digit and the tens digit, if they are not 0."""
    codes = torch.as_tensor(codes).flatten()
    return codes % 10 > 0, codes // 10 > 0


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """(B, T)."""
    return (torch.arange(frames) < lengths[:, None]).float()


class SmallNetwork:
    """The network and the conditions of `denoiser.npz`."""

    def __init__(self, golden: Golden):
        self.file = Arrays.of(Golden(golden.folder / "denoiser.npz"))

    @cached_property
    def denoiser(self) -> Denoiser:
        c, inputs = self.file.config, self.file.inputs
        retrieval, text = c["retrieval_cfg"], c["text_encoder"]
        config = DenoiserConfig(
            width=c["latent_dim"],
            heads=c["ca_block_cfg"]["num_heads"],
            layers=c["num_layers"],
            time_width=c["time_embed_dim"],
            feed_forward=c["ffn_cfg"]["ffn_dim"],
            prompt_width=text["latent_dim"],
            prompt_layers=text["num_layers"],
            prompt_feed_forward=text["ff_size"],
            retrieval=encoders(retrieval, retrieval["num_layers"], retrieval["sa_block_cfg"]["num_heads"]),
        )
        widths = {"text": inputs["clip_feat"].shape[-1], "captions": inputs["clip_seq_features_db"].shape[-1]}
        return filled(
            Denoiser(config, features=c["input_feats"], frames=c["max_seq_len"], **widths), self.file.param
        )  # fmt: skip

    @cached_property
    def prompt(self) -> Tensor:
        return self.denoiser.encode_prompt(self.file.inputs["clip_feat"])

    @cached_property
    def retrieved(self) -> Retrieved:
        inputs, index = self.file.inputs, self.file.inputs["indexes"]
        motions = inputs["motions_db"][index]
        mask = frame_mask(inputs["m_lengths_db"], motions.shape[-2])[index]
        return self.denoiser.database(motions, mask, inputs["clip_seq_features_db"][index])

    def branches(self, kind: type[PreparedBranches | PlainBranches], timesteps: list[int]):
        mask = self.file.inputs["motion_mask"]
        return kind(self.denoiser, self.prompt, self.retrieved, mask, None, None, timesteps)


def encoders(c: dict, caption_layers: int, motion_heads: int) -> RetrievalEncoderConfig:
    """The encoders of a file's configuration."""
    return RetrievalEncoderConfig(
        stride=c["stride"],
        motion_layers=c["num_motion_layers"],
        caption_layers=caption_layers,
        motion_heads=motion_heads,
        caption_heads=c["num_heads"],
        feed_forward=c["ff_size"],
    )
