"""The question that a language model is asked, in our own words, and its version.

A change of a word here changes replies: give it a new name, and keep the old one for those who measured with it.
"""

from dataclasses import dataclass
from typing import Any

from gesturebench.common.files import sha256_json
from gesturebench.common.llm.config import LLMConfig

Message = dict[str, str]
"""`role` (system, user or assistant) and `content`."""

_SYSTEM = """\
You are an expert on the gestures that people make while they speak. Given what somebody says, you name the words that \
are most likely to come with a meaningful gesture. There are three kinds:
- iconic: the hands show the shape, size or movement of a concrete thing or action, as with "huge", "round" or "climb".
- metaphoric: the hands give form to an abstract idea, as with "growth", "maybe" or "the whole process".
- deictic: the speaker points at somebody, something or some place, real or imagined, as with "over there" or "you".
Beats, which only mark the rhythm of speech, do not count.
Reply with a Python list of (word, type) tuples and nothing else, for example \
[('huge', 'iconic'), ('you', 'deictic')]. Copy each word or short phrase exactly as it is spoken and give it one \
type. If no word deserves a gesture, reply []."""

_USER = "Name at most {words} important words with their types for this text:\n{text}"

_AGAIN = (
    "That is not a list I can read. Reply with nothing but a Python list of (word, type) tuples, type being iconic, "
    "metaphoric or deictic, or [] if there is none."
)

PROMPTS = {"words-1": (_SYSTEM, _USER, _AGAIN)}


@dataclass(frozen=True)
class Question:
    """What is asked about one text: at most `words` words; `rejected` are earlier replies that could not be read."""

    text: str
    words: int
    prompt: str
    rejected: tuple[str, ...] = ()

    @property
    def messages(self) -> list[Message]:
        """The conversation so far: instructions, the text, and for each rejected reply that it was none."""
        system, user, again = PROMPTS[self.prompt]
        asked = [_said("system", system), _said("user", user.format(words=self.words, text=self.text))]
        return asked + [said for reply in self.rejected for said in (_said("assistant", reply), _said("user", again))]


def _said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def prompt_hash(config: LLMConfig) -> str:
    """Sixteen hexadecimal digits of all that is asked beside the text: the wording, the number of words, and how a
    reply is sampled."""
    asked: dict[str, Any] = config.model_dump(include={"words", "temperature", "seed", "max_tokens"})
    return sha256_json({**asked, "wording": PROMPTS[config.prompt]})[:16]
