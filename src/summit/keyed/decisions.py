"""Which of many conditions an event satisfies, with as little work as its values allow.

Conditions are numbered by bits. First the tables of a few fields are asked that between them have
a say in every condition; most events are out of all of them then. For what is left, the way goes on
through a tree that grows with the events that come: at each node the field that has a say in most
of the conditions left, at its end what must be tested on the event itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from summit.events.expressions.analysis import required_fields
from summit.events.expressions.clues import Clues, clues, on_field, positive
from summit.events.expressions.generator import Names, true_code
from summit.events.expressions.ir import (
    And,
    Contains,
    EndsWith,
    InNetwork,
    Matches,
    Node,
    Or,
    Path,
    StartsWith,
    walk,
)
from summit.events.layouts import TypedLayout
from summit.keyed.atoms import Atoms, Test
from summit.keyed.field_table import FieldTable, same_tests

TABLE_MIN: Final = 4  # conditions below which look-ups do not pay
_NODES_MAX: Final = 20_000
_ALTERNATIVES_MAX: Final = 16
_OF_TEXTS: Final = (Matches, Contains, StartsWith, EndsWith, InNetwork)

Found = tuple[Any, ...]


class _Condition(NamedTuple):
    """One condition, or one of the alternatives that it is, taken apart.

    Attributes:
        on: What it demands of single fields, as far as tables know it, with the clues to it.
        rest: What else it demands; None = nothing.
    """

    on: Mapping[Path, tuple[Node, Clues | None]]
    rest: Node | None


class Decider:
    """Finds the conditions that events satisfy.

    Args:
        trees: The conditions; None = always satisfied.
        found_of: Gives what stands for a set of them: (numbers of those satisfied) -> answer.
        compiler: Makes the functions.
    """

    def __init__(
        self,
        trees: Sequence[Node | None],
        found_of: Callable[[list[int]], Found],
        compiler: Functions,
    ) -> None:
        self._compiler = compiler
        self._found_of = found_of
        self._tables: dict[Path, FieldTable] = {}
        self._rows_of: dict[Path, int] = {}
        self._node_count = 0
        self._order: list[int] = []  # condition number by bit
        self._rests: list[tuple[Node, int]] = []
        self._tests: dict[Node, Test] = {}
        self._final = _Final(self)
        open_ones = [tree for tree in trees if tree is not None]
        if len(open_ones) < TABLE_MIN:
            self.find = self._find_directly(trees)
        else:
            self.find = self._find_by_tables(trees)

    def found(self, satisfied: int) -> Found:
        """The answer for a set of conditions."""
        order = self._order
        return self._found_of([order[bit] for bit in _bits(satisfied)])

    # ---- few conditions ----

    def _find_directly(self, trees: Sequence[Node | None]) -> Callable[[Any], Found]:
        self._order = list(range(len(trees)))
        names = Names()
        terms = [
            str(1 << number)
            if tree is None
            else f"({1 << number} if {true_code(tree, self._compiler.layout, names)} else 0)"
            for number, tree in enumerate(trees)
        ]
        final = names.bind(self._final, "final")
        if all(tree is None for tree in trees):
            source = f"def find(e):\n return {names.bind(self._final[(1 << len(trees)) - 1])}\n"
        else:
            source = f"def find(e):\n return {final}[{' | '.join(terms)}]\n"
        made: Callable[[Any], Found] = names.define(source, "find")
        return made

    # ---- many ----

    def _find_by_tables(self, trees: Sequence[Node | None]) -> Callable[[Any], Found]:
        conditions: list[_Condition] = []
        number_of: list[int] = []
        for number, tree in enumerate(trees):
            apart = _take_apart(tree)
            conditions += apart
            number_of += [number] * len(apart)
        first, covered_by = _cover(conditions)
        # What the first tables rule out has the highest bits, so that what is left is a small
        # number.
        rank = {path: number for number, path in enumerate(first)}
        order = sorted(
            range(len(conditions)), key=lambda n: -rank.get(covered_by.get(n, ()), len(first))
        )
        self._order = [number_of[place] for place in order]
        every = (1 << len(conditions)) - 1
        wanted: dict[Path, list[tuple[Node, int]]] = {}
        for bit, place in enumerate(order):
            condition = conditions[place]
            for path, (node, _) in condition.on.items():
                wanted.setdefault(path, []).append((node, 1 << bit))
            if condition.rest is not None:
                self._rests.append((condition.rest, 1 << bit))
        self._rests = same_tests(self._rests)
        self._atoms = Atoms((node for node, _ in self._rests), self._compiler.layout)
        for path in (*first, *sorted(wanted.keys() - set(first))):
            nodes = same_tests(wanted[path])
            self._tables[path] = FieldTable(nodes, every)
            self._rows_of[path] = sum(bits for _, bits in nodes)  # no bit stands in two of them
        self._first = first
        rest = tuple(path for path in self._tables if path not in rank)
        self._roots = _Children(self, rest)
        if not first:
            return lambda e: self._follow(every, e)
        return self._define_find()

    def _define_find(self) -> Callable[[Any], Found]:
        names = Names()
        layout = self._compiler.layout
        tables = [names.bind(self._tables[path], "table") for path in self._first]

        def asked(code_of: Callable[[Path, Names], str]) -> list[str]:
            lines = []
            for number, (path, table) in enumerate(zip(self._first, tables, strict=True)):
                lines.append(f"   a {'&' if number else ''}= {table}[{code_of(path, names)}]\n")
            return lines

        source = "".join([
            "def find(e):\n try:\n",
            f"  if {layout.plain_test()}:\n", *asked(layout.plain_code),
            "  else:\n", *asked(layout.field_code),
            f" except {names.bind(TypeError)}:\n  a = {names.bind(self._slow)}(e)\n",
            f" return {names.bind(self._follow)}(a, e) if a else ()\n",
        ])  # fmt: skip
        made: Callable[[Any], Found] = names.define(source, "find")
        return made

    def _slow(self, event: Any) -> int:
        """As the look-ups of `find`, where some field is a list or a map."""
        found = -1
        for path in self._first:
            found &= self._tables[path].of(self._compiler.value_of(path)(event))
        return found

    def _follow(self, left: int, event: Any) -> Found:
        node = self._roots[left]
        while node.table is not None:
            value = node.value_of(event)
            try:
                left &= node.table[value]
            except TypeError:  # a list or a map
                left &= node.table.of(value)
            if not left:
                return ()
            node = node.children[left]
        if not node.tests:
            return node.found
        for test, bits in node.tests:
            if not test(event):
                left &= ~bits
        return self._final[left]

    def _test_of(self, node: Node) -> Test:
        found = self._tests.get(node)
        if found is None:
            found = self._tests[node] = self._atoms.test_of(node)
        return found

    def make_node(self, left: int, paths: tuple[Path, ...]) -> _Node:
        """The node for what is left, with the fields that were not asked yet."""
        self._node_count += 1
        if self._node_count > _NODES_MAX:
            self._node_count = 0
            self._roots.clear()
        rows_of = self._rows_of
        path = max(paths, key=lambda each: (rows_of[each] & left).bit_count(), default=None)
        if path is not None and rows_of[path] & left:
            rest = tuple(each for each in paths if each != path)
            return _Node(
                self._tables[path], self._compiler.value_of(path), _Children(self, rest), (), ()
            )
        tests = tuple(
            (self._test_of(node), bits & left)
            for node, bits in self._rests if bits & left
        )  # fmt: skip
        return _Node(None, _nothing, _Children(self, ()), tests, () if tests else self.found(left))


class _Node(NamedTuple):
    """A place on the way.

    Attributes:
        table: What is asked next; None = nothing, the way is at its end.
    """

    table: FieldTable | None
    value_of: Callable[[Any], Any]
    children: _Children
    tests: tuple[tuple[Test, int], ...]
    found: Found


class _Children(dict[int, _Node]):
    """Nodes by what is left; made as they are met."""

    def __init__(self, decider: Decider, paths: tuple[Path, ...]) -> None:
        super().__init__()
        self._decider = decider
        self._paths = paths

    def __missing__(self, left: int) -> _Node:
        found = self[left] = self._decider.make_node(left, self._paths)
        return found


class _Final(dict[int, Found]):
    """Answers by what is satisfied."""

    def __init__(self, decider: Decider) -> None:
        super().__init__({0: ()})
        self._decider = decider

    def __missing__(self, satisfied: int) -> Found:
        if len(self) > _NODES_MAX:
            self.clear()
        found = self[satisfied] = self._decider.found(satisfied)
        return found


class Functions:
    """Functions of decoded events; those that are equal are made once."""

    def __init__(self, layout: TypedLayout) -> None:
        self.layout = layout
        self._values: dict[Path, Callable[[Any], Any]] = {}

    def value_of(self, path: Path) -> Callable[[Any], Any]:
        """Gives a field's value."""
        found = self._values.get(path)
        if found is None:
            names = Names()
            code = self.layout.field_code(path, names)
            found = self._values[path] = names.define(f"def value(e):\n return {code}\n", "value")
        return found


def _nothing(_event: Any) -> None:
    raise AssertionError("the way is at its end")


def _bits(number: int) -> list[int]:
    found = []
    while number:
        lowest = number & -number
        found.append(lowest.bit_length() - 1)
        number ^= lowest
    return found


def _take_apart(tree: Node | None) -> list[_Condition]:
    if tree is None:
        return [_Condition({}, None)]
    return [_alternative(node) for node in _alternatives(positive(tree), _ALTERNATIVES_MAX)]


def _alternatives(node: Node, room: int) -> list[Node]:
    """Nodes of which at least one is true where the node is; as many as there is room for.

    So a condition that any of several fields may satisfy can be found by each of them.
    """
    items = _flat(node)
    for place, item in enumerate(items):
        if not isinstance(item, Or) or len(required_fields(item)) < 2:
            continue
        of_field: dict[Path, list[Node]] = {}
        found: list[Node] = []
        for part in item.items:
            fields = required_fields(part)
            if len(fields) == 1:
                of_field.setdefault(next(iter(fields)), []).append(part)
            else:
                found.append(part)
        found += [parts[0] if len(parts) == 1 else Or(tuple(parts)) for parts in of_field.values()]
        if len(found) <= room:
            before, behind = items[:place], items[place + 1 :]
            return [
                each for one in found
                for each in _alternatives(And((*before, one, *behind)), room // len(found))
            ]  # fmt: skip
    return [items[0] if len(items) == 1 else And(items)]


def _flat(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, And):
        return (node,)
    return tuple(each for item in node.items for each in _flat(item))


def _alternative(plain: Node) -> _Condition:
    known: dict[Path, tuple[Node, Clues | None]] = {}
    for path in sorted(required_fields(plain)):
        node = on_field(plain, path)
        if node is not None:
            found = clues(node)
            if found is not None or any(isinstance(each, _OF_TEXTS) for each in walk(node)):
                known[path] = (node, found)
    if any(_rules_out(found) for _, found in known.values()):
        known = {path: each for path, each in known.items() if each[1] is not None}
    items = plain.items if isinstance(plain, And) else (plain,)
    rest = [item for item in items if not _is_known(item, known)]
    if not rest:
        return _Condition(known, None)
    return _Condition(known, rest[0] if len(rest) == 1 else And(tuple(rest)))


def _rules_out(found: Clues | None) -> bool:
    return found is not None and not found.otherwise


def _is_known(item: Node, known: Mapping[Path, Any]) -> bool:
    """Whether a table decides the item."""
    fields = required_fields(item)
    return len(fields) == 1 and next(iter(fields)) in known


def _cover(conditions: Sequence[_Condition]) -> tuple[list[Path], dict[int, Path]]:
    """Fields that between them have a say in every condition that any has a say in.

    Fields that rule a condition out for most values come first, then the others.

    Returns: The fields, those that decide most first; and by condition the first that has a say.
    """
    left = {number for number, condition in enumerate(conditions) if condition.on}
    covered_by: dict[int, Path] = {}
    first: list[Path] = []
    for strong in (True, False):
        counts: Counter[Path] = Counter()
        while True:
            counts.clear()
            for number in left:
                for path, (_, found) in conditions[number].on.items():
                    if _rules_out(found) or not strong:
                        counts[path] += 1
            best = min(counts, key=lambda path: (-counts[path], path), default=None)
            if best is None:
                break
            if best not in first:
                first.append(best)
            taken = {
                number for number in left
                if best in conditions[number].on
                and (not strong or _rules_out(conditions[number].on[best][1]))
            }  # fmt: skip
            covered_by.update(dict.fromkeys(taken, best))
            left -= taken
    return first, covered_by
