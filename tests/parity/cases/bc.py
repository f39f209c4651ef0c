"""Beat consistency: onsets, motion beats and scores for every mask, the score of a data set, the alignment alone.

Joints stay in the file's single precision: a rounding of the mean to which a coordinate is folded makes or moves a
beat, and a score by 4e-4.
"""

import re
from collections.abc import Iterator

import numpy as np

from gesturebench.common.corpus.clip import SAMPLE_RATE
from gesturebench.common.features.onsets import audio_onsets
from gesturebench.evaluators.beat_consistency import (
    BeatConsistencyConfig,
    beat_consistency,
    inner_audio,
    motion_beats,
)
from gesturebench.evaluators.beats import alignment, relative_speed
from gesturebench.evaluators.l1div import absolute_deviation
from tests.parity.frame import Check, Golden, case, near, same

PCM = 32768


@case("evaluators/bc.npz")
def beat_consistencies(golden: Golden) -> Iterator[Check]:
    clips = [name for name in golden.groups() if f"{name}/joints" in golden]
    for clip in clips:
        yield near(
            f"{clip}/onsets_full", audio_onsets(golden[f"{clip}/audio_int16"] / PCM), golden[f"{clip}/onsets_full"]
        )
        for group in golden.groups(f"{clip}/"):
            if found := re.fullmatch(r"(legacy|evaltools)_m(\d+)", group):
                yield from of_clip(golden, clip, found[1], int(found[2]))
    for key in golden:
        if found := re.fullmatch(r"legacy_dataset_score_m(\d+)", key):
            yield near(key, of_data_set(golden, clips, int(found[1])), golden[key])
    beats_s, onsets_s = golden["gahr/motion_beats"], golden["gahr/audio_beats"]
    yield near("gahr/score", alignment(onsets_s, beats_s, 0.3), golden["gahr/score"])
    yield near("gahr/empty_motion_score", alignment(onsets_s, beats_s[:0], 0.3), golden["gahr/empty_motion_score"])


def of_clip(golden: Golden, clip: str, variant: str, mask: int) -> Iterator[Check]:
    place, config = f"{clip}/{variant}_m{mask}", BeatConsistencyConfig(variant=variant, mask=mask)
    joints = golden[f"{clip}/joints"]
    onsets_s = onsets(golden, clip, config)
    yield near(f"{place}/onsets", onsets_s, golden[f"{place}/onsets"])
    beats = motion_beats(relative_speed(joints, golden["mean_vel"]), config)
    yield same(f"{place}/beats", np.concatenate([np.flatnonzero(joint) for joint in beats.T]), golden[f"{place}/beats"])
    yield same(f"{place}/beat_counts", beats.sum(0), golden[f"{place}/beat_counts"])
    yield near(f"{place}/score", score(golden, clip, config), golden[f"{place}/score"])
    if (folded := f"{place}/score_after_l1div_inplace") in golden:
        # what `legacy_folded` does, but with the mean over frames summed in the order of the whole array
        ours = beat_consistency(absolute_deviation(joints), onsets_s, golden["mean_vel"], config)
        yield near(folded, ours, golden[folded])
    if variant == "legacy" and len(golden[f"{clip}/audio_int16"]) <= int(SAMPLE_RATE / 30 * len(joints)):
        # RAG-Gesture differs from legacy only where the recording goes on after the motion
        yield near(
            f"{place}/score as rag", score(golden, clip, config.updated({"variant": "rag"})), golden[f"{place}/score"]
        )


def onsets(golden: Golden, clip: str, config: BeatConsistencyConfig) -> np.ndarray:
    audio, n_frames = golden[f"{clip}/audio_int16"] / PCM, len(golden[f"{clip}/joints"])
    return audio_onsets(inner_audio(audio, n_frames, config))


def score(golden: Golden, clip: str, config: BeatConsistencyConfig) -> float:
    return beat_consistency(golden[f"{clip}/joints"], onsets(golden, clip, config), golden["mean_vel"], config)


def of_data_set(golden: Golden, clips: list[str], mask: int) -> float:
    """The clips' scores, weighted by the frames between the masks."""
    config = BeatConsistencyConfig(variant="legacy", mask=mask)
    weights = [len(golden[f"{clip}/joints"]) - 2 * mask for clip in clips]
    return float(np.average([score(golden, clip, config) for clip in clips], weights=weights))
