"""Sizes of the stand-in corpus, and how its clips are named and split."""

from dataclasses import dataclass

from pydantic import Field

from gesturebench.common.config import Config

GENERATOR_VERSION = 1
"""Raised by hand when equal sizes and seeds give another corpus; part of the key of a corpus step."""

SPEAKER_NAMES: dict[int, str] = {
    1: "ada", 2: "bruno", 3: "clara", 4: "dario", 5: "edna", 6: "felix", 7: "greta", 9: "hugo", 10: "ines",
    11: "jonas", 12: "kira", 13: "louis",
    15: "mona", 16: "nico", 17: "olga", 18: "paolo", 20: "quinn", 21: "rosa", 22: "sven", 23: "tessa", 24: "ugo",
    25: "vera", 27: "willem", 28: "xenia",
    30: "yara",
}  # fmt: skip
"""The 25 speaker numbers of BEAT2 English (the reference id maps know only these), with names of our own."""

EMOTION_STARTS = (1, 65, 73, 81, 87, 95, 103, 111)
"""First clip number of each BEAT emotion: neutral, happiness, anger, sadness, contempt, surprise, fear, disgust."""

_EMOTION_CYCLE = (0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 6, 7)


class StandinPreset(Config):
    """How much to generate.

    Every seed derives from (corpus seed, speaker, clip number), so more speakers or clips change no other clip.
    `semantic_rate` scales the probability (0.75 to 0.95 by speaker) that a word that knows a gesture is gestured.
    """

    speakers: int = Field(ge=1, le=len(SPEAKER_NAMES))
    clips: int = Field(ge=1, le=72, description="clips per speaker")
    sentences: int = Field(ge=1, le=64, description="sentences per clip")
    test_share: float = Field(0.125, ge=0, lt=1)
    val_share: float = Field(0.125, ge=0, lt=1)
    semantic_rate: float = Field(1.0, ge=0, le=1)


PRESETS: dict[str, StandinPreset] = {
    "tiny": StandinPreset(speakers=4, clips=8, sentences=6, test_share=0.5),
    "demo": StandinPreset(speakers=8, clips=24, sentences=8, test_share=1 / 12),
}


@dataclass(frozen=True, slots=True)
class ClipName:
    """Identity of a clip: BEAT2 speaker number, clip number k in 1 to 118, and the emotion that k means."""

    speaker: int
    number: int
    emotion: int

    @property
    def id(self) -> str:
        return f"{self.speaker}_{SPEAKER_NAMES[self.speaker]}_0_{self.number}_{self.number}"


def clip_names(preset: StandinPreset) -> list[ClipName]:
    """All clips in corpus order: speaker by speaker, emotions mixed in a fixed cycle."""
    speakers = list(SPEAKER_NAMES)[: preset.speakers]
    return [ClipName(s, number, emotion) for s in speakers for number, emotion in _numbers(preset.clips)]


def _numbers(count: int) -> list[tuple[int, int]]:
    used = [0] * len(EMOTION_STARTS)
    pairs = []
    for i in range(count):
        emotion = _EMOTION_CYCLE[i % len(_EMOTION_CYCLE)]
        pairs.append((EMOTION_STARTS[emotion] + used[emotion], emotion))
        used[emotion] += 1
    return pairs


def splits(preset: StandinPreset) -> dict[str, str]:
    """Clip id -> train, val or test.

    Held-out positions rotate with the speaker, so that every emotion is held out somewhere.

    >>> sorted(splits(StandinPreset(speakers=1, clips=8, sentences=1, test_share=0.5)).values()).count("test")
    4
    """
    names, table = clip_names(preset), {}
    for index in range(preset.speakers):
        own = names[index * preset.clips : (index + 1) * preset.clips]
        held_out = _held_out(preset, index)
        table |= {name.id: held_out.get(position, "train") for position, name in enumerate(own)}
    return table


def _held_out(preset: StandinPreset, offset: int) -> dict[int, str]:
    n_test, n_val = round(preset.test_share * preset.clips), round(preset.val_share * preset.clips)
    spread = [(offset + (i * preset.clips) // max(n_test, 1)) % preset.clips for i in range(n_test)]
    rest = [(offset + 1 + 5 * i) % preset.clips for i in range(5 * preset.clips)]
    rest += list(range(preset.clips))
    val = list(dict.fromkeys(p for p in rest if p not in spread))[:n_val]
    return dict.fromkeys(spread, "test") | dict.fromkeys(val, "val")
