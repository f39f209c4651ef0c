"""Generation: a batch of speeches goes through its windows in step, each continuing where the previous one ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.checkpoint import load_weights
from gesturebench.common.codecs.part_codec import PartCodecs, PartWindows
from gesturebench.common.corpus.clip import Motion, Speech
from gesturebench.common.corpus.store import ClipStore
from gesturebench.common.corpus.windows import Window
from gesturebench.common.device import device
from gesturebench.common.motion.parts import motion_from_six, six_from_parts
from gesturebench.common.motion.resample import upsample
from gesturebench.common.motion.seams import Frames, blended, window_starts
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.retrieval.database import STORE_FPS, Database, excerpt
from gesturebench.common.seeds import torch_generator
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.conditions import SpeechConditions
from gesturebench.methods.rag_gesture.config import RagGestureConfig
from gesturebench.methods.rag_gesture.fitting import build_denoiser
from gesturebench.methods.rag_gesture.inversions import Inversions
from gesturebench.methods.rag_gesture.placement import Grid, Placement, place
from gesturebench.methods.rag_gesture.sampler import Carry, Insertion, LatentSampler
from gesturebench.methods.rag_gesture.strategies import strategy


class Generator:
    """Trained RAG-Gesture."""

    def __init__(self, config: RagGestureConfig, artifacts: Mapping[str, Path], store: ClipStore):
        self.config, self._store = config, store
        codec = config.codec
        self._codecs = PartCodecs(codec, {part: artifacts[f"vae_{part}"] for part in PART_NAMES})
        denoiser, self._layout = build_denoiser(config)
        load_weights(denoiser.requires_grad_(False), artifacts["denoiser"])
        self._sampler = LatentSampler(denoiser.to(device()), config.sampling)
        self._grid = Grid(codec.frames, codec.fps, codec.vae.chunk)
        self._step = STORE_FPS // codec.fps
        self._carried = config.overlap // codec.vae.chunk
        self._strategy = strategy(config.retrieval, self._database())
        windows = PartWindows(store, "train", codec)
        self._inversions = Inversions(self._sampler, self._codecs, self._layout, store, windows, config)

    def _database(self) -> Database | None:
        retrieval, length = self.config.retrieval, self.config.codec.frames * self._step
        if retrieval.strategy == "none":
            return None
        oracle = retrieval.strategy == "positions"
        return Database(self._store, "train", length=length, stride=retrieval.window_stride * self._step, oracle=oracle)

    def batch(self, speeches: Sequence[Speech], seed: int) -> list[Motion]:
        """One motion per speech; a sample depends on (seed, clip id) alone."""
        told = [SpeechConditions(speech, self.config.conditions) for speech in speeches]
        totals = [max(1, -(-speech.n_frames(STORE_FPS) // self._step)) for speech in speeches]
        starts = [window_starts(total, self._grid.frames, self.config.overlap) for total in totals]
        decoded: list[list[Frames]] = [[] for _ in speeches]
        latest: dict[int, Tensor] = {}
        for k in range(max(map(len, starts))):
            rows = [row for row in range(len(speeches)) if k < len(starts[row])]
            latents = self._window(
                [speeches[r] for r in rows],
                [told[r] for r in rows],
                starts[rows[0]][k],
                seed,
                [latest.get(r) for r in rows],
            )
            frames = self._decode(latents)
            for position, row in enumerate(rows):
                latest[row] = latents[position]
                decoded[row].append(tuple(part[position] for part in frames))
        return [self._motion(speech, windows) for speech, windows in zip(speeches, decoded, strict=True)]

    def _window(
        self, speeches: list[Speech], told: list[SpeechConditions], start: int, seed: int, previous: list[Tensor | None]
    ) -> Tensor:
        """Latents (B, T, L) of the window that starts at frame `start` of every speech."""
        length = self._grid.frames * self._step
        conditioned = conditions.joined([t.window(start * self._step, length) for t in told])
        draws = [torch_generator("rag_gesture", seed, speech.clip_id, start) for speech in speeches]
        shape = (self._layout.tokens, self.config.codec.vae.width)
        noise = torch.stack([torch.randn(shape, generator=draw) for draw in draws])
        changes = []
        placements = [
            self._placements(speech, Window(speech.clip_id, start * self._step, length), seed) for speech in speeches
        ]
        if any(placements):
            insertion = self._insertion(placements)
            noise = insertion.initialise(noise)
            if self.config.guidance.mode == "paper":
                changes.append(insertion.guidance(self.config.guidance))
        if self._carried and previous[0] is not None:
            changes.append(self._carry(torch.stack(previous), draws))
        return self._sampler.sample(noise, conditioned, changes)

    def _placements(self, speech: Speech, window: Window, seed: int) -> list[Placement]:
        hits = self._strategy(excerpt(speech, window), seed)
        pads = self.config.retrieval.pad_before_s, self.config.retrieval.pad_after_s
        return place(hits, self._grid, *pads)

    def _insertion(self, placements: list[list[Placement]]) -> Insertion:
        self._inversions.prepare([p.window for row in placements for p in row])
        steps, tokens, width = len(self._sampler.schedule) + 1, self._layout.tokens, self.config.codec.vae.width
        levels = torch.zeros(steps, len(placements), tokens, width)
        mask = torch.zeros(len(placements), tokens, 1, dtype=torch.bool)
        for row, placed in enumerate(placements):
            for p in placed:
                target = self._layout.tokens_of(*p.target)
                levels[:, row, target] = self._inversions.tokens(p.window, self._layout.tokens_of(*p.source))
                mask[row, target] = True
        return Insertion(levels, mask)

    def _carry(self, previous_BTL: Tensor, draws: list[torch.Generator]) -> Carry:
        """The last slots of every part of the previous window, to stand at the first slots of this one."""
        slots = self._layout.slots
        target = self._layout.tokens_of(0, self._carried, PART_NAMES)
        latents, mask = (
            torch.zeros_like(previous_BTL),
            torch.zeros(len(previous_BTL), self._layout.tokens, 1, dtype=torch.bool),
        )
        latents[:, target] = previous_BTL[:, self._layout.tokens_of(slots - self._carried, slots, PART_NAMES)]
        mask[:, target] = True
        shape = (len(self._sampler.schedule), len(target), previous_BTL.shape[-1])
        noise = torch.zeros(shape[0], *previous_BTL.shape)
        noise[:, :, target] = torch.stack([torch.randn(shape, generator=draw) for draw in draws], 1)
        return Carry(latents, mask, noise, self._sampler.schedule)

    def _decode(self, latents_BTL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = dict(zip(PART_NAMES, self._layout.split(latents_BTL), strict=True))
        return six_from_parts(self._codecs.decode(parts))

    def _motion(self, speech: Speech, windows: list[Frames]) -> Motion:
        motion = motion_from_six(
            *blended(windows, self.config.overlap), self._shape(speech.speaker), self.config.codec.fps
        )
        return upsample(motion, STORE_FPS, speech.n_frames(STORE_FPS))

    def _shape(self, speaker: int) -> np.ndarray:
        """Body shape of the speaker in the training split; zeros for a speaker who is not in it."""
        for clip_id in self._store.split("train"):
            if clip_id.split("_")[0] == str(speaker):
                return self._store.motion(clip_id).betas
        return np.zeros(300, np.float32)
