"""The kinds of files a BEAT2 folder is expected to hold: what each is for, where to get it, under which licence."""

from dataclasses import dataclass

from gesturebench.common.corpus.beat2 import ANNOTATIONS, AUDIO, MOTION
from gesturebench.common.corpus.fingerprint import FGD_WEIGHTS, MEAN_SPEED, VOCABULARY
from gesturebench.common.corpus.splits import SPLIT_TABLE


@dataclass(frozen=True, slots=True)
class Source:
    """Where files come from, and what their publisher says about their use."""

    name: str
    place: str
    licence: str


BEAT2 = Source(
    "BEAT2",
    "https://huggingface.co/datasets/H-Liu1997/BEAT2",
    "Apache-2.0 on the dataset card; CC BY-NC 4.0 on older project pages",
)
ADDITIONS = Source(
    "additions",
    "https://huggingface.co/datasets/m-hamza-mughal/beat2-additional-annotations",
    "as stated on the dataset card",
)
SMPLX = Source(
    "SMPL-X", "https://smpl-x.is.tue.mpg.de", "SMPL-X licence: registration, non-commercial research; no part of BEAT2"
)
STANDIN = Source("stand-in", "gesturebench data standin", "generated on this machine")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: `places` below the corpus folder, with {id} where there is one per clip; `needed` says whether
    anything can be done without it."""

    name: str
    places: tuple[str, ...]
    use: str
    source: Source
    needed: bool = False

    @property
    def per_clip(self) -> bool:
        return "{id}" in self.places[0]


KINDS: tuple[Kind, ...] = (
    Kind("motion", (MOTION,), "everything", BEAT2, needed=True),
    Kind("audio", (AUDIO,), "everything", BEAT2, needed=True),
    Kind("split table", (SPLIT_TABLE,), "training, tests", BEAT2, needed=True),
    Kind("words", ANNOTATIONS["words"], "text, beats", BEAT2),
    Kind("labels", ANNOTATIONS["labels"], "semantic scores", BEAT2),
    Kind("relations", ANNOTATIONS["relations"], "discourse", ADDITIONS),
    Kind("prominence", ANNOTATIONS["prominence"], "prominent words", ADDITIONS),
    Kind("transcript", ANNOTATIONS["transcript"], "recognised words", ADDITIONS),
    Kind("truth", ANNOTATIONS["truth"], "oracle rows", STANDIN),
    Kind("mean speed", (MEAN_SPEED,), "BC, else computed", BEAT2),
    Kind("FGD weights", (FGD_WEIGHTS,), "published FGD", BEAT2),
    Kind("vocabulary", (VOCABULARY,), "word embeddings", BEAT2),
    Kind("body model", ("smplx_models/smplx/SMPLX_NEUTRAL_2020.npz",), "joints, faces", SMPLX),
)
