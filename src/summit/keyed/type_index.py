"""Events by their type: a decoder of just the fields that the rules for the type read, and whom
the events concern.

The decoder is one for all types met so far: msgspec reads the type first and makes the struct that
was made for it. What it cannot take (an unknown type, none, a type elsewhere than at the root) goes
through the struct with the fields of all rules, as does everything once there are more types than
are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec

from summit.base.limits import INDEXED_TYPES_MAX
from summit.events.event import DECODE_ERRORS
from summit.events.expressions.ir import Path
from summit.events.layouts import TypedLayout
from summit.keyed.decisions import Found
from summit.keyed.probes import Probe, ProbeCompiler
from summit.keyed.rule import EVENT_TYPE, KeyedRule

ERRORS: Final = (*DECODE_ERRORS, TypeError)  # TypeError: a record without value
_UNUSUAL_MIN: Final = 1_000
_SELDOM: Final = "\0"


class Untyped(tuple[Any, ...]):
    """Whom an event without a usable type concerns: it is rejected when no rule takes it."""


class TypeIndex(dict[Any, "Probe | None"]):
    """Event type -> what it concerns, for the events of one topic; filled as types are met.

    A value that is no text, or none at all, is not kept: such events are put to every rule.

    Attributes:
        decode: Decodes an event whose type was met; raises one of `ERRORS` for others, which are
            for `decode_unusual`. What either gives has a method `find`: whom it concerns.
    """

    decode: Callable[[Any], Any]

    def __init__(
        self,
        rules: Sequence[tuple[int, KeyedRule]],
        compiler: ProbeCompiler,
        layout: TypedLayout,
    ) -> None:
        super().__init__()
        self._compiler = compiler
        self._layout = layout
        self._open = [(number, rule) for number, rule in rules if rule.types is None]
        self._by_type: dict[Any, list[tuple[int, KeyedRule]]] = {}
        for number, rule in rules:
            for value in rule.types or ():
                self._by_type.setdefault(value, []).append((number, rule))
        # Types that no rule names are alike where no rule looks at the type in another way; and
        # beyond the limit they are not told apart, each predicate then reads the type itself.
        self._blind = all(EVENT_TYPE not in rule.fields() for _, rule in self._open)
        self._rules = rules
        self._made: dict[str, Probe | None] = {}
        self._structs: dict[str, type[Any]] = {}
        self._decoded = 0  # structs that `decode` knows of these
        self._seen = 0
        self._unusual = 0
        self._waited = 0
        self._type_of = compiler.value_of(EVENT_TYPE)
        index = self

        def find(event: Any) -> Found:
            return index.find_general(event)

        self._decode_general = msgspec.json.Decoder(
            layout.struct_of(None, namespace={"find": find})
        ).decode
        # A single struct would also be made of events without a type.
        self._one_more = layout.struct_of(layout.fields, tag=_SELDOM, namespace={"find": find})
        self.decode = _no_type_met

    # ---- decoding ----

    def begin(self, count: int) -> None:
        """So many events are about to be read."""
        self._seen += count

    def decode_unusual(self, value: Any) -> Any:
        """Decode an event that `decode` cannot take; `decode` may be another one afterwards.

        Returns: The event; None for what is not the JSON that the rules want.
        """
        try:
            event = self._decode_general(value)
        except ERRORS:
            return None
        self._unusual += 1
        kind = self._type_of(event)
        if type(kind) is str and kind not in self._structs and len(self) < INDEXED_TYPES_MAX:
            self._meet(kind)
        self._waited += 1
        if len(self._structs) > self._decoded and self._waited * 8 > self._decoded:
            self._waited = 0
            self._decoded = len(self._structs)
            known = _any_of(self._structs.values(), self._one_more)
            self.decode = msgspec.json.Decoder(known).decode
        if self._unusual > _UNUSUAL_MIN and self._unusual * 4 > self._seen:
            self.decode = self._decode_general  # looking for the type first does not pay
            self._unusual = -(1 << 62)
            self._waited = -(1 << 62)
        return event

    def _meet(self, kind: str) -> None:
        probe = self[kind]
        if kind == _SELDOM or kind not in self:  # types beyond the limit are not kept
            return
        fields = frozenset[Path]() if probe is None else probe.fields
        find = _concerns_nobody if probe is None else probe.find
        self._structs[kind] = self._layout.struct_of(fields, tag=kind, namespace={"find": find})

    # ---- whom events concern ----

    def find_general(self, event: Any) -> Found:
        """Whom an event of the general struct concerns."""
        kind = self._type_of(event)
        if type(kind) is not str:
            return Untyped(self.untyped(event))
        probe = self[kind]
        return () if probe is None else probe.find(event)

    def untyped(self, event: Any) -> Found:
        """Whom an event without a usable type concerns."""
        probe = self._for_any(self._rules)
        return () if probe is None else probe.find(event)

    def _for_any(self, rules: Sequence[tuple[int, KeyedRule]]) -> Probe | None:
        name = "all" if rules is self._rules else "open"
        if name not in self._made:  # made when the first of them comes
            self._made[name] = self._compiler.probe(rules, None)
        return self._made[name]

    def __missing__(self, event_type: Any) -> Probe | None:
        full = len(self) >= INDEXED_TYPES_MAX
        if event_type not in self._by_type and (full or self._blind):
            other = self._for_any(self._open)
            if not full:
                self[event_type] = other
            return other
        rules = sorted([*self._open, *self._by_type.get(event_type, ())], key=_first)
        found = self._compiler.probe(rules, event_type)
        self[event_type] = found
        return found


def _first(numbered: tuple[int, KeyedRule]) -> int:
    return numbered[0]


def _any_of(structs: Iterable[Any], one_more: Any) -> Any:
    return reduce(or_, structs, one_more)


def _concerns_nobody(_event: Any) -> Found:
    return ()


def _no_type_met(_value: Any) -> Any:
    raise msgspec.DecodeError
