"""Respacing: which of the training timesteps a sampler visits, by counts per section or by name."""

import re
from collections.abc import Callable, Sequence

from gesturebench.common.errors import InputError, unknown_name

PUBLISHED = (15, 15, 8, 6, 6)
"""Timesteps per fifth, dense at the clean end (Mughal et al. 2025): 50 in all."""


def section_timesteps(steps: int, counts: Sequence[int]) -> list[int]:
    """`steps` cut into equal sections with `counts` evenly spread timesteps each (Dhariwal & Nichol 2021), ascending.

    >>> section_timesteps(1000, [15, 15, 8, 6, 6])[:4]
    [0, 14, 28, 43]
    """
    if not counts:
        raise InputError("respacing []", expected="at least one count")
    size, extra = divmod(steps, len(counts))
    chosen, start = [], 0
    for index, count in enumerate(counts):
        length = size + (index < extra)
        if not 1 <= count <= length:
            raise InputError(
                f"respacing {list(counts)}: section {index} has {length} steps",
                expected=f"a count from 1 to {length}, not {count}",
            )
        stride = 1.0 if count == 1 else (length - 1) / (count - 1)
        position = 0.0  # accumulated, as released: rounding of the running sum decides some timesteps
        for _ in range(count):
            chosen.append(start + round(position))
            position += stride
        start += length
    return chosen


def _strided(steps: int, count: int) -> list[int]:
    for stride in range(1, steps + 1):
        chosen = list(range(0, steps, stride))
        if len(chosen) == count:
            return chosen
    raise InputError(
        f"respacing 'ddim{count}': no whole stride through {steps} steps visits {count}",
        expected="a count such as 25, 50 or 100",
    )


def _fast(steps: int) -> list[int]:
    return [*section_timesteps(steps, PUBLISHED)[:-1], steps - 3]


NAMED: dict[str, Callable[[int], list[int]]] = {
    "fast27": _fast,
    "leading": lambda steps: [k * (steps // 50) for k in range(50)],
    "trailing": lambda steps: [0, *(steps * k // 50 - 1 for k in range(1, 51))],
}
"""`fast27`: the published sections, but the noisiest timestep is two lower (it counts 50, whatever its name says);
`leading`: 50 from 0 at a whole stride; `trailing`: 50 that end at the noisiest, and 0.
"""


def kept_timesteps(spacing: Sequence[int] | str, steps: int = 1000) -> list[int]:
    """Ascending timesteps of counts per section, of a name in `NAMED`, or of `ddimN` (N at the smallest whole stride
    from 0).

    >>> kept_timesteps("ddim50")[-2:], kept_timesteps("trailing")[-2:], kept_timesteps("fast27")[-2:]
    ([960, 980], [979, 999], [959, 997])
    """
    if not isinstance(spacing, str):
        return section_timesteps(steps, spacing)
    if strided := re.fullmatch(r"ddim([1-9]\d*)", spacing):
        return _strided(steps, int(strided[1]))
    if spacing not in NAMED:
        raise unknown_name("respacing", spacing, [*NAMED, "ddim50"])
    return NAMED[spacing](steps)


def checked_spacing(spacing: object) -> object:
    """What stands in a configuration, counts as a tuple, found out to be possible."""
    if isinstance(spacing, list | tuple) and all(type(count) is int for count in spacing):
        spacing = tuple(spacing)
    elif not isinstance(spacing, str):
        raise ValueError("a list of counts, such as [15, 15, 8, 6, 6], or a name, such as leading or ddim50")
    kept_timesteps(spacing)
    return spacing
