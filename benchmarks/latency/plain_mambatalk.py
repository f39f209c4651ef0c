"""MambaTalk's generation, plainly: one window after another, each heard, moved and seen whole, norms as they were
trained. What it computes is what the paper says; nothing is kept, batched or folded.
"""

import torch
from torch import Tensor

from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder
from gesturebench.methods.mambatalk.inference import Track
from gesturebench.methods.mambatalk.losses import all_but_seed
from gesturebench.methods.mambatalk.network import Network


@torch.inference_mode()
def plain_walk(network: Network, decoder: Decoder, track: Track, config: MambaTalkConfig) -> dict[str, Tensor]:
    """What is chosen in every window of one speech, (W, T) by part."""
    seed, chosen = track.seed, {}
    for k in range(track.plan.windows):
        audio, words = (x[None] for x in track.told(k))
        motion = torch.zeros(1, config.network.window, seed.shape[-1])
        motion[:, : len(seed)] = seed
        speaker = torch.full(words.shape, track.speaker)
        found = decoder.chosen(network(audio, words, speaker, motion, all_but_seed(motion, len(seed))))
        seed = decoder.seed(found, torch.tensor([track.start_xz]))[0]
        for part, x in found.items():
            chosen.setdefault(part, []).append(x[0])
    return {part: torch.stack(windows) for part, windows in chosen.items()}
