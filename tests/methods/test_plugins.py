"""Methods of others: a plugin that is broken is told as such and harms nobody else."""

from pathlib import Path

import pytest

from gesturebench.common.errors import InputError
from gesturebench.methods.registry import GROUP, get_method, method_names, survey

MODULES = {
    "good": "from gesturebench.methods.anchors import GroundTruth\nclass Method(GroundTruth):\n    name = 'good'\n",
    "raises": "1 / 0",
    "exits": "import sys\nsys.exit(3)",
    "other": "class Method:\n    pass",
}
SAYS = {
    "raises": "ZeroDivisionError: division by zero",
    "exits": "SystemExit: 3",
    "other": "TypeError: .* is no subclass of Method",
}


@pytest.fixture
def plugins(tmp_path, monkeypatch) -> Path:
    """A distribution with these modules, installed as far as Python can tell."""
    for name, text in MODULES.items():
        (tmp_path / f"plugged_{name}.py").write_text(text)
    info = tmp_path / "plugged-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1\n")
    points = "\n".join(f"{name} = plugged_{name}:Method" for name in MODULES)
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SAYS)
def test_a_broken_plugin_says_its_last_line(plugins, name):
    with pytest.raises(InputError, match=rf"plugin '{name}' \(plugged_{name}:Method\) is broken: {SAYS[name]}; mend"):
        get_method(name)


def test_it_harms_nobody_else(plugins):
    states = dict(survey())
    assert {*MODULES, "ground_truth"} <= set(method_names())
    assert states["good"] == states["ground_truth"] == "ok"
    assert all("is broken" in states[name] for name in SAYS)
    assert get_method("good").name == "good"
