"""Which rules an event concerns: found by its type, then by equality values, in dictionaries.

For every event type, once, all predicates are specialised: rules that cannot take such an event
fall away, constant parts fall away, and what is left is compiled. An event that concerns no rule
costs one look-up, however many rules there are. Where many rules want the same type, those that
fix another field to a value are found by a second look-up, and those that need a piece of text in a
field by one pass over that text, which looks for the pieces of all rules at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from summit.base.limits import (
    INDEXED_TYPES_MAX,
    TEXT_REMEMBERED_CHARS_MAX,
    TEXTS_REMEMBERED_MAX,
)
from summit.events.expressions.analysis import equality_constraint, required_fields
from summit.events.expressions.generator import Names, true_code
from summit.events.expressions.ir import Literal, Node, Path
from summit.events.expressions.witnesses import Witnesses, witnesses
from summit.events.layouts import TypedLayout
from summit.events.regexes import Find, compile_pieces
from summit.keyed.rule import EVENT_TYPE, KeyedRule, KeyOf
from summit.keyed.specialise import specialise

NOT_IN_STREAM: Final = -1
_TABLE_MIN: Final = 4  # rules below which a look-up does not pay
_TABLES_MAX: Final = 3

MaskOf = Callable[[Any], int]


class Interest(NamedTuple):
    """One rule that an event may concern.

    Attributes:
        mask: The mask, where it is the same for all such events; else `mask_of` gives it.
        mask_of: Function of the decoded event; gives NOT_IN_STREAM outside the rule's stream.
    """

    rule: int
    mask: int
    mask_of: MaskOf | None
    key_of: KeyOf


class Table(NamedTuple):
    """Rules found by the value of a field; lists and maps cannot be looked up: `all` then."""

    value_of: Callable[[Any], Any]
    by_value: dict[Any, tuple[Interest, ...]]
    all: tuple[Interest, ...]


class TextTable:
    """Rules found by pieces of text in a field; see `witnesses`.

    What is found for a text is remembered: the texts of many fields come again and again.
    """

    __slots__ = ("_by_piece", "_find", "all", "known", "value_of")

    def __init__(
        self,
        value_of: Callable[[Any], Any],
        find: Find,
        by_piece: Sequence[tuple[Interest, ...]],
        everything: tuple[Interest, ...],
    ) -> None:
        self.value_of = value_of
        self.all = everything
        self.known: dict[str | None, tuple[Interest, ...]] = {None: ()}
        self._find = find
        self._by_piece = by_piece

    def look(self, value: Any) -> tuple[Interest, ...]:
        """The rules that an event with this value, which is not `known`, may concern."""
        if type(value) is not str:
            return ()
        numbers = self._find(value)
        if numbers is None:
            return self.all
        found = tuple({one.rule: one for n in numbers for one in self._by_piece[n]}.values())
        if len(value) <= TEXT_REMEMBERED_CHARS_MAX:
            if len(self.known) > TEXTS_REMEMBERED_MAX:
                self.known.clear()
                self.known[None] = ()
            self.known[value] = found
        return found


class Probe(NamedTuple):
    """The rules that events of one type may concern.

    Attributes:
        typed: False for events without a usable type: such an event is rejected when no rule
            takes it.
    """

    always: tuple[Interest, ...]
    tables: tuple[Table | TextTable, ...]
    typed: bool = True

    def interests(self, event: Any) -> Sequence[Interest]:
        """The rules that this event may concern."""
        if not self.tables:
            return self.always
        found = list(self.always)
        texts = False
        for table in self.tables:
            value = table.value_of(event)
            if isinstance(table, TextTable):
                try:
                    more = table.known.get(value)
                except TypeError:  # a list or a map
                    more = table.all
                if more is None:
                    more = table.look(value)
                if more:
                    texts = True
                    found.extend(more)
            elif type(value) is list or type(value) is dict:
                found.extend(table.all)
            else:
                found.extend(table.by_value.get(value, ()))
        if not found:
            return found
        if texts:  # a rule may be found by several fields
            found = list({one.rule: one for one in found}.values())
        found.sort(key=_rule_number)
        return found


def _rule_number(interest: Interest) -> int:
    return interest.rule


class _Wanted(NamedTuple):
    """A rule's predicates as far as they are left."""

    rule: int
    sees_all: bool
    where: Node | None
    constant: int
    open_bits: tuple[tuple[int, Node], ...]


class TypeIndex(dict[Any, "Probe | None"]):
    """Event type -> what it concerns, for the events of one topic; filled as types are met.

    A value that is no text, or none at all, is not kept: such events are put to every rule.
    """

    def __init__(self, rules: Sequence[tuple[int, KeyedRule]], compiler: ProbeCompiler) -> None:
        super().__init__()
        self._compiler = compiler
        self._open = [(number, rule) for number, rule in rules if rule.types is None]
        self._by_type: dict[Any, list[tuple[int, KeyedRule]]] = {}
        for number, rule in rules:
            for value in rule.types or ():
                self._by_type.setdefault(value, []).append((number, rule))
        # Types that no rule names are alike where no rule looks at the type in another way; and
        # beyond the limit they are not told apart, each predicate then reads the type itself.
        self._blind = all(EVENT_TYPE not in rule.fields() for _, rule in self._open)
        self._rules = rules

    @cached_property
    def untyped(self) -> Probe:
        """For events without a usable type; made when the first of them comes."""
        found = self._compiler.probe(self._rules, None)
        always, tables = ((), ()) if found is None else found[:2]
        return Probe(always, tables, typed=False)

    @cached_property
    def _other(self) -> Probe | None:
        return self._compiler.probe(self._open, None)

    def __missing__(self, event_type: Any) -> Probe | None:
        if type(event_type) is not str:
            return self.untyped
        full = len(self) >= INDEXED_TYPES_MAX
        if event_type not in self._by_type and (full or self._blind):
            if not full:
                self[event_type] = self._other
            return self._other
        rules = sorted([*self._open, *self._by_type.get(event_type, ())], key=_first)
        found = self._compiler.probe(rules, event_type)
        self[event_type] = found
        return found


def _first(numbered: tuple[int, KeyedRule]) -> int:
    return numbered[0]


class ProbeCompiler:
    """Makes probes; functions that are equal are made once."""

    def __init__(self, layout: TypedLayout, key_functions: Sequence[KeyOf]) -> None:
        self._layout = layout
        self._key_functions = key_functions
        self._masks: dict[tuple[Any, ...], MaskOf] = {}
        self._values: dict[Path, Callable[[Any], Any]] = {}

    def probe(self, rules: Iterable[tuple[int, KeyedRule]], event_type: str | None) -> Probe | None:
        """The probe for events of a type; None = for any type. None when no rule is left."""
        wanted = [
            left for number, rule in rules if (left := _left(number, rule, event_type)) is not None
        ]
        if not wanted:
            return None
        tables: list[Table] = []
        while len(tables) < _TABLES_MAX:
            path = _best_path(wanted)
            if path is None:
                break
            inside = [left for left in wanted if _constraint(left, path) is not None]
            tables.append(self._table(path, inside))
            wanted = [left for left in wanted if _constraint(left, path) is None]
        texts, wanted = self._text_tables(wanted)
        return Probe(tuple(map(self._interest, wanted)), (*tables, *texts))

    def _text_tables(self, wanted: list[_Wanted]) -> tuple[list[TextTable], list[_Wanted]]:
        """Tables for rules that need some piece of text, and the rules that are left."""
        needed = [_witnesses(left) for left in wanted]
        if sum(found is not None for found in needed) < _TABLE_MIN:
            return [], wanted
        by_path: dict[Path, dict[str, list[Interest]]] = {}
        rest: list[_Wanted] = []
        for left, found in zip(wanted, needed, strict=True):
            if found is None:
                rest.append(left)
                continue
            interest = self._interest(left)
            for path, piece in found:
                by_path.setdefault(path, {}).setdefault(piece, []).append(interest)
        tables: list[TextTable] = []
        for path, pieces in sorted(by_path.items()):
            every = tuple({one.rule: one for found in pieces.values() for one in found}.values())
            find = compile_pieces(list(pieces))
            if find is None:
                return [], wanted
            rows = [tuple(found) for found in pieces.values()]
            tables.append(TextTable(self._value_of(path), find, rows, every))
        return tables, rest

    def _table(self, path: Path, wanted: Sequence[_Wanted]) -> Table:
        by_value: dict[Any, list[Interest]] = {}
        everything = tuple(map(self._interest, wanted))
        for left, interest in zip(wanted, everything, strict=True):
            for value in _constraint(left, path) or ():
                found = by_value.setdefault(value, [])
                if interest not in found:  # 1 and true are one key here; the mask tells
                    found.append(interest)
        frozen = {value: tuple(interests) for value, interests in by_value.items()}
        return Table(self._value_of(path), frozen, everything)

    def _interest(self, left: _Wanted) -> Interest:
        key_of = self._key_functions[left.rule]
        if left.where is None and not left.open_bits:
            return Interest(left.rule, left.constant, None, key_of)
        return Interest(left.rule, 0, self._mask_of(left), key_of)

    def _mask_of(self, left: _Wanted) -> MaskOf:
        signature = left[2:]
        found = self._masks.get(signature)
        if found is None:
            names = Names()
            terms = [str(left.constant)] if left.constant else []
            for number, node in left.open_bits:
                terms.append(f"({1 << number} if {true_code(node, self._layout, names)} else 0)")
            code = " | ".join(terms) or "0"
            if left.where is not None:
                inside = true_code(left.where, self._layout, names)
                code = f"({code}) if {inside} else {NOT_IN_STREAM}"
            found = names.define(f"def mask(e):\n return {code}\n", "mask")
            self._masks[signature] = found
        return found

    def _value_of(self, path: Path) -> Callable[[Any], Any]:
        found = self._values.get(path)
        if found is None:
            names = Names()
            code = self._layout.field_code(path, names)
            found = self._values[path] = names.define(f"def value(e):\n return {code}\n", "value")
        return found


def _left(number: int, rule: KeyedRule, event_type: str | None) -> _Wanted | None:
    """What is left of a rule for events of a type; None = they cannot concern it."""
    where: Node | bool = True if rule.where is None else rule.where
    if event_type is not None and not isinstance(where, bool):
        where = specialise(where, EVENT_TYPE, event_type)
    if where is False:
        return None
    constant = 0
    open_bits: list[tuple[int, Node]] = []
    for bit, node in enumerate(rule.bits):
        left: Node | bool = node
        if event_type is not None:
            left = specialise(node, EVENT_TYPE, event_type)
        elif node == Literal(True):
            left = True
        if left is True:
            constant |= 1 << bit
        elif left is not False:
            assert isinstance(left, Node)
            open_bits.append((bit, left))
    if not constant and not open_bits and not rule.sees_all:
        return None
    return _Wanted(
        number,
        rule.sees_all,
        where if isinstance(where, Node) else None,
        constant,
        tuple(open_bits),
    )


def _constraint(left: _Wanted, path: Path) -> frozenset[Any] | None:
    """The values of the field outside of which the rule is not concerned; None = any."""
    if left.where is not None:
        found = equality_constraint(left.where, path)
        if found is not None:
            return found
    if left.sees_all or left.constant or not left.open_bits:
        return None
    values: set[Any] = set()
    for _, node in left.open_bits:
        of_bit = equality_constraint(node, path)
        if of_bit is None:
            return None
        values |= of_bit
    return frozenset(values)


def _witnesses(left: _Wanted) -> Witnesses | None:
    """Pieces of text without which the rule is not concerned; None = it may be all the same."""
    of_stream = None if left.where is None else witnesses(left.where)
    if left.sees_all or left.constant or not left.open_bits:
        return of_stream
    found: set[tuple[Path, str]] = set()
    for _, node in left.open_bits:
        of_bit = witnesses(node)
        if of_bit is None:
            return of_stream
        found |= of_bit
    return frozenset(found)


def _best_path(wanted: Sequence[_Wanted]) -> Path | None:
    """The field that finds most of these rules by value."""
    counts: Counter[Path] = Counter()
    for left in wanted:
        nodes = [node for _, node in left.open_bits]
        if left.where is not None:
            nodes.append(left.where)
        paths = {path for node in nodes for path in required_fields(node)}
        counts.update(path for path in paths if _constraint(left, path) is not None)
    best = min(counts, key=lambda path: (-counts[path], path), default=None)
    return best if best is not None and counts[best] >= _TABLE_MIN else None
