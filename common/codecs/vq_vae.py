"""Convolutional part codecs: motion of one body part <-> one latent per frame, with or without a codebook (EMAGE, Liu
et al. 2024, sec. 4.1; MambaTalk uses the same networks).

Legend: B batch, T frames, F features per frame, D latent width. Time is not down-sampled, and any length is accepted;
zero padding makes the ends of a piece differ from the same frames inside a longer one. Parameter names are those of the
published checkpoints.
"""

from itertools import pairwise

from torch import Tensor, nn

from gesturebench.common.codecs.vector_quantizer import Quantised, VectorQuantizer
from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig

SLOPE = 0.2


def _convolution(features_in: int, features_out: int) -> nn.Conv1d:
    """Kernel 3, length kept; Xavier normal weights, no bias at first."""
    layer = nn.Conv1d(features_in, features_out, 3, padding=1)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """x + conv(LeakyReLU(conv x)) on (B, D, T)."""

    def __init__(self, width: int):
        super().__init__()
        self.model = nn.Sequential(_convolution(width, width), nn.LeakyReLU(SLOPE), _convolution(width, width))

    def forward(self, x_BDT: Tensor) -> Tensor:
        return x_BDT + self.model(x_BDT)


class ConvEncoder(nn.Module):
    """(B, T, F) -> (B, T, D): per layer a convolution, LeakyReLU and a residual block.

    A frame sees 3 * layers frames on either side.
    """

    def __init__(self, features: int, config: ConvConfig):
        super().__init__()
        widths = [features] + [config.width] * config.layers
        layers = []
        for width_in, width_out in pairwise(widths):
            layers += [_convolution(width_in, width_out), nn.LeakyReLU(SLOPE), ResidualBlock(width_out)]
        self.main = nn.Sequential(*layers)

    def forward(self, x_BTF: Tensor) -> Tensor:
        return self.main(x_BTF.transpose(1, 2)).transpose(1, 2)


class ConvDecoder(nn.Module):
    """(B, T, D) -> (B, T, F): two residual blocks, per layer a convolution and LeakyReLU, and a last convolution.

    As published, the last LeakyReLU acts on the features already: their negative part reaches the output scaled down.
    """

    def __init__(self, features: int, config: ConvConfig):
        super().__init__()
        widths = [config.width] * config.layers + [features]
        layers: list[nn.Module] = [ResidualBlock(config.width), ResidualBlock(config.width)]
        for width_in, width_out in pairwise(widths):
            layers += [_convolution(width_in, width_out), nn.LeakyReLU(SLOPE)]
        self.main = nn.Sequential(*layers, _convolution(features, features))
        self.reach = 5 + config.layers
        """How many frames on either side a decoded frame depends on."""

    def forward(self, z_BTD: Tensor) -> Tensor:
        return self.main(z_BTD.transpose(1, 2)).transpose(1, 2)


class ConvAutoencoder(nn.Module):
    """Encoder and decoder without a codebook; maps lower-body motion to global motion.

    >>> import torch
    >>> ConvAutoencoder(61, ConvConfig(width=8, layers=4))(torch.zeros(2, 20, 61)).shape
    torch.Size([2, 20, 61])
    """

    def __init__(self, features: int, config: ConvConfig):
        super().__init__()
        self.encoder, self.decoder = ConvEncoder(features, config), ConvDecoder(features, config)

    def forward(self, x_BTF: Tensor) -> Tensor:
        return self.decoder(self.encoder(x_BTF))


class VQVAE(nn.Module):
    """Encoder, one codebook, decoder: one code per frame.

    >>> import torch
    >>> codec = VQVAE(78, VQConfig(width=8, codes=16))
    >>> index = codec.indices(torch.zeros(2, 20, 78))
    >>> index.shape, codec.decode_indices(index).shape
    (torch.Size([2, 20]), torch.Size([2, 20, 78]))
    """

    def __init__(self, features: int, config: VQConfig):
        super().__init__()
        self.config = config
        self.encoder, self.decoder = ConvEncoder(features, config), ConvDecoder(features, config)
        self.quantizer = VectorQuantizer(config.codes, config.width, config.commitment)

    def indices(self, x_BTF: Tensor) -> Tensor:
        """(B, T, F) -> (B, T) int64."""
        return self.quantizer.indices(self.encoder(x_BTF))

    def latent(self, x_BTF: Tensor) -> Tensor:
        """(B, T, F) -> (B, T, D): codes of the motion, without gradients to the encoder."""
        return self.quantizer.snapped(self.encoder(x_BTF))

    def decode_indices(self, index_BT: Tensor) -> Tensor:
        """(B, T) -> (B, T, F)."""
        return self.decoder(self.quantizer.codes(index_BT))

    def decode_latent(self, z_BTD: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, F) by way of the nearest codes."""
        return self.decoder(self.quantizer.snapped(z_BTD))

    def forward(self, x_BTF: Tensor) -> tuple[Tensor, Quantised]:
        """Reconstruction (B, T, F), and the codes with their loss."""
        quantised = self.quantizer(self.encoder(x_BTF))
        return self.decoder(quantised.latent), quantised
