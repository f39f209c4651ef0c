"""Speeches of any length through overlapping windows, each of which begins with frames of the one before (Xu
et al. 2024).

Only the body waits for the window before. Speech is heard, and faces are made, for several windows at once; those of
one speech together, so that a sample does not depend on which speeches share its batch. While the body walks through
some windows, the speech of the next ones is heard and the faces of the last ones are made; on a CPU side by side.

Legend: B speeches, W windows of one speech, T frames of a window, M motion channels, A speech width, D hidden width.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.nn.fast_convolution import hasten
from gesturebench.common.nn.packed import lay_out
from gesturebench.common.threads import spread
from gesturebench.methods.mambatalk.attention import Attention
from gesturebench.methods.mambatalk.channels import Channels
from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder
from gesturebench.methods.mambatalk.losses import all_but_seed
from gesturebench.methods.mambatalk.network import WAVE_FEATURES, Network, Prediction
from gesturebench.methods.mambatalk.windows import Plan, grouped, heard_samples, planned

Task = Callable[[], None]


class Track:
    """One speech on its way: its channels, word rows (T,) of all frames, speaker, the frames (n, M) it starts with and
    where it stands then. What was chosen for its windows so far is kept here, and what was heard and hinted at until
    it was used; by window.
    """

    def __init__(
        self,
        channels: Channels,
        words: np.ndarray,
        speaker: int,
        seed_NM: Tensor,
        start_xz: tuple[float, float],
        config: MambaTalkConfig,
    ):
        self.channels, self.speaker, self.seed, self.start_xz = channels, speaker, seed_NM, start_xz
        self.plan: Plan = planned(len(words), config.network, config.generation)
        self._words, self._network, self._hop = words, config.network, config.generation.audio_hop
        self.heard: dict[str, dict[int, Tensor]] = {branch: {} for branch in WAVE_FEATURES}
        self.hints: dict[int, Tensor] = {}
        self.chosen: dict[str, dict[int, Tensor]] = {}

    def told(self, k: int) -> tuple[Tensor, Tensor]:
        """Channels (S, 3) and word rows (T,) of the k-th window; silence and the last row behind the end."""
        start, length = self.plan.start(k), self._network.window
        piece = self.channels.piece(*heard_samples(start, self._network, self._hop))
        frames = np.arange(start, start + length).clip(max=len(self._words) - 1)
        return torch.from_numpy(piece), torch.from_numpy(self._words[frames])

    def keep(self, k: int, chosen: dict[str, Tensor]) -> None:
        """What was chosen for the frames (T, ...) of some parts in the k-th window."""
        for part, x in chosen.items():
            self.chosen.setdefault(part, {})[k] = x

    def windows(self) -> dict[str, Tensor]:
        """What was chosen in all windows, (W, T) or (W, T, F) by part."""
        return {part: torch.stack([found[k] for k in sorted(found)]) for part, found in self.chosen.items()}

    def own(self, windows: range) -> range:
        """Those of these windows that it has."""
        return range(windows.start, min(windows.stop, self.plan.windows))


class Talker:
    """A trained network at inference."""

    def __init__(self, network: Network, decoder: Decoder, config: MambaTalkConfig):
        """Norms are folded and weights laid out anew: `network` is not to be trained or saved afterwards."""
        self._network, self._decoder, self._config = network.eval().requires_grad_(False), decoder, config
        for branch in WAVE_FEATURES:
            name = f"audio_pre_encoder_{branch}"
            network.add_module(name, network.get_submodule(name).folded())
        lay_out(network)
        hasten(network.global_scan.motion_encoder)
        local = network.local_scan
        self._speaker_rows: dict[int, Tensor] = {}
        self._attention = Attention(local.motion_cross_attn.layers, local.body_proj)
        self._device = next(network.parameters()).device

    def walk(self, tracks: Sequence[Track], alive: Callable[[], None] = lambda: None) -> None:
        """Choose what every part does in every window of all tracks; `alive` is called between groups of windows."""
        groups = grouped(max(track.plan.windows for track in tracks), self._config.generation.together)
        none = range(0)
        for before, now, after in zip([none, none, *groups], [none, *groups, none], [*groups, none, none], strict=True):
            body = [partial(self._steps, tracks, now)] if now else []
            self._side_by_side([*body, *self._hearing(tracks, after), *self._facing(tracks, before)])
            alive()

    def motion(self, track: Track, betas: np.ndarray | None) -> Motion:
        return self._decoder.motion(track.windows(), track.plan.frames, betas, track.start_xz)

    def _side_by_side(self, tasks: Sequence[Task]) -> None:
        spread([torch.inference_mode()(task) for task in tasks], self._device.type)

    def _hearing(self, tracks: Sequence[Track], windows: range) -> list[Task]:
        each = ((track, track.own(windows)) for track in tracks)
        return [partial(self._hear, branch, track, own) for track, own in each if own for branch in WAVE_FEATURES]

    def _hear(self, branch: str, track: Track, windows: range) -> None:
        """The face keeps what it heard, the body keys and values of it."""
        audio, words = (torch.stack(rows).to(self._device) for rows in zip(*map(track.told, windows), strict=True))
        heard = self._network.heard(branch, audio, words)
        rows = self._attention.memory(heard) if branch == "body" else heard
        track.heard[branch].update(zip(windows, rows, strict=True))

    def _steps(self, tracks: Sequence[Track], windows: range) -> None:
        for k in windows:
            self._step([track for track in tracks if k < track.plan.windows], k)

    def _step(self, tracks: Sequence[Track], k: int) -> None:
        """The k-th window of the body of some speeches. A speaker is one row: it is the same at every frame."""
        seeds = torch.stack([track.seed for track in tracks]).to(self._device)
        motion = seeds.new_zeros(len(tracks), self._config.network.window, seeds.shape[-1])
        motion[:, : seeds.shape[1]] = seeds
        hint = self._network.global_scan.hint(motion, all_but_seed(motion, seeds.shape[1]))
        chosen = self._decoder.chosen(self._predicted(tracks, k, hint))
        start_xz = torch.tensor([track.start_xz for track in tracks], device=self._device)
        seeds = self._decoder.seed(chosen, start_xz)
        for row, track in enumerate(tracks):
            track.seed, track.hints[k] = seeds[row], hint[row]
            track.keep(k, {part: x[row] for part, x in chosen.items()})

    def _predicted(self, tracks: Sequence[Track], k: int, hint_BTC: Tensor) -> Prediction:
        """Of the body."""
        scan, local = self._network.global_scan, self._network.local_scan
        speaker = self._network.speaker_encoder_body(self._speakers(tracks))
        memory = torch.stack([track.heard["body"].pop(k) for track in tracks])
        motion = scan.motion(hint_BTC, torch.cat([self._speaker_row(track.speaker) for track in tracks]))
        attended = self._attention(local.position_embeddings(motion), memory)
        return self._network.scored(local.parts(motion + attended, speaker))

    def _speaker_row(self, speaker: int) -> Tensor:
        """(1, 1, D): what the query of motion is told of a speaker."""
        if speaker not in self._speaker_rows:
            row = self._network.speaker_encoder_body(torch.tensor([[speaker]], device=self._device))
            self._speaker_rows[speaker] = self._network.global_scan.speaker(row)
        return self._speaker_rows[speaker]

    def _facing(self, tracks: Sequence[Track], windows: range) -> list[Task]:
        middle = (windows.start + windows.stop) // 2
        halves = (range(windows.start, middle), range(middle, windows.stop))
        each = ((track, track.own(half)) for track in tracks for half in halves)
        return [partial(self._face, track, own) for track, own in each if own]

    def _face(self, track: Track, windows: range) -> None:
        for k, row in zip(windows, self._decoder.chosen(self._predicted_face(track, windows))["face"], strict=True):
            track.keep(k, {"face": row})

    def _predicted_face(self, track: Track, windows: range) -> Prediction:
        """Of some windows of a speech."""
        scan, speaker = self._network.global_scan, self._network.speaker_encoder_face(self._speakers([track]))
        heard = scan.heard(torch.stack([track.heard["face"].pop(k) for k in windows]))
        features = scan.features(torch.stack([track.hints.pop(k) for k in windows]), heard)
        return self._network.scored({"face": self._network.local_scan.face(features, speaker)})

    def _speakers(self, tracks: Sequence[Track]) -> Tensor:
        """(B, 1)."""
        return torch.tensor([[track.speaker] for track in tracks], device=self._device)
