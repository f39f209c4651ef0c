"""Predictions that brought their own ground truth, as evaluators see them when the corpus itself is not there."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from gesturebench.common.corpus.clip import Clip, Speech
from gesturebench.common.corpus.layouts import Item
from gesturebench.common.corpus.protocol import speaker_of
from gesturebench.common.corpus.units import load_scored
from gesturebench.common.errors import InputError
from gesturebench.common.motion.face import FaceModel
from gesturebench.common.motion.kinematics import JointModel


class NotGiven(InputError):
    """A metric asked for what only a data folder holds."""


class ExportedStore:
    """As much of a clip store as can be had without the corpus: a body model and joint speeds, where they are given;
    every other question is answered with `NotGiven`."""

    fingerprint: str | None = None
    is_standin = has_truth = False

    def __init__(self, folder: Path, items: Sequence[Item], body: Path | None = None, mean_speed: Path | None = None):
        self.path, self.body, self.speed_file = folder, body, mean_speed
        self.info: dict[str, Any] = {"source": str(folder)}
        self.ids = tuple(dict.fromkeys(item.clip_id for item in items))

    @cached_property
    def joints(self) -> JointModel:
        return JointModel.from_body_model(self._body)

    @cached_property
    def face(self) -> FaceModel:
        return FaceModel.from_body_model(self._body)

    @property
    def _body(self) -> Path:
        body = self.body or (Path(os.environ["GESTUREBENCH_BODY"]) if "GESTUREBENCH_BODY" in os.environ else None)
        if body is None:
            raise NotGiven(
                f"{self.path}: joints and faces need a body model",
                remedy="pass --body SMPLX_NEUTRAL_2020.npz or --data DIR",
            )
        return body

    @cached_property
    def mean_speed(self) -> np.ndarray:
        if self.speed_file is None:
            raise NotGiven(
                f"{self.path}: beats need the mean joint speeds of the corpus",
                remedy="pass --mean-speed mean_vel_smplxflame_30.npy or --data DIR",
            )
        from gesturebench.common.corpus.build import read_mean_speed

        return read_mean_speed(self.speed_file)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotGiven(f"{self.path}: the predictions do not bring {name.replace('_', ' ')}", remedy="pass --data DIR")


def exported_clip(item: Item) -> Clip:
    """Ground truth and audio that were saved with a prediction; whoever saved no audio is silent."""
    from gesturebench.common.corpus.audio import read_audio

    audio = read_audio(item.audio) if item.audio else np.zeros(0, np.float32)
    return Clip(item.clip_id, Speech(item.clip_id, audio, speaker_of(item.clip_id)), load_scored(item.truth))
