"""Alerts as they come, and what becomes of them, to whoever follows them.

id: 17                      place in the topic `alerts`; a client that comes again names it
event: alert                an alert, new to the service
data: {id, severity, title, key, evidence, ...}

event: changed              what people and rules did about an alert: {id, what, by, status, ...};
                            without an id: who was away asks the alert
event: gap                  alerts before `{firstKept}` are no longer kept
event: lagged               the client read too slowly and is cut; it may come again
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from summit.alerts.alert import Alert, alert_dict, decode_alert
from summit.alerts.desk import Decision
from summit.alerts.view import AlertQuery
from summit.base.clock import Clock
from summit.base.emitter import Payload
from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.client.types import TopicPartition
from summit.journal.alert_follower import AlertFollower
from summit.journal.desk_follower import DeskFollower
from summit.journal.topics import ALERTS_TOPIC
from summit.services.reading import records_between
from summit.services.streams import Streams, Subscriber
from summit.web import Event

_PLACE = TopicPartition(ALERTS_TOPIC, 0)


class LiveAlerts:
    """See the module; one loop's.

    Args:
        alerts: Follows alerts, and runs.
        desk: Follows what becomes of them, and runs.
        streams: Knows who follows.
    """

    def __init__(
        self, servers: list[str], alerts: AlertFollower, desk: DeskFollower, admin: Admin,
        clock: Clock, streams: Streams,
    ) -> None:  # fmt: skip
        self._servers = servers
        self._alerts = alerts
        self._desk = desk
        self._admin = admin
        self._clock = clock
        self._streams = streams
        self._clients: dict[Subscriber, tuple[AlertQuery, bool]] = {}  # and changes too
        alerts.on("placed", self._take)
        desk.on("decision", self._changed)

    async def events(
        self, wanted: AlertQuery, *, after: int | None, changes: bool
    ) -> AsyncGenerator[Event, None]:
        """The events of one client.

        Args:
            wanted: Which alerts; where no place is named, the last `limit` of them come first.
            after: The last place that it has seen: what was told since comes first.
            changes: Whether it wants to hear what becomes of alerts.
        """
        with self._streams.subscribed() as client:
            self._clients[client] = wanted, changes  # what is told from here on comes by itself
            try:
                async with aclosing(self._before(wanted, after)) as before:
                    async for event in before:
                        yield event
                async with aclosing(client.events()) as events:
                    async for event in events:
                        yield event
            finally:
                del self._clients[client]

    async def _before(self, wanted: AlertQuery, after: int | None) -> AsyncGenerator[Event, None]:
        """What comes first: what was missed, or the last alerts."""
        until = self._alerts.next_offset
        if after is None:
            found = self._alerts.view.query(wanted).alerts if wanted.limit else []
            for each in reversed(found):
                place = until - 1 if each is found[0] else None
                yield Event.of("alert", alert_dict(each), place)
            return
        first, _ = (await self._admin.offsets(ALERTS_TOPIC))[0]
        if after + 1 < first:
            yield Event.of("gap", {"firstKept": first})
        missed = records_between(self._servers, self._clock, _PLACE, max(after + 1, first), until)
        async with aclosing(missed) as records:
            async for record in records:
                try:
                    alert = decode_alert(record.value or b"")
                except Invalid:
                    continue
                if wanted.takes(alert):
                    yield Event.of("alert", alert_dict(alert), record.offset)

    def _take(self, told: Payload) -> None:
        alert: Alert = told["alert"]
        event: Event | None = None
        for client, (wanted, _) in self._clients.items():
            if wanted.takes(alert):
                event = event or Event.of("alert", alert_dict(alert), told["offset"])
                client.put(event)

    def _changed(self, decision: Decision) -> None:
        listening = [client for client, (_, changes) in self._clients.items() if changes]
        if not listening:
            return
        for change in decision.changes:
            if change.what == "fired":  # the alert itself says so
                continue
            about: dict[str, Any] = {
                "id": change.of, "what": change.what, "by": change.by, "at": change.at,
                "before": change.before, "after": change.after, "note": change.note,
            }  # fmt: skip
            if self._desk.desk.find(change.of) is not None:
                about["status"] = self._desk.desk.status_of(change.of, self._clock.now_ms())
            event = Event.of("changed", about)
            for client in listening:
                client.put(event)
