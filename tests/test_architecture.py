"""The plan of the house, held by the imports themselves."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "common": {"common"},
    "evaluators": {"common", "evaluators"},
    "methods": {"common", "methods"},
    "benchmarks": {"common", "evaluators", "methods", "benchmarks"},
    "results": {"common", "evaluators", "methods", "benchmarks", "results"},
    "slurm": {"common", "evaluators", "methods", "benchmarks", "slurm"},
    "gesturebench": {"common", "evaluators", "methods", "benchmarks", "results", "slurm", "gesturebench"},
}
"""Downwards: results, slurm -> benchmarks -> methods, evaluators -> common; only the command line sees all."""
LATENCY = ROOT / "benchmarks" / "latency"
"""Benchmarks run by pytest from the checkout: no part of the package."""
SOURCES = sorted(
    path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py") if not path.is_relative_to(LATENCY)
)


def imported(path: Path) -> set[str]:
    """Dotted names below `gesturebench` that a file imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("gesturebench.") for name in names if name.startswith("gesturebench.")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    folder = path.relative_to(ROOT).parts[0]
    above = {name for name in imported(path) if name.split(".")[0] in MAY_IMPORT.keys() - MAY_IMPORT[folder]}
    assert not above, f"{folder} must not know {above}"


def test_methods_do_not_know_each_other():
    packages = {path.parent.name for path in (ROOT / "methods").glob("*/__init__.py")}
    for path in (ROOT / "methods").glob("*/**/*.py"):
        own = path.relative_to(ROOT / "methods").parts[0]
        foreign = {n for n in imported(path) if n.startswith("methods.") and n.split(".")[1] in packages - {own}}
        assert not foreign, f"{path} imports {foreign}"


def test_every_package_folder_is_declared_and_every_declared_one_exists():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    expected = {".".join(f.parts if f.parts[0] == "gesturebench" else ("gesturebench", *f.parts)) for f in folders}
    assert set(declared["packages"]) == expected
    undocumented = [folder for folder in folders if not (ROOT / folder / "__init__.py").exists()]
    assert not undocumented, f"no __init__.py in {undocumented}"


def test_test_folders_mirror_the_code():
    known = MAY_IMPORT.keys() | {"parity", "golden", "e2e", "__pycache__"}
    strangers = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - known
    assert not strangers
