"""Codebooks of a grid's codecs: how often each code is chosen, and what is kept of motion; one panel per codec."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gesturebench.benchmarks.plan import Plan
from gesturebench.benchmarks.state import RunStore, StepState
from gesturebench.common.codecs.vq_config import QUALITY
from gesturebench.common.files import read_json
from gesturebench.results.figure_curves import Fit, fits_of
from gesturebench.results.figure_style import Grid, NothingToDraw, house_style, look, sheet
from gesturebench.results.figure_words import title_of
from gesturebench.results.remarks import trained_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _COLUMNS = 1.9, 1.6, 4


def codes_figure(plan: Plan, store: RunStore, states: Mapping[str, StepState] | None = None) -> "Figure":
    """Every finished codec that has a codebook."""
    states = store.states(plan.steps) if states is None else states
    found = list(_codecs(plan, store, states))
    if not found:
        raise NothingToDraw(
            f"{plan.grid.title}: no trained codebook is there",
            expected="finished codecs with codes, vq_<part>",
            remedy="run a grid with a method that predicts codes",
        )
    named = Counter(fit.component for fit, _ in found)
    with house_style():
        grid = Grid(len(found), min(len(found), _COLUMNS), _WIDTH, _HEIGHT)
        panels = sheet(title_of(plan, "codebooks"), _caption(plan, found, store), grid)
        for axes, (fit, quality) in zip(panels, found, strict=True):
            _draw(axes, quality)
            axes.set_title(fit.component if named[fit.component] == 1 else f"{fit.component}, {fit.name}")
        return panels[0].get_figure(root=True)


def _codecs(
    plan: Plan, store: RunStore, states: Mapping[str, StepState]
) -> Iterator[tuple[Fit, Mapping[str, Mapping[str, Any]]]]:
    for fit in fits_of(plan):
        path = fit.step.folder(store.runs) / QUALITY
        if states[fit.step.key].status == "done" and path.is_file():
            quality = read_json(path)
            if "codebook" in quality:
                yield fit, quality


def _caption(plan: Plan, found: Sequence[tuple[Fit, Mapping[str, Any]]], store: RunStore) -> str:
    divided = ((fit.step.label, store.record(fit.step).get("batch_divisor", 1)) for fit, _ in found)
    sentences = [
        f"Training split of {plan.grid.data}, size {plan.grid.preset}: share of its frames that each code stands for, "
        "most frequent first. Dead codes stand for none; perplexity: how many equally frequent codes would be as "
        "varied.",
        "Errors of reconstruction: mean angle of rotations and mean distance of the points that the part moves.",
        *(f"{label} {trained_with(divisor)}." for label, divisor in divided if divisor != 1),
    ]
    return " ".join(sentences)


def _draw(axes: "Axes", quality: Mapping[str, Mapping[str, Any]]) -> None:
    codebook, kept = quality["codebook"], quality["reconstruction"]
    counts = np.sort(codebook["counts"])[::-1]
    axes.bar(np.arange(1, len(counts) + 1), 100 * counts / counts.sum(), width=1.0, color=look(0)["color"])
    axes.set_xlim(0.5, len(counts) + 0.5)
    axes.set_xlabel("code")
    axes.set_ylabel("% of frames")
    axes.locator_params(nbins=4)
    axes.text(
        0.97,
        0.95,
        told(codebook, kept),
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize="x-small",
        color="0.35",
    )


def told(codebook: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    """What stands in a panel.

    >>> print(told({"codes": 64, "used": 60, "dead": 4, "perplexity": 42.79},
    ...            {"split": "val", "rotation_deg": 4.147, "point_mm": 4.076}))
    60 of 64 used, 4 dead
    perplexity 42.8
    val: 4.15 deg, 4.08 mm
    """
    return (
        f"{codebook['used']} of {codebook['codes']} used, {codebook['dead']} dead\n"
        f"perplexity {codebook['perplexity']:.3g}\n"
        f"{kept['split']}: {kept['rotation_deg']:.3g} deg, {kept['point_mm']:.3g} mm"
    )
