"""The closed vocabulary: clause patterns, slot fillers and frequencies, gesture words, connectives and senses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Connective:
    """A discourse connective: PDTB sense, the metaphoric gesture of its family, and whether it opens a sentence."""

    text: str
    sense: str
    tag: str
    initial: bool
    weight: float


CONNECTIVES: tuple[Connective, ...] = (
    Connective("but", "Comparison.Contrast", "metaphoric:contrast", False, 3.0),
    Connective("however", "Comparison.Contrast", "metaphoric:contrast", True, 1.5),
    Connective("although", "Comparison.Concession.Arg1-as-denier", "metaphoric:concession", False, 1.2),
    Connective("because", "Contingency.Cause.Reason", "metaphoric:reason", False, 3.0),
    Connective("so", "Contingency.Cause.Result", "metaphoric:result", False, 2.0),
    Connective("therefore", "Contingency.Cause.Result", "metaphoric:result", True, 1.0),
    Connective("if", "Contingency.Condition", "metaphoric:condition", False, 1.5),
    Connective("and", "Expansion.Conjunction", "metaphoric:conjunction", False, 2.0),
    Connective("also", "Expansion.Conjunction", "metaphoric:conjunction", True, 1.0),
    Connective("or", "Expansion.Disjunction", "metaphoric:disjunction", False, 1.2),
    Connective("for example", "Expansion.Instantiation", "metaphoric:instantiation", True, 1.2),
    Connective("in fact", "Expansion.Level-of-detail.Arg2-as-detail", "metaphoric:detail", True, 1.0),
    Connective("instead", "Expansion.Substitution.Arg2-as-subst", "metaphoric:substitution", True, 0.9),
    Connective("then", "Temporal.Asynchronous.Precedence", "metaphoric:precedence", True, 1.5),
    Connective("after", "Temporal.Asynchronous.Succession", "metaphoric:succession", False, 0.9),
    Connective("while", "Temporal.Synchronous", "metaphoric:synchronous", False, 1.5),
)

GESTURE_WORDS: dict[str, tuple[str, ...]] = {
    "iconic:big": ("big", "huge", "giant"),
    "iconic:small": ("small", "tiny", "little"),
    "iconic:tall": ("tall", "high"),
    "iconic:wide": ("wide", "broad"),
    "iconic:round": ("round", "curved"),
    "iconic:flat": ("flat", "level"),
    "iconic:count2": ("two",),
    "iconic:count3": ("three",),
    "iconic:count5": ("five",),
    "iconic:swim": ("swam",),
    "iconic:climb": ("climbed",),
    "iconic:stir": ("stirred", "mixed"),
    "iconic:spin": ("spun", "turned"),
    "iconic:read": ("read",),
    "iconic:pedal": ("pedalled",),
    "iconic:wave": ("waved",),
    "iconic:brush": ("painted", "brushed"),
    "deictic:far": ("there", "outside"),
    "deictic:near": ("here",),
    "deictic:you": ("you", "your"),
    "deictic:self": ("me", "myself"),
    "metaphoric:shrug": ("maybe", "somehow"),
    "metaphoric:cycle": ("again", "always"),
}

TAG_OF_WORD: dict[str, str] = {word: tag for tag, words in GESTURE_WORDS.items() for word in words}

TAGS: tuple[str, ...] = tuple(dict.fromkeys([*GESTURE_WORDS, *(c.tag for c in CONNECTIVES)]))
"""The 36 gestures the corpus knows."""

CLAUSES: dict[str, float] = {
    "the {adjective} {thing} stood in the {place}": 1.5,
    "{person} saw a {adjective} {thing} near the {place}": 1.5,
    "{person} bought {number} {things} at the {place}": 1.2,
    "the {people} needed {number} {things}": 0.7,
    "{person} {act} the whole {time}": 0.8,
    "{person} {act} with the {people}": 0.8,
    "the {people} {act} before dinner": 0.8,
    "{person} carried the {adjective} {thing} to the {place}": 1.2,
    "the {place} was really {adjective}": 1.2,
    "my {people} lived {where} for a long time": 1.2,
    "we could leave the {thing} {where}": 0.8,
    "{person} would show {addressee} the {thing}": 1.2,
    "{person} told {addressee} about the {place}": 1.2,
    "{hedge} the {people} wanted a {adjective} {thing}": 0.7,
    "the {people} went to the {place} {repeat}": 1.0,
    "it takes a lot of {stuff} to build a {thing}": 0.6,
    "the weather was {mood} in the {time}": 0.6,
    "{person} liked the {stuff} and the {thing} from the {place}": 0.6,
}
"""Clause patterns with their frequencies; `{slot}` is filled from `SLOTS`."""

SLOTS: dict[str, dict[str, float]] = {
    "adjective": {
        "big": 5, "huge": 2, "giant": 1, "small": 3, "tiny": 1.5, "little": 1, "tall": 2, "high": 1, "wide": 1.6,
        "broad": 0.8, "round": 1.5, "curved": 0.5,
        "flat": 1, "level": 0.5, "green": 1, "wooden": 1,
    },
    "number": {"two": 3, "three": 2, "five": 1},
    "act": {
        "swam": 1.5, "climbed": 1.5, "stirred the soup": 0.7, "mixed the paint": 0.5, "spun around": 0.6,
        "turned around": 0.6, "read a book": 1.5,
        "pedalled home": 0.8, "waved": 1.5, "painted the wall": 0.6, "brushed the horse": 0.6,
    },
    "where": {"there": 3, "outside": 1, "here": 2},
    "addressee": {"you": 3, "your sister": 1, "me": 2},
    "hedge": {"maybe": 2, "somehow": 1},
    "repeat": {"again": 2, "always": 0.5, "by myself": 0.6},
    "person": {"she": 2, "he": 2, "they": 2, "we": 2, "the teacher": 1, "the farmer": 1, "my brother": 1},
    "people": {"children": 2, "parents": 1, "neighbours": 1, "students": 1, "workers": 1, "friends": 2},
    "thing": {
        "house": 1, "table": 1, "tree": 1, "bridge": 1, "boat": 1, "window": 1, "garden": 1, "machine": 1,
        "basket": 1, "statue": 1, "tower": 1, "mirror": 1,
    },
    "things": {"apples": 1, "tickets": 1, "candles": 1, "pictures": 1, "chairs": 1, "letters": 1, "bottles": 1,
    "flowers": 1},
    "place": {"village": 1, "market": 1, "river": 1, "station": 1, "school": 1, "forest": 1, "harbour": 1,
    "valley": 1, "museum": 1, "park": 1},
    "stuff": {"money": 1, "patience": 1, "paper": 1, "water": 1, "music": 1, "bread": 1},
    "time": {"morning": 1, "evening": 1, "summer": 1, "afternoon": 1, "weekend": 1},
    "mood": {"terrible": 1, "wonderful": 1, "cold": 1, "strange": 1},
}  # fmt: skip
"""Slot fillers with their frequencies."""
