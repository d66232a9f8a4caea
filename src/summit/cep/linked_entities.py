"""Which entities an event names: the values of the fields of `linkedBy`, without ignored ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final

from summit.cep.linked_groups import Entity
from summit.documents.linking import Linking, network_of
from summit.events.expressions.generator import Names
from summit.events.layouts import TypedLayout
from summit.keyed.keys import one_key

ENTITIES_MAX: Final = 64  # of one event; more name no one, they describe a list
_KNOWN_MAX: Final = 100_000
# The entities of a decoded event, each once, and whether it names any, also ignored ones.
EntitiesOf = Callable[[Any], tuple[list[Entity], bool]]


class Ignored:
    """Values that link nothing."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        found = {text: network_of(text) for text in texts}
        self._texts = frozenset(text for text, network in found.items() if network is None)
        self._networks = [network for network in found.values() if network is not None]
        self._known: dict[str, bool] = {}  # what networks say of a text

    def has(self, value: str) -> bool:
        """Whether a text is one of them."""
        if value in self._texts:
            return True
        if not self._networks:
            return False
        known = self._known.get(value)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[value] = self._in_network(value)
        return known

    def _in_network(self, value: str) -> bool:
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def entities_of(linking: Linking, layout: TypedLayout) -> EntitiesOf:
    """A function that finds them."""
    names = Names()
    codes = [
        f"({number}, {layout.field_code(path, names)})"
        for number, kind in enumerate(linking.kinds)
        for path in kind.paths
    ]
    source = f"def fields(e):\n return ({', '.join(codes)},)\n"
    fields: Callable[[Any], tuple[tuple[int, Any], ...]] = names.define(source, "fields")
    ignored = Ignored(linking.ignore)

    def found(event: Any) -> tuple[list[Entity], bool]:
        named: dict[Entity, None] = {}
        has_any = False
        for kind, field in fields(event):
            for value in _each(field):
                key = one_key(value)
                if key is None:
                    continue
                has_any = True
                if type(key) is str and ignored.has(key):
                    continue
                if len(named) < ENTITIES_MAX:
                    named[kind, key] = None
        return list(named), has_any

    return found


def _each(value: Any) -> Iterator[Any]:
    """A value, or those of a list."""
    if type(value) is list:
        yield from value
    else:
        yield value
