"""A text is asked about, the reply is read, and a reply that cannot be read is asked for again."""

from dataclasses import dataclass
from typing import Literal

from gesturebench.common.errors import InputError, shown
from gesturebench.common.llm.config import LLMConfig
from gesturebench.common.llm.parsing import SemanticWord, parse
from gesturebench.common.llm.prompt import Question, prompt_hash
from gesturebench.common.llm.providers import Provider, provider_of
from gesturebench.common.llm.replies import OFFLINE, REPLIES, Asked, ReplyCache, is_offline, replies_folder

State = Literal["words", "none", "unreadable", "no text"]
"""`words` were found; the reply says that there are `none`; no reply could be read; there was nothing to ask about."""


@dataclass(frozen=True)
class Answer:
    """The words of a text and how they came about: by whom, and every reply as it came, the last one being what was
    read unless the state is `unreadable`."""

    words: tuple[SemanticWord, ...]
    state: State
    provider: str
    model: str
    replies: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """One line for a report.

        >>> Answer((), "unreadable", "openai", "gpt-4o-mini", ("As an AI", "Sorry")).note
        "openai gpt-4o-mini: no words, none of 2 replies could be read, the last was 'Sorry'"
        """
        who = f"{self.provider} {self.model}"
        if self.state == "unreadable":
            return f"{who}: no words, none of {_replies(self.replies)} could be read, the last was {self._last}"
        if self.state == "no text":
            return f"{who}: nothing is said"
        found = ", ".join(f"{word} ({kind})" for word, kind in self.words) or "no words"
        return f"{who}: {found}" + (f", after {len(self.replies) - 1} unreadable" if len(self.replies) > 1 else "")

    @property
    def _last(self) -> str:
        return shown(" ".join(self.replies[-1].split()))


def semantic_words(text: str, config: LLMConfig) -> tuple[SemanticWord, ...]:
    """The words of a text that deserve a gesture, with the kind of it.

    >>> semantic_words("the big house stood over there", LLMConfig())
    (SemanticWord(word='big', kind='iconic'), SemanticWord(word='there', kind='deictic'))
    """
    return ask(text, config).words


def ask(text: str, config: LLMConfig, cache: ReplyCache | None = None) -> Answer:
    """The answer to a text, spaces aside; `cache` is the user's where none is given.

    A reply that cannot be read is kept like any other, and the question repeated with it `config.repeats` times; then
    `config.unreadable` decides.
    """
    text, provider = " ".join(text.split()), provider_of(config)
    told = config.provider, provider.model
    rejected: tuple[str, ...] = ()
    if not text:
        return Answer((), "no text", *told)
    cache = cache or ReplyCache(replies_folder())
    for _ in range(1 + config.repeats):
        reply = _reply(Question(text, config.words, config.prompt, rejected), provider, config, cache)
        read = parse(reply, config.reading, config.words)
        if read.readable:
            return Answer(read.words, "words" if read.words else "none", *told, (*rejected, reply))
        rejected += (reply,)
    answer = Answer((), "unreadable", *told, rejected)
    if config.unreadable == "error":
        raise InputError(
            f"{answer.note}; the text was {shown(text)}",
            expected="a list of words with types",
            remedy="choose a larger model, raise `repeats`, or set `unreadable: none` to go on without words",
        )
    return answer


def _reply(question: Question, provider: Provider, config: LLMConfig, cache: ReplyCache) -> str:
    if not provider.is_cached:
        return provider.reply(question)
    asked = Asked(config.provider, provider.model, prompt_hash(config))
    known = cache.get(asked, question)
    if known is None and is_offline():
        raise _missing(asked, question, cache)
    return known if known is not None else cache.put(asked, question, provider.reply(question))


def _missing(asked: Asked, question: Question, cache: ReplyCache) -> InputError:
    path = cache.path(asked, question)
    state = "a damaged" if path.exists() else "no"
    return InputError(
        f"offline, and {state} cached reply of {asked.provider} {asked.model} to {shown(question.text)}",
        expected=f"the file {path}",
        remedy=f"set {REPLIES} to the folder of replies that came with the numbers, or ask again with {OFFLINE} unset",
    )


def _replies(replies: tuple[str, ...]) -> str:
    return f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
