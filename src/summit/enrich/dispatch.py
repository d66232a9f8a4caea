"""Which rules are for an event: those for its type in their order, then those for every type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from summit.events.fields import compile_path

R = TypeVar("R")
_find_type = compile_path("eventType")


class Dispatch(Generic[R]):
    """Rules by event type, worked out once.

    Args:
        rules: (types, rule) in order; no types = every type.
    """

    def __init__(self, rules: Iterable[tuple[frozenset[str], R]]) -> None:
        pairs = list(rules)
        self._for_all = tuple(rule for types, rule in pairs if not types)
        self._by_type = {
            name: (*(rule for types, rule in pairs if name in types), *self._for_all)
            for name in {name for types, _ in pairs for name in types}
        }

    def rules_of(self, value: dict[str, Any]) -> tuple[R, ...]:
        """The rules for an event's JSON object."""
        event_type = _find_type(value)
        if type(event_type) is str:
            return self._by_type.get(event_type, self._for_all)
        return self._for_all
