"""Which rules an event concerns, and what of them it satisfies: found by its type first.

For every event type, once, all predicates are specialised: rules that cannot take such an event
fall away, constant parts fall away. An event of a type that concerns no rule costs one look-up,
however many rules there are; of the others, `decisions.py` finds what is satisfied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from summit.events.expressions.ir import And, Literal, Node, Path
from summit.events.layouts import TypedLayout
from summit.keyed.decisions import Decider, Found, Functions
from summit.keyed.rule import EVENT_TYPE, KeyedRule, KeyOf
from summit.keyed.specialise import specialise


class Interest(NamedTuple):
    """One rule that an event concerns.

    Attributes:
        mask: What the event satisfies of the rule, by bit; 0 for an event of the rule's own stream
            that satisfies nothing, where the rule sees those.
    """

    rule: int
    mask: int
    key_of: KeyOf


class Probe(NamedTuple):
    """The rules that events of one type may concern.

    Attributes:
        find: The interests of a decoded event, by rule number; the empty tuple for none.
        fields: All that these rules read.
    """

    find: Callable[[Any], Found]
    fields: frozenset[Path]


class _Wanted(NamedTuple):
    """A rule's predicates as far as they are left.

    Attributes:
        where: The rule's own stream; None = every event.
        constant: The bits that all of these events satisfy.
    """

    rule: int
    sees_all: bool
    where: Node | None
    constant: int
    open_bits: tuple[tuple[int, Node], ...]

    def conditions(self) -> Iterable[tuple[Node | None, int]]:
        """(condition, bits of the mask that it sets)."""
        if self.sees_all or self.constant:
            yield self.where, self.constant
        for number, node in self.open_bits:
            yield node if self.where is None else And((self.where, node)), 1 << number


class ProbeCompiler:
    """Makes probes; functions that are equal are made once."""

    def __init__(self, layout: TypedLayout, key_functions: Sequence[KeyOf]) -> None:
        self._key_functions = key_functions
        self._functions = Functions(layout)

    def value_of(self, path: Path) -> Callable[[Any], Any]:
        """A function that gives a field of a decoded event."""
        return self._functions.value_of(path)

    def probe(self, rules: Iterable[tuple[int, KeyedRule]], event_type: str | None) -> Probe | None:
        """The probe for events of a type; None = for any type. None when no rule is left."""
        owners: dict[Node | None, list[tuple[int, int]]] = {}
        fields: set[Path] = set()
        for number, rule in rules:
            left = _left(number, rule, event_type)
            if left is not None:
                fields.update(rule.fields())
                for tree, bits in left.conditions():
                    owners.setdefault(tree, []).append((number, bits))
        if not owners:
            return None
        by_condition = list(owners.values())
        key_functions = self._key_functions

        def found_of(satisfied: list[int]) -> tuple[Interest, ...]:
            masks: dict[int, int] = {}
            for number in satisfied:
                for rule, bits in by_condition[number]:
                    masks[rule] = masks.get(rule, 0) | bits
            return tuple(Interest(rule, masks[rule], key_functions[rule]) for rule in sorted(masks))

        find = Decider(list(owners), found_of, self._functions).find
        return Probe(find, frozenset(fields))


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
