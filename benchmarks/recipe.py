"""From a row to what its method needs: a resolved configuration and trained parts. Done once for each row."""

import pickle
from dataclasses import dataclass, replace
from typing import Any

from gesturebench.benchmarks import planned
from gesturebench.benchmarks.grid import ALL, Grid, Row
from gesturebench.benchmarks.overrides import common_part, leaves, opened, strangers
from gesturebench.benchmarks.step import Sealed
from gesturebench.common.config import Config, merged
from gesturebench.common.errors import unknown_name
from gesturebench.methods.base import Component, Method
from gesturebench.methods.registry import get_method, method_names


class NotBuilt(Exception):
    """A row waits for something that the suite means to have; the message says for what."""


@dataclass(frozen=True)
class Recipe:
    """How every cell of a row is made: its method, all settings, what the run is told, what is trained for it, and
    lines about what it reads that is not on this machine."""

    method: type[Method]
    config: Sealed
    query: str
    parts: tuple[Component, ...]
    missing: tuple[str, ...] = ()


class Recipes:
    """The recipes of a grid's rows. What rows share (a method's preset with the grid's base, equal parts) is resolved
    once."""

    def __init__(self, grid: Grid):
        self.grid = grid
        self._methods: dict[str, type[Method]] = {}
        self._bases: dict[str, tuple[dict[str, Any], ...]] = {}
        self._parts: dict[tuple[Any, ...], Component] = {}
        self._check_base()

    def of(self, row: Row) -> Recipe:
        """Raises `NotBuilt` for a row that is not built yet, `InputError` for one that never could be."""
        if row.awaits:
            raise NotBuilt(row.awaits)
        method = self._method(row.method)
        config = self.config(method, row)
        parts = tuple(map(self._sealed, method.components(config)))
        sealed = Sealed(config.model_dump(mode="json"))
        return Recipe(method, sealed, method.query(config), parts, method.absences(config))

    def config(self, method: type[Method], row: Row) -> Config:
        """The grid's preset of the method with what the grid's base and the row change."""
        overrides = opened(row.config, method.Config)
        where = f"config of row {row.label!r}"
        return method.Config.parse(self._values(method, overrides), where)

    def _method(self, name: str) -> type[Method]:
        if name not in self._methods:
            if name not in (known := method_names()):
                if name not in planned.METHODS:
                    raise unknown_name("method", name, {*known, *planned.METHODS})
                raise NotBuilt(f"method {name!r} is not built yet")
            self._methods[name] = get_method(name)
        return self._methods[name]

    def _values(self, method: type[Method], overrides: dict[str, Any]) -> dict[str, Any]:
        """Preset, what the method has dictated, the grid's base, the row: later ones win."""
        preset, base, both = self._bases_of(method)
        values = merged(both, overrides)
        dictated = method.dictated(values)
        return merged(merged(merged(preset, dictated), base), overrides) if dictated else values

    def _bases_of(self, method: type[Method]) -> tuple[dict[str, Any], ...]:
        """The preset, what the grid's base changes of it, and the preset so changed."""
        if method.name not in self._bases:
            preset = method.preset(self.grid.preset).model_dump()
            shared = common_part(opened(self.grid.base.get(ALL, {}), method.Config), preset)
            own = opened(self.grid.base.get(method.name, {}), method.Config)
            base = merged(shared, own)
            self._bases[method.name] = preset, base, merged(preset, base)
        return self._bases[method.name]

    def _sealed(self, part: Component) -> Component:
        """One object for equal parts. Pickling is the quickest way to see that two configurations are equal; where it
        is wrong it is so on the safe side."""
        what = (part.name, part.fit, part.version, part.needs, part.seeded, pickle.dumps((part.config, part.place)))
        if what not in self._parts:
            self._parts[what] = replace(part, config=Sealed(part.config))
        return self._parts[what]

    def _check_base(self) -> None:
        """What the base changes for all must be a key of some method that is built."""
        shared = self.grid.base.get(ALL)
        names = {row.method for row in self.grid.rows} & set(method_names())
        if not shared or not names:
            return
        configs = [get_method(name).preset(self.grid.preset).model_dump() for name in names]
        unknown = strangers(opened(shared, None), configs)
        if unknown:
            known = {key for config in configs for key in leaves(config)}
            raise unknown_name(f"key of the grid's base.{ALL}", unknown[0], known)


def row_config(method: type[Method], row: Row, grid: Grid) -> Config:
    """The configuration of one row that is built."""
    return Recipes(grid).config(method, row)
