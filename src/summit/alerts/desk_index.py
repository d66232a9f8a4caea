"""Look-ups of the alert desk that follow from its state: open alerts by likeness and by entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from summit.alerts.desk_state import AlertState
from summit.base.limits import DESK_ENTITY_ALERTS_MAX

_encode = msgspec.json.Encoder(order="sorted").encode

Likeness = tuple[bytes, str, str]


def likeness(key: dict[str, Any], title: str, severity: str) -> Likeness:
    """What alerts have in common that are one to people: key, title and severity."""
    return _encode(key), title, severity


class OpenAlerts:
    """The alerts that are not over."""

    def __init__(self, alerts: Iterable[AlertState] = ()) -> None:
        self._by_likeness: dict[Likeness, str] = {}
        self._by_entity: dict[str, dict[str, AlertState]] = {}
        for alert in alerts:
            if alert.is_open:
                self.add(alert)

    def add(self, alert: AlertState) -> None:
        """An alert fired."""
        self._by_likeness[likeness(alert.key, alert.title, alert.severity)] = alert.id
        for entity in alert.entities:
            self._by_entity.setdefault(entity, {})[alert.id] = alert

    def remove(self, alert: AlertState) -> None:
        """An alert is over, or forgotten."""
        name = likeness(alert.key, alert.title, alert.severity)
        if self._by_likeness.get(name) == alert.id:
            del self._by_likeness[name]
        for entity in alert.entities:
            of_entity = self._by_entity.get(entity, {})
            of_entity.pop(alert.id, None)
            if not of_entity:
                self._by_entity.pop(entity, None)

    def like(self, key: dict[str, Any], title: str, severity: str) -> str | None:
        """The id of the open alert that is like this one."""
        return self._by_likeness.get(likeness(key, title, severity))

    def about(self, entities: Iterable[str]) -> Iterator[AlertState]:
        """Open alerts about any of these entities, in the order of firing for each entity.

        Of each entity the first `DESK_ENTITY_ALERTS_MAX`.
        """
        for entity in entities:
            yield from islice(self._by_entity.get(entity, {}).values(), DESK_ENTITY_ALERTS_MAX)
