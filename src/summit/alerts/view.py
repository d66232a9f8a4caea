"""A view of the alerts of the topic: folded by id, bounded, asked by filters, newest first.

A cache that anyone rebuilds by reading the topic again. It keeps each alert as the bytes it was
read as and decodes what a query returns, so its size is that of the topic's tail.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from summit.alerts.alert import Alert, decode_alert
from summit.alerts.matchers import entities_of, key_text
from summit.alerts.severity import severity_rank
from summit.base.errors import Invalid
from summit.base.limits import ALERT_PAGE_MAX, ALERT_VIEW_BYTES_MAX, ALERT_VIEW_COUNT_MAX


class AlertQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts to return; a filter that is None lets all pass.

    Attributes:
        severity: Exactly this one.
        pattern: Rule id.
        key: Text of any of the key's values.
        entity: One of the entities it is about, written `field=value`.
        text: Part of title or description, without regard to case; an index on disk looks for
            words, in all that an alert says.
        since_ms: Event time, inclusive.
        until_ms: Event time, exclusive.
        before: Cursor of the page before; go on behind it.
    """

    severity: str | None = None
    pattern: str | None = None
    key: str | None = None
    entity: str | None = None
    text: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 100
    before: str | None = None

    def takes(self, alert: Alert) -> bool:
        """Whether an alert passes every filter."""
        return (
            (self.severity is None or alert.severity == self.severity)
            and (self.pattern is None or alert.pattern == self.pattern)
            and (self.key is None or self.key in map(key_text, alert.key.values()))
            and (self.entity is None or self.entity in entities_of(alert.key))
            and (self.since_ms is None or alert.timestamp >= self.since_ms)
            and (self.until_ms is None or alert.timestamp < self.until_ms)
            and (self.text is None or _mentions(alert, self.text))
        )


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts, newest first, and the cursor that goes on behind the last (None: no more)."""

    alerts: list[Alert]
    next_cursor: str | None = None


class _Entry(msgspec.Struct, gc=False):
    """One alert of the view: what filters need, and its bytes."""

    position: tuple[int, int]  # (timestamp, order of arrival): the order of the view
    id: str
    severity: str
    pattern: str | None
    keys: tuple[str, ...]
    entities: tuple[str, ...]
    value: bytes


class AlertView:
    """The latest alerts, at most `count_max` of them and `bytes_max` of JSON.

    Beyond that the alerts that were read first leave (`evicted` counts them). Reading an alert
    again replaces it in its place (`folded` counts).

    Attributes:
        count_max: At most so many.
    """

    def __init__(
        self,
        *,
        count_max: int = ALERT_VIEW_COUNT_MAX,
        bytes_max: int = ALERT_VIEW_BYTES_MAX,
    ) -> None:
        self.count_max = count_max
        self._bytes_max = bytes_max
        self._by_id: dict[str, _Entry] = {}
        self._order: list[tuple[int, int]] = []
        self._at: dict[tuple[int, int], _Entry] = {}
        self._arrived: deque[tuple[tuple[int, int], str]] = deque()
        self._sequence = 0
        self._size_bytes = 0
        self._by_severity: dict[str, int] = {}
        self.folded = 0
        self.evicted = 0
        self.position = 0
        self.invalid = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, value: bytes) -> Alert | None:
        """Take one record value of the topic.

        Returns: The alert when its id is new; None when it was known or is no alert (`invalid`).
        """
        try:
            alert = decode_alert(value)
        except Invalid:
            self.invalid += 1
            return None
        known = self._by_id.get(alert.id)
        if known is not None:
            self.folded += 1
            self._remove(known)
        self._insert(alert, value)
        while len(self._by_id) > self.count_max or self._size_bytes > self._bytes_max:
            if not self._evict_first():
                break
        return alert if known is None else None

    def take(
        self, records: list[tuple[int, str, bytes | None]], position: int
    ) -> list[tuple[int, Alert]]:
        """Take records in log order: offset, key and value of each; None = it is deleted.

        Args:
            position: The next offset to read after them.
        Returns: The alerts whose ids are new, in order, with their offsets.
        """
        self.position = position
        new = []
        for place, key, value in records:
            if value is None:
                self.remove(key)
            elif (alert := self.add(value)) is not None:
                new.append((place, alert))
        return new

    def remove(self, alert_id: str) -> None:
        """Forget one alert (its record was deleted by a null value)."""
        entry = self._by_id.get(alert_id)
        if entry is not None:
            self._remove(entry)

    def get(self, alert_id: str) -> Alert | None:
        """The alert with this id, or None."""
        entry = self._by_id.get(alert_id)
        return None if entry is None else decode_alert(entry.value)

    def query(self, query: AlertQuery, passes: Callable[[str], bool] | None = None) -> AlertPage:
        """The alerts that pass every filter, newest first (event time, then arrival).

        Args:
            passes: A further filter, asked with the alert's id.
        Raises: Invalid("alert.severity_unknown"), Invalid("alert.limit_invalid"),
            Invalid("alert.cursor_invalid").
        """
        if query.severity is not None:
            severity_rank(query.severity)
        if not 1 <= query.limit <= ALERT_PAGE_MAX:
            raise Invalid("alert.limit_invalid", limit=query.limit, max=ALERT_PAGE_MAX)
        found: list[Alert] = []
        last: tuple[int, int] | None = None
        for entry in self._newest_first(query):
            if not _passes(entry, query) or (passes is not None and not passes(entry.id)):
                continue
            if len(found) == query.limit:
                assert last is not None
                return AlertPage(alerts=found, next_cursor=f"{last[0]}.{last[1]}")
            alert = decode_alert(entry.value)
            if query.text is not None and not _mentions(alert, query.text):
                continue
            found.append(alert)
            last = entry.position
        return AlertPage(alerts=found)

    def stats(self) -> dict[str, int]:
        """Counts over the alerts of the view, by the names of the wire."""
        return {
            "totalAlerts": len(self._by_id),
            "criticalAlerts": self._by_severity.get("critical", 0),
            "highAlerts": self._by_severity.get("high", 0),
        }

    def severities(self) -> dict[str, int]:
        """Alerts of the view by severity."""
        return {name: count for name, count in self._by_severity.items() if count}

    def _insert(self, alert: Alert, value: bytes) -> None:
        position = (alert.timestamp, self._sequence)
        self._sequence += 1
        entry = _Entry(
            position,
            alert.id,
            alert.severity,
            alert.pattern,
            tuple(key_text(part) for part in alert.key.values()),
            entities_of(alert.key),
            bytes(value),
        )
        self._by_id[alert.id] = entry
        self._at[position] = entry
        if not self._order or position > self._order[-1]:
            self._order.append(position)
        else:
            insort(self._order, position)
        self._arrived.append((position, alert.id))
        self._size_bytes += len(entry.value)
        self._by_severity[entry.severity] = self._by_severity.get(entry.severity, 0) + 1

    def _remove(self, entry: _Entry) -> None:
        del self._by_id[entry.id]
        del self._at[entry.position]
        del self._order[bisect_left(self._order, entry.position)]
        self._size_bytes -= len(entry.value)
        self._by_severity[entry.severity] -= 1

    def _evict_first(self) -> bool:
        """Remove the alert read first; never the last one left."""
        while self._arrived and len(self._by_id) > 1:
            position, _ = self._arrived.popleft()
            entry = self._at.get(position)
            if entry is not None:
                self._remove(entry)
                self.evicted += 1
                return True
        return False

    def _newest_first(self, query: AlertQuery) -> Iterator[_Entry]:
        stop = len(self._order)
        if query.until_ms is not None:
            stop = bisect_left(self._order, (query.until_ms, -1))
        if query.before is not None:
            stop = min(stop, bisect_left(self._order, _cursor(query.before)))
        for index in range(stop - 1, -1, -1):
            position = self._order[index]
            if query.since_ms is not None and position[0] < query.since_ms:
                return
            yield self._at[position]


def _passes(entry: _Entry, query: AlertQuery) -> bool:
    return (
        (query.severity is None or entry.severity == query.severity)
        and (query.pattern is None or entry.pattern == query.pattern)
        and (query.key is None or query.key in entry.keys)
        and (query.entity is None or query.entity in entry.entities)
    )


def _mentions(alert: Alert, text: str) -> bool:
    wanted = text.casefold()
    return wanted in alert.title.casefold() or wanted in alert.description.casefold()


def _cursor(text: str) -> tuple[int, int]:
    timestamp, _, sequence = text.partition(".")
    try:
        return int(timestamp), int(sequence)
    except ValueError as error:
        raise Invalid("alert.cursor_invalid", cursor=text) from error
