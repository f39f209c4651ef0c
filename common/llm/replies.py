"""Replies of language models on disk: one small JSON file per question, written whole, by whoever is first.

Layout: <folder>/<provider>-<model>-<prompt>/<key>.json. The key covers provider, model, prompt and text, and of a
question that is asked again the replies that could not be read. The file says all of that in full, the reply as it
came, and a check sum: an entry that is damaged counts as none and is made anew. A folder of such files reproduces what
was measured with them where the model cannot be asked.
"""

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json, sha256_json, write_json
from gesturebench.common.llm.prompt import Question
from gesturebench.common.user_cache import cache_folder

REPLIES, OFFLINE = "GESTUREBENCH_REPLIES", "GESTUREBENCH_OFFLINE"
"""Environment variables: the folder of replies, and that nobody is to be asked."""


@dataclass(frozen=True)
class Asked:
    """Who is asked, and how: `prompt` is the hash of the wording and of how replies are sampled."""

    provider: str
    model: str
    prompt: str


class ReplyCache:
    """The replies in a folder. Several processes may read and write it; the first reply to a question stays."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, asked: Asked, question: Question) -> Path:
        model = re.sub(r"[^\w.-]+", "_", asked.model)[:80]
        home = self.folder / f"{asked.provider}-{model}-{asked.prompt}"
        return home / f"{sha256_json(_identity(asked, question))[:32]}.json"

    def get(self, asked: Asked, question: Question) -> str | None:
        """The reply, None where there is no entry or a damaged one."""
        try:
            entry = read_json(self.path(asked, question))
        except InputError:
            return None
        content = {**_identity(asked, question), "reply": entry.get("reply") if isinstance(entry, dict) else None}
        return content["reply"] if entry == {**content, "check": sha256_json(content)} else None

    def put(self, asked: Asked, question: Question, reply: str) -> str:
        """Keep the reply; returns the one that is kept, another's if another process was faster."""
        path = self.path(asked, question)
        content = {**_identity(asked, question), "reply": reply}
        own = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.json")
        write_json(own, {**content, "check": sha256_json(content)})
        try:
            os.link(own, path)  # unlike a rename it never replaces
        except OSError:
            kept = self.get(asked, question)
            if kept is not None:
                return kept
            os.replace(own, path)  # damaged, or a file system without links
        finally:
            own.unlink(missing_ok=True)
        return reply


def _identity(asked: Asked, question: Question) -> dict[str, Any]:
    return {
        "provider": asked.provider,
        "model": asked.model,
        "prompt": asked.prompt,
        "text": question.text,
        "rejected": list(question.rejected),
    }


def replies_folder() -> Path:
    """$GESTUREBENCH_REPLIES, else `llm-replies` in the user's cache folder."""
    given = os.environ.get(REPLIES)
    return Path(given) if given else cache_folder() / "llm-replies"


def is_offline() -> bool:
    """Whether $GESTUREBENCH_OFFLINE says that no reply may be made, only read."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "false", "no", "off")
