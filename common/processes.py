"""What a program needs to know of training on several processes without importing torch."""

import importlib.util

from gesturebench.common.errors import InputError

RANKS = "GESTUREBENCH_RANKS"
"""The environment variable that tells a process how many ranks it is one of."""


class PeerLost(RuntimeError):
    """A process of a training on several died: the others cannot go on."""


def require_accelerate() -> None:
    """Refuse several processes where the package that joins them is missing."""
    if importlib.util.find_spec("accelerate") is None:
        raise InputError(
            "the package accelerate is not installed",
            expected="it, for training on several processes",
            remedy="pip install 'gesturebench[distributed]', or set training.processes to 1",
        )
