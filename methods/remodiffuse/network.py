"""The denoiser and what makes it listen to speech (remodiffuse, 12.2).

Legend: B windows, N text tokens, M audio tokens, T frames, A audio channels, L prompt width, D network width, E time
width, k retrieved samples.
"""

import torch
from torch import Tensor, nn

from gesturebench.common.nn.positions import sinusoid
from gesturebench.methods.remodiffuse.conditions import Conditions, audio_width
from gesturebench.methods.remodiffuse.config import RemodiffuseConfig
from gesturebench.methods.remodiffuse.denoiser import Denoiser
from gesturebench.methods.remodiffuse.motion import FPS, motion_width
from gesturebench.methods.remodiffuse.patches import patched, patched_mask, unpatched
from gesturebench.methods.remodiffuse.retrieval_encoders import Retrieved
from gesturebench.methods.remodiffuse.samples import Samples

SMALL = 0.02
"""Spread of tables that are added to something that has a meaning already."""


class Network(nn.Module):
    """x0 from noisy motion, speech and retrieved samples; a token of the denoiser is a patch of frames, or one.

    `text` and `captions` are the widths of the tokens of prompt and retrieved phrases.
    """

    def __init__(self, config: RemodiffuseConfig, *, text: int, captions: int):
        super().__init__()
        told, sizes, audio = config.conditions, config.denoiser, audio_width(config.conditions)
        frames, self.patch = config.motion.frames, config.motion.patch
        features, tokens = self.patch * motion_width(config.motion.expressions), frames // self.patch
        self.denoiser = Denoiser(sizes, features=features, frames=tokens, text=text, captions=captions)
        if config.motion.positions == "sinusoid":
            for table in (self.denoiser.sequence_embedding, self.denoiser.database.motion_pos_embedding):
                table.data.copy_(sinusoid(tokens, sizes.width))
        self.pool = FPS // told.token_fps
        self.has_tokens, self.has_frames = told.has_tokens, told.has_frames
        if self.has_tokens:
            self.audio_tokens = nn.Linear(audio, sizes.prompt_width)
            self.audio_positions = nn.Parameter(SMALL * torch.randn(frames // self.pool, sizes.prompt_width))
            self.modality = nn.Parameter(SMALL * torch.randn(2, sizes.prompt_width))
        if self.has_frames:
            self.audio_frames = nn.Linear(self.patch * audio, sizes.width, bias=False)
            nn.init.zeros_(self.audio_frames.weight)
        self.speakers = nn.Embedding(told.speakers, sizes.time_width) if told.speaker == "always" else None
        if self.speakers is not None:
            nn.init.normal_(self.speakers.weight, std=SMALL)

    def prompt(self, told: Conditions) -> Tensor:
        """(B, N + M, L): text and audio tokens side by side through the prompt's encoder."""
        if not self.has_tokens:
            return self.denoiser.encode_prompt(told.text)
        pooled = told.audio[:, : len(self.audio_positions) * self.pool].unflatten(1, (-1, self.pool)).mean(2)
        text = self.denoiser.text_pre_proj(told.text) + self.modality[0]
        audio = self.audio_tokens(pooled) + self.audio_positions + self.modality[1]
        return self.denoiser.encode_rows(torch.cat((text, audio), 1))

    def extra(self, told: Conditions) -> Tensor | None:
        """(B, T / p, D) that speech adds to the embedded tokens, None where it adds nothing."""
        return self.audio_frames(patched(told.audio, self.patch)) if self.has_frames else None

    def style(self, told: Conditions) -> Tensor | None:
        """(B, E) of the speakers, None where they are not told."""
        return self.speakers(told.speaker) if self.speakers is not None else None

    def retrieved(self, samples: Samples) -> Retrieved:
        motion, mask = patched(samples.motion, self.patch), patched_mask(samples.mask, self.patch)
        return self.denoiser.database(motion, mask, samples.tokens)

    def forward(
        self,
        x_BTF: Tensor,
        t_B: Tensor,
        told: Conditions,
        samples: Samples | None,
        speech_B: Tensor,
        retrieval_B: Tensor,
        mask_BT: Tensor,
    ) -> Tensor:
        """Predicted x0; rows with flag 0 are not told of their speech, or of what was retrieved."""
        extra = self.extra(told)
        if extra is not None:
            extra = extra * speech_B[:, None, None].to(extra)
        retrieved = self.retrieved(samples) if samples is not None else None
        x, mask, style = patched(x_BTF, self.patch), patched_mask(mask_BT, self.patch), self.style(told)
        x0 = self.denoiser(x, t_B, self.prompt(told), retrieved, speech_B, retrieval_B, mask, extra, style)
        return unpatched(x0, self.patch)
