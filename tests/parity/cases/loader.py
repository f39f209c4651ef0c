"""A small BEAT2 folder through EMAGE's released loader: selection, windows, contacts, audio, words, scores.

The settings of the loader are not in the file. Where they may differ between folders they are read off its listings:
speakers off the files, length and stride off the windows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import product
from math import ceil

import numpy as np

from gesturebench.common.corpus.annotations import read_labels
from gesturebench.common.corpus.audio import read_audio
from gesturebench.common.corpus.beat2 import Beat2Folder, ClipName, dense_speaker
from gesturebench.common.corpus.cutting import WINDOWS, Cut, Cutting, cuts
from gesturebench.common.corpus.selection import complete, selected
from gesturebench.common.corpus.textgrid import parse_textgrid
from gesturebench.common.corpus.vocabulary import Vocabulary
from gesturebench.common.features.frames import repeated, semantic_scores, word_indices
from gesturebench.common.features.spectrogram import released_mel
from gesturebench.common.features.waveform import amplitude_onset
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.parts import foot_contact
from gesturebench.common.motion.speed import mean_joint_speed
from tests.parity.frame import Check, Golden, case, near, same

RATE = 22_050
FPS = 30
SUMS = "sums_pose_amp_onset_facial_trans_word_sem_emo"
RATIOS = (0.5, 1.0, 1.5)
"""Of the windows in `multilen`, whose middle length is the configured one; a second is left out at both ends."""


class Clip:
    """One recording at its full length, as the released loader holds it before cutting."""

    def __init__(self, folder: Beat2Folder, clip: str, golden: Golden, vocabulary: Vocabulary):
        self.folder, self.name, self.vocabulary = folder, clip, vocabulary
        self.motion = folder.motion(clip)
        self.joints = _joints(golden)

    @property
    def speaker(self) -> int:
        return ClipName.parse(self.name).speaker

    @cached_property
    def audio(self) -> np.ndarray:
        return read_audio(self.folder.audio_file(self.name), resampling="legacy_22050")

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Everything that has one row per frame."""
        n, name = self.motion.n_frames, ClipName.parse(self.name)
        # with the silent intervals and the bare marks, which a reader of words leaves out
        tiers, _ = parse_textgrid(self.folder.annotation_file("words", self.name).read_bytes())
        contact = foot_contact(self.motion, self.joints)
        return {
            "pose": np.concatenate([self.motion.poses, contact], axis=1),
            "facial": self.motion.expressions,
            "trans": self.motion.trans,
            "word": word_indices(tiers[0].intervals, self.vocabulary, n),
            "sem": semantic_scores(read_labels(self.folder.annotation_file("labels", self.name)), n),
            "emo": repeated(name.released_emotion, n),
            "id": repeated(dense_speaker(name.speaker), n),
        }

    @cached_property
    def waveform(self) -> np.ndarray:
        return amplitude_onset(self.audio, "released_frames")

    def cuts(self, rule: Cutting) -> list[Cut]:
        return cuts(rule, self.motion.n_frames, len(self.audio))

    def sample(self, cut: Cut) -> dict[str, np.ndarray]:
        audio = self.waveform[cut.first_sample : cut.last_sample]
        rows = {name: column[cut.start : cut.stop] for name, column in self.columns.items()}
        return rows | {"amplitude": audio[:, 0], "onset": audio[:, 1]}


class Corpus:
    def __init__(self, golden: Golden):
        self.folder = Beat2Folder(golden.folder / "tiny_beat2")
        vocabulary = Vocabulary.load(self.folder.root / "weights" / "vocab.json")
        self.clip = cache(lambda clip: Clip(self.folder, clip, golden, vocabulary))
        self.speakers = {ClipName.parse(name).speaker for split in _splits(golden) for name in golden[f"{split}/files"]}

    def clips(self, split: str, speakers: Iterable[int] | None = None) -> list[Clip]:
        """Of a split of the table; `_add`: with the additional rows behind it."""
        speakers = self.speakers if speakers is None else speakers
        additional = "after" if split.endswith("_add") else "none"
        rows = selected(
            self.folder.splits,
            split.removesuffix("_add"),
            speakers,
            additional=additional,
            empty="first_training_rows",
        )
        return [self.clip(clip) for clip in complete(self.folder, rows, missing="drop_clip")]


def _splits(golden: Golden) -> list[str]:
    return [group for group in golden.groups() if f"{group}/files" in golden]


@case("evaluators/loader_tiny.npz")
def loader_tiny(golden: Golden) -> Iterator[Check]:
    corpus = Corpus(golden)
    for split in _splits(golden):
        yield from _split(golden, split, corpus)
    yield from _audio(golden, corpus)
    yield from _multilen(golden, corpus)
    yield from _mel(golden, corpus)
    yield from _json_windows(golden, corpus)
    motions = [corpus.folder.motion(clip) for clip in corpus.folder.ids()]
    speed = mean_joint_speed(_joints(golden), motions)
    yield near("mean_velocity_over_folder", speed, golden["mean_velocity_over_folder"])


def _rule(golden: Golden, split: str) -> Cutting:
    """EMAGE's windows, in the length and at the distance of those that are listed."""
    if split == "test":
        return WINDOWS["emage_test"]
    steps = np.diff(golden[f"{split}/window_file_index_and_start_frame"], axis=0)
    strides = steps[steps[:, 0] == 0, 1]
    found = {"length": int(golden[f"{split}/shapes_pose_audio"][0, 0])}
    return WINDOWS["emage"].updated(found | ({"stride": int(strides[0])} if len(strides) else {}))


def _split(golden: Golden, split: str, corpus: Corpus) -> Iterator[Check]:
    clips = corpus.clips(split)
    places = [(index, cut) for index, clip in enumerate(clips) for cut in clip.cuts(_rule(golden, split))]
    samples = [clips[index].sample(cut) for index, cut in places]
    yield same(f"{split}/n", len(samples), golden[f"{split}/n"])
    yield same(f"{split}/files", [clip.name for clip in clips], golden[f"{split}/files"])
    starts = [(index, cut.start) for index, cut in places]
    yield same(
        f"{split}/window_file_index_and_start_frame", starts, golden[f"{split}/window_file_index_and_start_frame"]
    )
    shapes = [(*s["pose"].shape, len(s["amplitude"]), 2) for s in samples]
    yield same(f"{split}/shapes_pose_audio", shapes, golden[f"{split}/shapes_pose_audio"])
    yield same(f"{split}/speaker_ids", [s["id"][0, 0] for s in samples], golden[f"{split}/speaker_ids"])
    names = ("pose", "amplitude", "onset", "facial", "trans", "word", "sem", "emo")
    sums = [[s[name].sum(dtype=np.float64) for name in names] for s in samples]
    yield near(f"{split}/{SUMS}", sums, golden[f"{split}/{SUMS}"])
    for group in filter(str.isdigit, golden.groups(f"{split}/")):
        yield from _sample(golden, f"{split}/{group}", samples[int(group)])


def _sample(golden: Golden, place: str, ours: dict[str, np.ndarray]) -> Iterator[Check]:
    exact = ("word", "emo", "id", "audio_onset_nonzero")
    for name, expected in golden.under(f"{place}/").items():
        yield (same if name in exact else near)(f"{place}/{name}", _array(ours, name), expected)


def _array(ours: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A column, or the part of one that the name describes."""
    if name == "audio_onset_nonzero":
        return np.flatnonzero(ours["onset"])
    if found := re.fullmatch(r"audio_amp_every(\d+)", name):
        return ours["amplitude"][:: int(found[1])]
    if found := re.fullmatch(r"facial_first(\d+)", name):
        return ours["facial"][: int(found[1])]
    return ours[name]


def _audio(golden: Golden, corpus: Corpus) -> Iterator[Check]:
    for name in golden.groups("audio/"):
        place, audio = f"audio/{name}", corpus.clip(name).audio
        original = corpus.folder.wave_header(name)
        yield same(f"{place}/n_22050", ceil(original.n_samples * RATE / original.rate), golden[f"{place}/n_22050"])
        yield same(f"{place}/n_16000", len(audio), golden[f"{place}/n_16000"])
        head = golden[f"{place}/resampled_first2000"]
        yield near(f"{place}/resampled_first2000", audio[: len(head)], head)
        total = np.abs(audio).sum(dtype=np.float64)
        # the sheet's sum was accumulated in float32
        yield near(f"{place}/resampled_sum_abs", total, golden[f"{place}/resampled_sum_abs"])


def _multilen(golden: Golden, corpus: Corpus) -> Iterator[Check]:
    length = int(np.median(np.unique(golden["multilen/shapes"][:, 0])))
    rules = [
        Cutting(length=length, stride=stride, ratios=RATIOS, clean_first_s=1, clean_final_s=1)
        for stride in (length // 4, *range(1, length + 1))
    ]
    clips, rule = _listed(corpus, rules, golden["multilen/shapes"][:, 0])
    samples = [clip.sample(cut) for clip in clips for cut in clip.cuts(rule)]
    yield same("multilen/n", len(samples), golden["multilen/n"])
    shapes = [(*s["pose"].shape, len(s["amplitude"]), 2) for s in samples]
    yield same("multilen/shapes", shapes, golden["multilen/shapes"])
    sums = [s["pose"].sum(dtype=np.float64) for s in samples]
    yield near("multilen/pose_sums", sums, golden["multilen/pose_sums"])


def _mel(golden: Golden, corpus: Corpus) -> Iterator[Check]:
    clips, rule = _listed(corpus, [_rule(golden, "train")], golden["mel/shapes"][:, 0])
    windows = [released_mel(clip.audio, FPS)[cut.start : cut.stop] for clip in clips for cut in clip.cuts(rule)]
    yield same("mel/n", len(windows), golden["mel/n"])
    yield same("mel/shapes", [window.shape for window in windows], golden["mel/shapes"])
    for index in filter(str.isdigit, golden.groups("mel/")):
        rows = golden[f"mel/{index}"]
        yield near(f"mel/{index}", windows[int(index)][: len(rows)], rows)


def _listed(corpus: Corpus, rules: Sequence[Cutting], lengths: np.ndarray) -> tuple[list[Clip], Cutting]:
    """The training clips of one speaker, or of all, and the rule by which their windows have the listed lengths.

    Where nothing fits, all clips and the first rule, which the checks will find wrong.
    """
    everybody = corpus.clips("train")
    options = [corpus.clips("train", {speaker}) for speaker in sorted({clip.speaker for clip in everybody})]
    for rule, clips in product(rules, [*options, everybody]):
        if [cut.stop - cut.start for clip in clips for cut in clip.cuts(rule)] == lengths.tolist():
            return clips, rule
    return everybody, rules[0]


def _json_windows(golden: Golden, corpus: Corpus) -> Iterator[Check]:
    for name in golden.groups("json_windows/"):
        clip = corpus.clip(name)
        for setting, expected in golden.under(f"json_windows/{name}/").items():
            length, stride = (int(part[1:]) for part in setting.split("_"))
            rule = WINDOWS["emage_audio"].updated({"length": length, "stride": stride})
            found = [(cut.start, cut.stop) for cut in clip.cuts(rule)]
            yield same(f"json_windows/{name}/{setting}", np.reshape(found, (-1, 2)), expected.reshape(-1, 2))


def _joints(golden: Golden) -> JointModel:
    return JointModel(golden["rest_joints"], np.zeros((55, 3, 400)), np.zeros(90))
