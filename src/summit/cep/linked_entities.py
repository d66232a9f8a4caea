"""Which entities an event names: the values of the fields of `linkedBy`, without ignored ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from summit.base.errors import Invalid
from summit.cep.linked_groups import Entity
from summit.documents.linking import Linking
from summit.events.expressions.generator import Names
from summit.events.layouts import TypedLayout
from summit.events.networks import compile_networks, parse_network
from summit.keyed.keys import one_key

ENTITIES_MAX: Final = 64  # of one event; more name no one, they describe a list
_KNOWN_MAX: Final = 100_000
EntitiesOf = Callable[[Any], list[Entity]]  # those of a decoded event, each once


class Ignored:
    """Values that link nothing."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        networks = [text for text in texts if _is_network(text)]
        self._texts = frozenset(texts).difference(networks)
        self._lies_in = compile_networks(networks) if networks else None
        self._known: dict[str, bool] = {}  # what networks say of a text

    def has(self, value: str) -> bool:
        """Whether a text is one of them."""
        if value in self._texts:
            return True
        if self._lies_in is None:
            return False
        known = self._known.get(value)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[value] = self._lies_in(value) is True
        return known


def _is_network(text: str) -> bool:
    """Whether a text writes a network as `address/bits`."""
    try:
        return "/" in text and bool(parse_network(text))
    except Invalid:
        return False


def entities_of(linking: Linking, layout: TypedLayout) -> EntitiesOf:
    """A function that finds them."""
    fields = _fields_of(linking, layout)
    ignored = Ignored(linking.ignore)

    def found(event: Any) -> list[Entity]:
        named: dict[Entity, None] = {}
        for kind, field in fields(event):
            if field is None:
                continue
            for value in field if type(field) is list else (field,):
                if type(value) is str:
                    if not ignored.has(value):
                        named[kind, value] = None
                elif (key := one_key(value)) is not None:
                    named[kind, key] = None
        entities = list(named)
        return entities if len(entities) <= ENTITIES_MAX else entities[:ENTITIES_MAX]

    return found


def names_any(linking: Linking, layout: TypedLayout) -> Callable[[Any], bool]:
    """A function that says whether a decoded event names an entity, also an ignored one."""
    fields = _fields_of(linking, layout)

    def found(event: Any) -> bool:
        for _, field in fields(event):
            if type(field) is str:
                return True
            if field is not None and any(
                one_key(value) is not None for value in (field if type(field) is list else (field,))
            ):
                return True
        return False

    return found


def _fields_of(linking: Linking, layout: TypedLayout) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives the number of the kind, and the value, of each field."""
    names = Names()
    codes = [
        f"({number}, {layout.field_code(path, names)})"
        for number, kind in enumerate(linking.kinds)
        for path in kind.paths
    ]
    source = f"def fields(e):\n return ({', '.join(codes)},)\n"
    made: Callable[[Any], tuple[Any, ...]] = names.define(source, "fields")
    return made
