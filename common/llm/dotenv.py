"""Secrets from the environment or from a `.env` file, without a dependency."""

import os
import re
from pathlib import Path

from gesturebench.common.errors import InputError

_LINE = re.compile(r"""^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#\n]*?))\s*(?:#.*)?$""")


def secret(name: str, folder: Path | None = None) -> str | None:
    """The variable of the environment, else of the file `.env` in the folder (default: the one we are in)."""
    return os.environ.get(name, "").strip() or _from_file((folder or Path.cwd()) / ".env").get(name)


def _from_file(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})", remedy="mend or delete it") from error
    return parsed(text)


def parsed(text: str) -> dict[str, str]:
    """The variables of a `.env` file; lines that are none are skipped.

    >>> parsed("# keys\\nexport A='one two'\\nB=3 # three\\n")
    {'A': 'one two', 'B': '3'}
    """
    found = (_LINE.match(line) for line in text.splitlines())
    values = {match[1]: next(v for v in match.groups()[1:] if v is not None).strip() for match in found if match}
    return {name: value for name, value in values.items() if value}
