"""Part VAE: a transformer that turns every chunk of frames into one latent (RAG-Gesture, Mughal et al. 2025, sec. 3.1).

Legend: B batch, T frames, F features per frame, K latents (one per `chunk` frames), D latent width.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.nn.positions import PositionTable
from gesturebench.common.nn.skip_transformer import DecoderLayer, EncoderLayer, SkipStack

MAX_POSITIONS = 1024
MIN_SPREAD = 1e-8
"""Added to a softplus, so that its logarithm is finite."""


class PartVAE(nn.Module):
    """Encodes chunks independently, decodes all latents of a window together.

    >>> config = PartVAEConfig(width=32, layers=1, heads=2, feed_forward=48, chunk=5, decoder_depth="as_encoder")
    >>> vae = PartVAE(config, features=78)
    >>> latent, log_variance = vae.posterior(torch.zeros(2, 30, 78))
    >>> latent.shape, vae.decode(latent).shape
    (torch.Size([2, 6, 32]), torch.Size([2, 30, 78]))
    """

    def __init__(self, config: PartVAEConfig, features: int):
        super().__init__()
        self.config, c = config, config
        self.skel_embedding = nn.Linear(features, c.width)
        self.global_motion_token = nn.Parameter(torch.randn(2, c.width))
        learned = c.positions == "learned"
        self.query_pos_encoder = PositionTable(MAX_POSITIONS, c.width, learned=learned)
        self.query_pos_decoder = PositionTable(MAX_POSITIONS, c.width, learned=learned)
        self.mem_pos_decoder = PositionTable(MAX_POSITIONS, c.width, learned=learned)
        depth, heads = c.decoder_shape
        layer = DecoderLayer if c.architecture == "encoder_decoder" else EncoderLayer
        self.encoder = SkipStack(
            lambda: EncoderLayer(c.width, c.heads, c.feed_forward, c.dropout, c.pre_norm), c.layers, c.width
        )
        self.decoder = SkipStack(lambda: layer(c.width, heads, c.feed_forward, c.dropout, c.pre_norm), depth, c.width)
        self.final_layer = nn.Linear(c.width, features)

    def posterior(self, x_BTF: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents, each (B, K, D); T must be a multiple of the chunk."""
        mean, second = self.tokens(x_BTF)
        if self.config.spread == "log_variance":
            return mean, second
        return mean, 2 * torch.log(nn.functional.softplus(second) + MIN_SPREAD)

    def tokens(self, x_BTF: Tensor) -> tuple[Tensor, Tensor]:
        """What the encoder makes of its two learned tokens, each (B, K, D): the mean, and what tells the spread."""
        chunks = x_BTF.unflatten(1, (-1, self.config.chunk)).flatten(0, 1)
        tokens = self.global_motion_token.expand(len(chunks), -1, -1)
        encoded = self.encoder(self.query_pos_encoder(torch.cat((tokens, self.skel_embedding(chunks)), 1)))
        mean, second = encoded[:, 0], encoded[:, 1]
        return mean.unflatten(0, (len(x_BTF), -1)), second.unflatten(0, (len(x_BTF), -1))

    def decode(self, z_BKD: Tensor) -> Tensor:
        """(B, K, D) -> (B, K * chunk, F): zero queries, one per frame, look at the latents of the window."""
        frames = z_BKD.shape[1] * self.config.chunk
        queries = z_BKD.new_zeros(len(z_BKD), frames, z_BKD.shape[2])
        if self.config.architecture == "all_encoder":
            return self.final_layer(self._decode_as_one(z_BKD, queries))
        hidden = self.hidden(z_BKD.shape[1], z_BKD.device)
        return self.final_layer(self.decoder(self.query_pos_decoder(queries), self.mem_pos_decoder(z_BKD), hidden))

    def _decode_as_one(self, z_BKD: Tensor, queries_BTD: Tensor) -> Tensor:
        """Latents and queries as one sequence. Its positions hold the latents as well, as in released code: every
        layer's queries and keys count their content once more.
        """
        sequence = torch.cat((z_BKD, queries_BTD), 1)
        return self.decoder(sequence, self.query_pos_decoder(sequence))[:, -queries_BTD.shape[1] :]

    def hidden(self, slots: int, device: torch.device) -> Tensor | None:
        """(T, K) True where a frame may not look at a latent."""
        if self.config.memory_span is None:
            return None
        own_slot = torch.arange(slots * self.config.chunk, device=device) // self.config.chunk
        return (own_slot[:, None] - torch.arange(slots, device=device)).abs() > self.config.memory_span

    @torch.no_grad()
    def start_at(self, x_BTF: Tensor) -> None:
        """Initialise the first and last linear so that features enter centred and scaled, and leave around their mean.

        One scale for all channels: channels that only carry noise would otherwise weigh as much as the others.
        """
        mean = x_BTF.mean((0, 1))
        scale = (x_BTF - mean).square().mean().sqrt().clamp(min=1e-4)
        self.skel_embedding.weight.div_(scale)
        self.skel_embedding.bias.copy_(-self.skel_embedding.weight @ mean)
        self.final_layer.weight.mul_(scale)
        self.final_layer.bias.copy_(mean)
