"""Conditions over several fields, tested through what tables know of each field.

The largest parts of such conditions that read one field are atoms. A table for each field remembers
by value which atoms hold, for all conditions together; a condition is then a few look-ups and tests
of bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from summit.events.expressions.analysis import required_fields
from summit.events.expressions.clues import clues
from summit.events.expressions.generator import Names, true_code
from summit.events.expressions.ir import And, Node, Or, Path
from summit.events.layouts import TypedLayout
from summit.keyed.field_table import FieldTable

Test = Callable[[Any], Any]


class Atoms:
    """The atoms of some conditions.

    Args:
        nodes: The conditions, as `clues.positive` gives them.
    """

    def __init__(self, nodes: Iterable[Node], layout: TypedLayout) -> None:
        self._layout = layout
        self._bits: dict[Path, dict[Node, int]] = {}
        self._tables: dict[Path, FieldTable] = {}
        self._path_of: dict[Node, Path] = {}
        for node in nodes:
            self._collect(node)

    def test_of(self, node: Node) -> Test:
        """A function of a decoded event: truthy exactly when the node, one of those given, is true.

        Cost: a look-up for each field.
        """
        names = Names()
        used: dict[Path, str] = {}
        code = self._code(node, used, names)
        quick, slow = [], []
        for path, local in used.items():
            table = self._table(path)
            value = self._layout.field_code(path, names)
            quick.append(f"  {local} = {names.bind(table, 'table')}[{value}]\n")
            slow.append(f"  {local} = {names.bind(table.of)}({value})\n")
        source = "".join([
            "def test(e):\n try:\n  pass\n", *quick, f" except {names.bind(TypeError)}:\n", *slow,
            f"  pass\n return {code}\n",
        ])  # fmt: skip
        made: Test = names.define(source, "test")
        return made

    def _collect(self, node: Node) -> None:
        fields = required_fields(node)
        if len(fields) == 1 and clues(node) is not None:
            (path,) = fields
            bits = self._bits.setdefault(path, {})
            bits.setdefault(node, 1 << len(bits))
            self._path_of[node] = path
        elif isinstance(node, (And, Or)):
            for item in node.items:
                self._collect(item)

    def _table(self, path: Path) -> FieldTable:
        found = self._tables.get(path)
        if found is None:
            bits = self._bits[path]
            found = self._tables[path] = FieldTable(bits.items(), (1 << len(bits)) - 1)
        return found

    def _code(self, node: Node, used: dict[Path, str], names: Names) -> str:
        path = self._path_of.get(node)
        if path is not None:
            local = used.setdefault(path, f"x{len(used)}")
            return f"{local} & {self._bits[path][node]}"
        if isinstance(node, (And, Or)):
            joint = " and " if isinstance(node, And) else " or "
            return "(" + joint.join(self._code(item, used, names) for item in node.items) + ")"
        return true_code(node, self._layout, names)
