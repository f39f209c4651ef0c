"""What both scan modules of MambaTalk are built of. Legend: B batch, T frames, D width."""

from torch import Tensor, nn

from gesturebench.methods.mambatalk.config import NetworkConfig

SLOPE = 0.2


class MLP(nn.Module):
    """linear(LeakyReLU(linear x))."""

    def __init__(self, width_in: int, hidden: int, width_out: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width_in, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, width_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


def attention_encoder(c: NetworkConfig) -> nn.TransformerEncoder:
    """One layer of self-attention and feed-forward, each followed by its norm."""
    layer = nn.TransformerEncoderLayer(c.hidden, c.heads, c.hidden, c.dropout, batch_first=True)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


def attention_decoder(c: NetworkConfig) -> nn.TransformerDecoder:
    """Layers of self-attention, attention to a memory, and feed-forward."""
    layer = nn.TransformerDecoderLayer(c.hidden, c.heads, c.hidden, c.dropout, batch_first=True)
    return nn.TransformerDecoder(layer, c.cross_layers)
