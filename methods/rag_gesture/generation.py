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
from gesturebench.common.device import device
from gesturebench.common.diffusion.mixture import ConditionMixture
from gesturebench.common.diffusion.respacing import kept_timesteps
from gesturebench.common.features.preparing import refuse_store_without_tokens
from gesturebench.common.motion.parts import six_from_parts
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.seeds import numpy_generator, torch_generator
from gesturebench.methods.rag_gesture import conditions
from gesturebench.methods.rag_gesture.config import GuidanceConfig, RagGestureConfig
from gesturebench.methods.rag_gesture.fitting import build_denoiser
from gesturebench.methods.rag_gesture.inversions import Inversions
from gesturebench.methods.rag_gesture.placement import Placement
from gesturebench.methods.rag_gesture.retriever import Retriever
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from gesturebench.methods.rag_gesture.steering import Insertion, Outpainting, carried, steered
from gesturebench.methods.rag_gesture.track import Track


class Generator:
    """Trained RAG-Gesture."""

    def __init__(self, config: RagGestureConfig, artifacts: Mapping[str, Path], store: ClipStore, retriever: Retriever):
        self.config, self._store = config, store
        refuse_store_without_tokens(store, config.conditions.encoding)
        codec = config.codec
        self._codecs = PartCodecs(codec, {part: artifacts[f"vae_{part}"] for part in PART_NAMES})
        denoiser, self._layout = build_denoiser(config)
        load_weights(denoiser.requires_grad_(False), artifacts["denoiser"])
        mixture = None
        if config.mixture is not None:
            mixture = ConditionMixture(config.mixture, kept_timesteps(config.sampling.sections))
        self._sampler = LatentSampler(denoiser.to(device()), config.sampling, config.compute, mixture)
        self._carried = config.overlap // codec.vae.chunk
        self._retriever = retriever
        self._guidance = config.guidance if config.retrieval.strategy != "none" else GuidanceConfig(mode="none")
        windows = PartWindows(store, "train", codec)
        self._inversions = Inversions(self._sampler, self._codecs, self._layout, store, windows, config)

    def batch(self, speeches: Sequence[Speech], seed: int) -> list[Motion]:
        """One motion per speech; a sample depends on (seed, clip id) alone."""
        tracks = [Track(speech, self.config, self._shape(speech.speaker)) for speech in speeches]
        for k in range(max(len(track.starts) for track in tracks)):
            going = [track for track in tracks if k < len(track.starts)]
            latents = self._window(going, k, seed)
            frames = self._decode(latents)
            for row, track in enumerate(going):
                track.add(latents[row], tuple(part[row] for part in frames))
        return [track.motion() for track in tracks]

    def _window(self, tracks: Sequence[Track], k: int, seed: int) -> Tensor:
        """Latents (B, T, L) of the k-th window of every track."""
        axes = [("rag_gesture", seed, track.speech.clip_id, track.starts[k]) for track in tracks]
        draws = [torch_generator(*names) for names in axes]
        shape = (self._layout.tokens, self.config.codec.vae.width)
        noise = torch.stack([torch.randn(shape, generator=draw) for draw in draws])
        carry = self._carry([track.latest for track in tracks], draws) if k and self._carried else None
        placements = [self._placements(track, k, seed) for track in tracks]
        insertion = fresh = None
        if any(placements):
            insertion = self._insertion(placements)
            if self._guidance.mode in ("released", "inpainting"):
                steps = (len(self._sampler.schedule), *shape)
                own = [torch_generator(*names, "insertion") for names in axes]
                fresh = torch.stack([torch.randn(steps, generator=draw) for draw in own], 1)
        noise, changes = steered(
            noise, self._sampler.schedule, self._guidance, insertion=insertion, carry=carry, fresh_SBTL=fresh
        )
        told = conditions.joined([track.told(k) for track in tracks])
        if self._sampler.mixture is None:
            return self._sampler.sample(noise, told, changes)
        alone = None
        if insertion is not None:
            _, alone = steered(noise, self._sampler.schedule, self._guidance, carry=carry)
        coins = self._sampler.mixture.coins(numpy_generator("rag_gesture coins", seed, k))
        return self._sampler.sample_mixed(noise, told, changes, alone, coins)

    def _placements(self, track: Track, k: int, seed: int) -> list[Placement]:
        return self._retriever.placements(track.speech, track.window(k), seed)

    def _insertion(self, placements: list[list[Placement]]) -> Insertion:
        """What was placed in each window, inverted where the mode asks for it."""
        levels_of = self._inversions.clean
        if self._guidance.mode != "inpainting":
            self._inversions.prepare([p.window for row in placements for p in row])
            levels_of = self._inversions.tokens
        tokens_of = self._layout.tokens_of
        rows = [[(tokens_of(*p.target), levels_of(p.window, tokens_of(*p.source))) for p in row] for row in placements]
        return Insertion.placed(rows, self._layout.tokens)

    def _carry(self, previous: list[Tensor], draws: list[torch.Generator]) -> Outpainting:
        """The end of the previous windows (T, L), to stand at the start of these."""
        latents, mask = carried(torch.stack(previous), self._layout, self._carried)
        target = mask[0, :, 0]
        shape = (len(self._sampler.schedule), int(target.sum()), latents.shape[-1])
        noise = torch.zeros(shape[0], *latents.shape)
        noise[:, :, target] = torch.stack([torch.randn(shape, generator=draw) for draw in draws], 1)
        return Outpainting(latents, mask, noise, self._sampler.schedule)

    def _decode(self, latents_BTL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = dict(zip(PART_NAMES, self._layout.split(latents_BTL), strict=True))
        return six_from_parts(self._codecs.decode(parts))

    def _shape(self, speaker: int) -> np.ndarray:
        """Body shape of the speaker in the training split; zeros for a speaker who is not in it."""
        for clip_id in self._store.split("train"):
            if clip_id.split("_")[0] == str(speaker):
                return self._store.motion(clip_id).betas
        return np.zeros(300, np.float32)
