"""From the engine's phone mnemonics to ARPAbet (BEAT2's TextGrids: stress digit on vowels) and to mouth shapes."""

from dataclasses import dataclass

_VOWELS: dict[str, str] = {
    "i": "IY", "i:": "IY", "I": "IH", "I2": "IH", "I#": "IH", "E": "EH", "E2": "EH", "e": "EH", "a": "AE",
    "aa": "AE", "a#": "AH", "A": "AA", "A:": "AA",
    "A@": "AA", "A2": "AA", "0": "AA", "0#": "AA", "02": "AA", "O": "AO", "O:": "AO", "O@": "AO", "O2": "AO",
    "o@": "AO", "o:": "OW", "o": "OW", "U": "UH",
    "u": "UW", "u:": "UW", "U@": "UH", "V": "AH", "V2": "AH", "@": "AH", "@2": "AH", "@5": "AH", "@L": "AH",
    "3": "ER", "3:": "ER", "@r": "ER", "eI": "EY",
    "e@": "EH", "e:": "EY", "aI": "AY", "aI@": "AY", "aI3": "AY", "aU": "AW", "aU@": "AW", "OI": "OY", "oU": "OW",
    "@U": "OW", "i@": "IH", "i@3": "IH",
    "I@": "IH", "E@": "EH", "VU": "OW", "VR": "ER", "eE": "EH",
}  # fmt: skip
_CONSONANTS: dict[str, str] = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "m": "M", "n": "N", "N": "NG", "f": "F", "v": "V",
    "T": "TH", "D": "DH", "s": "S",
    "z": "Z", "S": "SH", "Z": "ZH", "h": "HH", "l": "L", "L": "L", "l#": "L", "r": "R", "r-": "R", "R": "R",
    "R2": "R", "w": "W", "w#": "W", "j": "Y", "tS": "CH",
    "dZ": "JH", "t#": "T", "t2": "T", "*": "T", "?": "T", "d#": "D", "z#": "Z", "s#": "S", "n-": "N", "m-": "M",
    "n#": "N", "x": "HH", "tr": "T", "dr": "D",
}  # fmt: skip

Mouth = tuple[float, float, float, float]
"""How open, spread, round and pressed the lips are, each in [0, 1]."""

_MOUTHS: dict[str, Mouth] = {
    "AA": (1, 0.1, 0, 0), "AE": (0.9, 0.4, 0, 0), "AH": (0.55, 0.1, 0, 0), "AO": (0.8, 0, 0.6, 0),
    "AW": (0.9, 0, 0.4, 0), "AY": (0.9, 0.4, 0, 0),
    "EH": (0.6, 0.5, 0, 0), "ER": (0.4, 0, 0.4, 0), "EY": (0.5, 0.8, 0, 0), "IH": (0.35, 0.6, 0, 0),
    "IY": (0.25, 1, 0, 0), "OW": (0.6, 0, 0.9, 0),
    "OY": (0.7, 0.2, 0.7, 0), "UH": (0.4, 0, 0.7, 0), "UW": (0.25, 0, 1, 0),
    "P": (0, 0, 0, 1), "B": (0, 0, 0, 1), "M": (0, 0, 0, 1), "F": (0.05, 0.2, 0, 0.6), "V": (0.05, 0.2, 0, 0.6),
    "W": (0.15, 0, 1, 0),
    "R": (0.25, 0, 0.5, 0), "SH": (0.15, 0, 0.7, 0), "ZH": (0.15, 0, 0.7, 0), "CH": (0.15, 0, 0.6, 0),
    "JH": (0.15, 0, 0.6, 0),
}  # fmt: skip
_OTHER_CONSONANT: Mouth = (0.2, 0.3, 0, 0)


@dataclass(frozen=True, slots=True)
class Phone:
    """A spoken phone: ARPAbet symbol without stress, stress 0, 1 or 2 (None for consonants), and its time interval."""

    symbol: str
    stress: int | None
    start_s: float
    end_s: float

    @property
    def label(self) -> str:
        return self.symbol if self.stress is None else f"{self.symbol}{self.stress}"

    @property
    def mouth(self) -> Mouth:
        return _MOUTHS.get(self.symbol, _OTHER_CONSONANT)


def arpabet(mnemonic: str) -> tuple[str, int | None]:
    """ARPAbet symbol and stress of an engine mnemonic; stress is its leading mark.

    >>> arpabet("'aU"), arpabet("tS")
    (('AW', 1), ('CH', None))
    """
    bare = mnemonic.lstrip("',%=")
    stress = {"'": 1, ",": 2}.get(mnemonic[:1], 0)
    for end in range(len(bare), 0, -1):  # unknown variants of a known phone fall back to their stem
        if bare[:end] in _VOWELS:
            return _VOWELS[bare[:end]], stress
        if bare[:end] in _CONSONANTS:
            return _CONSONANTS[bare[:end]], None
    return "AH", stress


def is_pause(mnemonic: str) -> bool:
    return mnemonic.startswith("_") or not mnemonic.strip("',%=|;")
