"""Which words of a text deserve a gesture: asked of a language model or of rules, read from its reply, found in time.

`semantic_words(text, config)` are the words alone, `ask` says beside them what the reply was; `locate(words,
timed_words)` tells when they are spoken.
"""

from gesturebench.common.llm.asking import Answer, ask, semantic_words
from gesturebench.common.llm.config import LLMConfig
from gesturebench.common.llm.locating import LocatedWord, locate
from gesturebench.common.llm.parsing import SemanticWord

__all__ = ["Answer", "LLMConfig", "LocatedWord", "SemanticWord", "ask", "locate", "semantic_words"]
