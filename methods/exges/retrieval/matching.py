"""Do this sound and this motion belong together? The head that looks at both at once, after the method's figure:
self-attention, attention to the sound, feed-forward over tokens of motion. Legend as in `encoders.py`.
"""

from torch import Tensor, nn

from gesturebench.methods.exges.retrieval.config import NetworkConfig
from gesturebench.methods.exges.retrieval.encoders import pooled


class MatchingHead(nn.Module):
    """Tokens of motion and sound -> (B, 2) logits; 1 is a match."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.pooling = config.pooling
        layer = nn.TransformerDecoderLayer(
            config.width, config.heads, config.hidden, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.fusion = nn.TransformerDecoder(layer, config.fusion_layers, nn.LayerNorm(config.width))
        self.judge = nn.Linear(config.width, 2)

    def forward(self, motion_BTW: Tensor, motion_mask_BT: Tensor, audio_BTW: Tensor, audio_mask_BT: Tensor) -> Tensor:
        fused = self.fusion(
            motion_BTW, audio_BTW, tgt_key_padding_mask=~motion_mask_BT, memory_key_padding_mask=~audio_mask_BT
        )
        return self.judge(pooled(fused, motion_mask_BT, self.pooling))
