"""Hidden states of wav2vec2, WavLM, HuBERT and their kin, at their own 50 rows per second or at motion frames.

Legend: S samples, P rows of the encoder, T motion frames, D width of the encoder.
"""

from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from gesturebench.common.corpus.clip import SAMPLE_RATE, Speech
from gesturebench.common.errors import InputError
from gesturebench.common.features.pretrained import Pretrained, load_model, passport
from gesturebench.common.features.waveform import standardised
from gesturebench.common.motion.resample import interpolated

BATCH = 16
"""Waves that are encoded together."""
MAY_MISS = ("masked_spec_embed", "wav2vec2.masked_spec_embed")
"""Read in training alone, and absent from some published files."""


class SpeechEncoderConfig(Pretrained):
    """Which hidden states of which model, and at which rate.

    `layers`: None for the model's output, else the hidden states that are summed (0 is the input of the first layer, -1
    the last), times `weights` where given. `normalise`: standardise the waveform first, as these models were trained
    (ZEGGS' features were made without). `fps`: None keeps the encoder's rows, else rows at motion frames.

    `placement` of frames between rows: `timed` by the centre of each row's receptive field; `end_to_end` stretches the
    first and the last row to the first and the last frame (torch's align_corners, DiffuseStyleGesture), `half_pixel`
    the edges of the rows to the edges of the frames (torch's default). At 30 fps the two are off by up to half a row.

    `chunk_s` encodes pieces of this many seconds, which bounds memory. `tail` of the last piece: `cropped` at the end
    of the audio; `released_padded` fills it with zeros and keeps their rows, which `end_to_end` then stretches over the
    frames too: features run ahead of the motion by up to `chunk_s` at the end of a clip (DiffuseStyleGesture+, 5 s).
    """

    layers: tuple[int, ...] | None = Field(None, min_length=1)
    weights: tuple[float, ...] | None = None
    normalise: bool = True
    fps: Literal[15, 30] | None = 30
    placement: Literal["timed", "end_to_end", "half_pixel"] = "timed"
    chunk_s: float | None = Field(None, gt=0)
    tail: Literal["cropped", "released_padded"] = "cropped"


class SpeechEncoder:
    """A pretrained speech encoder as a feature; the model is loaded when the first row is computed."""

    name, version = "speech", 1

    def __init__(self, config: SpeechEncoderConfig, device: str = "cpu"):
        _check_weights(config)
        self.config, self.device = config, device

    def passport(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return passport(self.config, self.version)

    def rows(self, speech: Speech) -> np.ndarray:
        """(T, D) float32 with T = speech.n_frames(fps), or (P, D) where `fps` is None."""
        rows_PD, centres_s = self.encoded(speech)
        if self.config.fps is None:
            return rows_PD
        n = speech.n_frames(self.config.fps)
        return interpolated(rows_PD, _positions(self.config, centres_s, n)).astype(np.float32)

    @torch.inference_mode()
    def waves(self, audio_BS: np.ndarray) -> np.ndarray:
        """(B, P, D) float32: the encoder's own rows of waves of equal length, each standardised by itself."""
        audio_BS = np.asarray(audio_BS, np.float32)
        if self.config.normalise:
            audio_BS = np.stack([standardised(audio) for audio in audio_BS])
        field = receptive_field(self._model.config)[1]
        if audio_BS.shape[1] < field:
            raise too_short(f"{audio_BS.shape[1]} samples", field, self.config.model)
        made = [self._hidden(audio_BS[first : first + BATCH]) for first in range(0, len(audio_BS), BATCH)]
        return np.concatenate(made)

    def encoded(self, speech: Speech) -> tuple[np.ndarray, np.ndarray]:
        """Rows (P, D) of the whole audio and the moments (P,) in seconds that they are about."""
        audio = np.asarray(speech.audio, np.float32)
        if self.config.normalise:
            audio = standardised(audio)
        hop, field = receptive_field(self._model.config)
        refuse_short(speech, field, self.config.model)
        starts, pieces = self._pieces(audio, field)
        encoded = [self._hidden(piece[None])[0] for piece in pieces]
        samples = [start + hop * np.arange(len(rows)) for start, rows in zip(starts, encoded)]
        return np.concatenate(encoded), (np.concatenate(samples) + field / 2) / SAMPLE_RATE

    @property
    def model_config(self) -> Any:
        """The configuration that the model brought along."""
        return self._model.config

    def _pieces(self, audio: np.ndarray, field: int) -> tuple[list[int], list[np.ndarray]]:
        """Where the pieces start, and the pieces; a rest too short for a row of its own goes to the piece before."""
        if self.config.chunk_s is None:
            return [0], [audio]
        length = max(field, round(self.config.chunk_s * SAMPLE_RATE))
        if self.config.tail == "released_padded":
            audio = np.pad(audio, (0, -len(audio) % length))
        starts = [start for start in range(0, len(audio), length) if start == 0 or len(audio) - start >= field]
        return starts, np.split(audio, starts[1:])

    @torch.inference_mode()
    def _hidden(self, audio_BS: np.ndarray) -> np.ndarray:
        waves = torch.from_numpy(np.ascontiguousarray(audio_BS)).to(self.device)
        output = self._model(waves, output_hidden_states=self.config.layers is not None)
        return summed_layers(output, self.config.layers, self.config.weights).float().cpu().numpy()

    @cached_property
    def _model(self) -> Any:
        model = load_model(self.config, "AutoModel", MAY_MISS)
        if not hasattr(model.config, "conv_stride"):
            raise InputError(
                f"{self.config.model}: a {type(model).__name__} does not read waveforms",
                expected="wav2vec2, WavLM, HuBERT or the like",
                remedy="name a speech encoder",
            )
        return model.to(self.device)


def summed_layers(
    output: Any, layers: tuple[int, ...] | None, weights: tuple[float, ...] | None = None
) -> torch.Tensor:
    """(B, P, D): the output of a model, or the weighted sum of some of its hidden states."""
    if layers is None:
        return output.last_hidden_state
    weights, count = weights or (1.0,) * len(layers), len(output.hidden_states)
    for layer in layers:
        if not -count <= layer < count:
            raise InputError(
                f"layers: {layer} of a model with {count} hidden states",
                expected=f"{-count} to {count - 1}; 0 is the input of the first layer, -1 the last state",
                remedy="name layers that the model has",
            )
    return sum(weight * output.hidden_states[layer] for layer, weight in zip(layers, weights))


def receptive_field(config: Any) -> tuple[int, int]:
    """Samples from row to row, and samples that one row hears, of an encoder with strided convolutions in front.

    >>> from types import SimpleNamespace
    >>> receptive_field(SimpleNamespace(conv_kernel=(10, 3, 3, 3, 3, 2, 2), conv_stride=(5, 2, 2, 2, 2, 2, 2)))
    (320, 400)
    """
    hop, field = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride):
        field += (kernel - 1) * hop
        hop *= stride
    return hop, field


def refuse_short(speech: Speech, field: int, model: str) -> None:
    """An `InputError` for audio that does not fill the receptive field of one row."""
    if len(speech.audio) < field:
        raise too_short(f"{speech.clip_id}: {len(speech.audio)} samples", field, model)


def too_short(what: str, field: int, model: str) -> InputError:
    return InputError(
        f"{what} are too short for {model}",
        expected=f"at least {field} samples ({1000 * field / SAMPLE_RATE:.0f} ms)",
        remedy="leave the clip out",
    )


def _positions(config: SpeechEncoderConfig, centres_s: np.ndarray, n: int) -> np.ndarray:
    """(T,) where the motion frames lie among the rows, as fractional row numbers."""
    count = len(centres_s)
    if config.placement == "timed":
        return np.interp(np.arange(n) / config.fps, centres_s, np.arange(count))
    if config.placement == "half_pixel":
        return np.clip((np.arange(n) + 0.5) * count / n - 0.5, 0, count - 1)
    return np.linspace(0, count - 1, n)


def _check_weights(config: SpeechEncoderConfig) -> None:
    if config.weights is not None and len(config.weights) != len(config.layers or ()):
        raise InputError(
            f"{len(config.weights)} weights for {len(config.layers or ())} layers",
            expected="one weight per layer",
            remedy="name the layers and give each a weight",
        )
