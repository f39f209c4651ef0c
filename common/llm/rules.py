"""The provider that needs no model: closed lists of common English words and a few endings.

What it is: a fast, repeatable stand-in for a language model, so that every strategy runs on a fresh machine. What it
is not: an understanding of the text. It knows no context ("a flat" is a shape to it, "can you imagine" points at
somebody), no other language, and only the words and endings below; a text without any of them gets no words.

A word counts by its group, from 4 down to 1:
4  places pointed at (here, there, outside); sizes, shapes and directions (huge, round, upwards)
3  movements of hands or body (climbed, stirring, waved), small numbers, pointed-out people (mine, yourself)
2  doubt and repetition (maybe, again, always), wholeness (everything), abstract nouns, by a short list or an ending
   (-tion, -ness, -ity, -ment, -ship, -ism ...)
1  people pointed at (you, me)
The best ones are chosen; of equals the one said less often in the text, then the earlier one; a word is named once.
"""

import re
from collections import Counter
from dataclasses import dataclass

from gesturebench.common.llm.config import LLMConfig
from gesturebench.common.llm.parsing import Kind
from gesturebench.common.llm.prompt import Question


@dataclass(frozen=True)
class Group:
    """Words that ask for one kind of gesture, and how much they count against others."""

    kind: Kind
    weight: int
    words: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _group(kind: Kind, weight: int, words: str) -> Group:
    return Group(kind, weight, _words(words))


GROUPS = (
    _group(
        "deictic", 4, "here there outside inside upstairs downstairs nearby yonder everywhere elsewhere",
    ),
    _group(
        "iconic", 4,
        "big bigger biggest large larger largest huge giant enormous massive gigantic vast small smaller smallest tiny "
        "little miniature tall taller tallest high higher highest low lower lowest short shorter shortest long longer "
        "longest wide wider widest broad narrow narrower thick thin deep shallow steep round rounded circular curved "
        "curvy straight crooked bent flat level square triangular pointed sharp spiral oval hollow "
        "upwards downwards forwards backwards sideways",
    ),
    _group(
        "iconic", 3,
        "two three four five six seven eight nine ten dozen hundred thousand million double triple half pair",
    ),
    _group("deictic", 3, "mine yours myself yourself yourselves ourselves"),
    _group(
        "metaphoric", 2,
        "maybe perhaps somehow somewhat probably possibly whatever again always never often sometimes constantly "
        "everything everyone everybody nothing anything whole entire together between "
        "idea ideas thought thoughts mind dream dreams hope fear love truth reason reasons problem problems chance "
        "future past life death time power knowledge culture society economy system process progress change growth "
        "choice balance value values quality goal goals success failure stress pressure",
    ),
    _group("deictic", 1, "you your me"),
)  # fmt: skip

_REGULAR = _words(
    "climb walk jump push pull lift carry drop open close turn roll stir mix paint brush wash wave pedal dance kick "
    "knock squeeze twist shake pour cook fold wrap grab pick touch reach stretch point clap chop slice scrub wipe "
    "crawl march skip bounce slide slip float type sew knit hammer scratch rub pat press swing lean kneel juggle row "
    "sail hug sneeze smash crush peel stack spread sprinkle shovel rake plant drum strum tap flip swipe zoom fly swim "
    "run throw catch hit spin cut write read draw ride drive fall dig hold drink eat play sweep shoot bend"
)
_IRREGULAR = _words(
    "shook swam swum ran threw thrown caught hit spun cut wrote written read drew drawn rode ridden drove driven flew "
    "flown fell fallen dug held drank drunk ate eaten swept shot bent swung slid knelt sewn"
)
"""Movements, by their stem and by the past tenses that add no -ed."""

_ABSTRACT_ENDING = re.compile(
    r"\w{3,}(?:tion|sion|ness|ity|ment|ance|ence|ship|hood|ism|dom)s?$|\w{4,}(?:ology|ocracy)$"
)
_NOT_ABSTRACT = _words(
    "station apartment basement garment kingdom city instrument document moment cement ornament university audience "
    "fence distance entrance ambulance"
)
"""Things, places and people with such an ending."""


class Rules:
    """At most as many words as are asked for, as a reply in the form that the prompt wants."""

    model = "rules-1"
    is_cached = False

    def __init__(self, config: LLMConfig):
        self.config = config

    def reply(self, question: Question) -> str:
        return repr(chosen(question.text, question.words))


def chosen(text: str, count: int) -> list[tuple[str, Kind]]:
    """The best `count` words of the text with their kinds, in the order in which they are said.

    >>> chosen("Maybe the children wanted a huge tower over there, a huge one", 2)
    [('huge', 'iconic'), ('there', 'deictic')]
    """
    words = re.findall(r"[\w']+", text.casefold())
    said, found = Counter(words), {}
    for place, word in enumerate(words):
        rated = rate(word)
        if rated and word not in found:
            found[word] = (-rated[1], said[word], place, word, rated[0])
    best = sorted(found.values())[:count]
    return [(word, kind) for _, _, _, word, kind in sorted(best, key=lambda row: row[2])]


def rate(word: str) -> tuple[Kind, int] | None:
    """The kind of gesture that a word in small letters asks for and how much it counts; None for most words.

    >>> rate("waving"), rate("happiness"), rate("table")
    (('iconic', 3), ('metaphoric', 2), None)
    """
    for group in GROUPS:
        if word in group.words:
            return group.kind, group.weight
    if word in _IRREGULAR or not _stems(word).isdisjoint(_REGULAR):
        return "iconic", 3
    if _ABSTRACT_ENDING.fullmatch(word) and word not in _NOT_ABSTRACT and word.removesuffix("s") not in _NOT_ABSTRACT:
        return "metaphoric", 2
    return None


def _stems(word: str) -> set[str]:
    """What an inflected verb may come from: `waved` from wave, `stirring` from stir, `carried` from carry."""
    stems = {word}
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word.removesuffix(ending)
            doubled = len(stem) > 2 and stem[-1] == stem[-2]
            stems |= {stem, stem + "e"} | ({stem[:-1]} if doubled else set())
            stems |= {stem[:-1] + "y"} if stem.endswith("i") else set()
    return stems
