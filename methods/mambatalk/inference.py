"""Speeches of any length through overlapping windows, each of which begins with the last frames of the one before (Xu
et al. 2024).

Only the body waits for the window before. Speech is heard, and faces are made, for many windows at once; those of one
speech together, so that a sample does not depend on which speeches share its batch.

Legend: B speeches, W windows of one speech, T frames of a window, M motion channels, A speech width, D hidden width.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.corpus.clip import Motion
from gesturebench.common.nn.packed import lay_out
from gesturebench.methods.mambatalk.channels import Channels
from gesturebench.methods.mambatalk.config import MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder
from gesturebench.methods.mambatalk.losses import all_but_seed
from gesturebench.methods.mambatalk.network import WAVE_FEATURES, Heard, Network, Prediction
from gesturebench.methods.mambatalk.windows import Plan, heard_samples, planned


class Track:
    """One speech on its way: its channels, word rows (T,) of all frames, speaker, the frames (n, M) it starts with and
    where it stands then. What was heard and chosen for its windows so far is kept here.
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
        self.plan: Plan = planned(len(words), config.network, config.generation.tail)
        self._words, self._network, self._hop = words, config.network, config.generation.audio_hop
        self.heard: list[Heard] = []
        self.hints: list[Tensor] = []
        self.chosen: dict[str, list[Tensor]] = {}

    def told(self, k: int) -> tuple[Tensor, Tensor]:
        """Channels (S, 3) and word rows (T,) of the k-th window; silence and the last row behind the end."""
        start, length = self.plan.start(k), self._network.window
        piece = self.channels.piece(*heard_samples(start, self._network, self._hop))
        frames = np.arange(start, start + length).clip(max=len(self._words) - 1)
        return torch.from_numpy(piece), torch.from_numpy(self._words[frames])

    def keep(self, chosen: dict[str, Tensor]) -> None:
        """What was chosen for the frames (T, ...) of the next window of some parts."""
        for part, x in chosen.items():
            self.chosen.setdefault(part, []).append(x)

    def windows(self) -> dict[str, Tensor]:
        """What was chosen in all windows, (W, T) or (W, T, F) by part."""
        return {part: torch.stack(windows) for part, windows in self.chosen.items()}


class Talker:
    """A trained network at inference."""

    def __init__(self, network: Network, decoder: Decoder, config: MambaTalkConfig):
        """Norms are folded and weights laid out anew: `network` is not to be trained or saved afterwards."""
        self._network, self._decoder, self._config = network.eval().requires_grad_(False), decoder, config
        for branch in WAVE_FEATURES:
            name = f"audio_pre_encoder_{branch}"
            network.add_module(name, network.get_submodule(name).folded())
        lay_out(network)
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def walk(self, tracks: Sequence[Track], alive: Callable[[], None] = lambda: None) -> None:
        """Choose what every part does in every window of all tracks; `alive` is called now and then."""
        for track in tracks:
            self._hear(track, alive)
        for k in range(max(track.plan.windows for track in tracks)):
            self._step([track for track in tracks if k < track.plan.windows], k)
            alive()
        for track in tracks:
            self._face(track)

    def motion(self, track: Track, betas: np.ndarray | None) -> Motion:
        return self._decoder.motion(track.windows(), track.plan.frames, betas, track.start_xz)

    def _hear(self, track: Track, alive: Callable[[], None]) -> None:
        for some in self._groups(track):
            audio, words = zip(*(track.told(k) for k in some), strict=True)
            heard = self._network.hear(torch.stack(audio).to(self._device), torch.stack(words).to(self._device))
            track.heard += [Heard(face, body) for face, body in zip(heard.face, heard.body, strict=True)]
            alive()

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
            track.seed = seeds[row]
            track.hints.append(hint[row])
            track.keep({part: x[row] for part, x in chosen.items()})

    def _predicted(self, tracks: Sequence[Track], k: int, hint_BTC: Tensor) -> Prediction:
        """Of the body."""
        scan, speaker = self._network.global_scan, self._network.speaker_encoder_body(self._speakers(tracks))
        heard = torch.stack([track.heard[k].body for track in tracks])
        motion = scan.motion(hint_BTC, scan.speaker(speaker))
        return self._network.scored(self._network.local_scan.body(motion, speaker, heard))

    def _face(self, track: Track) -> None:
        for some in self._groups(track):
            for row in self._decoder.chosen(self._predicted_face(track, some))["face"]:
                track.keep({"face": row})

    def _predicted_face(self, track: Track, some: Sequence[int]) -> Prediction:
        """Of some windows of a speech."""
        scan, speaker = self._network.global_scan, self._network.speaker_encoder_face(self._speakers([track]))
        heard = scan.heard(torch.stack([track.heard[k].face for k in some]))
        features = scan.features(torch.stack([track.hints[k] for k in some]), heard)
        return self._network.scored({"face": self._network.local_scan.face(features, speaker)})

    def _groups(self, track: Track) -> Iterator[range]:
        """The windows of a speech, a few at a time."""
        windows, size = track.plan.windows, self._config.generation.together
        return (range(first, min(first + size, windows)) for first in range(0, windows, size))

    def _speakers(self, tracks: Sequence[Track]) -> Tensor:
        """(B, 1)."""
        return torch.tensor([[track.speaker] for track in tracks], device=self._device)
