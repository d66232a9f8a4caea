"""Where an `AlertManager` keeps its alerts: on the log, or in memory only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from summit.alerts import Alert, AlertDesk, AlertView, Decision, encode_alert
from summit.alerts.entries import AnyEntry
from summit.base.clock import Clock
from summit.client.producer import StreamProducer
from summit.journal.alert_follower import AlertFollower
from summit.journal.desk_follower import DeskFollower
from summit.journal.topics import ALERTS_TOPIC

Told = Callable[[Decision], None]


class AlertStore(Protocol):
    """Alerts and their desk.

    Attributes:
        desk: For reading.
        is_durable: Whether it outlives this process.
    """

    @property
    def desk(self) -> AlertDesk: ...
    @property
    def is_durable(self) -> bool: ...

    async def start(self) -> None:
        """Read what is there."""
        ...

    async def stop(self) -> None:
        """Let go. Idempotent."""
        ...

    async def add(self, alert: Alert) -> None:
        """Keep an alert; what became of it is told when its entry is written."""
        ...

    async def write(self, entries: Sequence[AnyEntry]) -> list[Decision]:
        """Write entries. Raises: what refuses the first that is refused."""
        ...

    def alert(self, alert_id: str) -> Alert | None:
        """An alert as it was kept; None when it is not known any more."""
        ...


class MemoryStore:
    """Nothing outlives the process.

    Args:
        told: Called with every decision.
    """

    is_durable = False

    def __init__(self, clock: Clock, told: Told) -> None:
        self.desk = AlertDesk()
        self._clock = clock
        self._told = told
        self._view = AlertView()

    async def start(self) -> None:
        """Nothing is to be read."""

    async def stop(self) -> None:
        """Nothing is to be let go."""

    async def add(self, alert: Alert) -> None:
        """See `AlertStore`."""
        self._view.add(encode_alert(alert))

    async def write(self, entries: Sequence[AnyEntry]) -> list[Decision]:
        """See `AlertStore`."""
        decisions = []
        for entry in entries:
            offset = self.desk.state.next_offset
            decisions.append(self.desk.apply(offset, self._clock.now_ms(), entry))
        for decision in decisions:
            self._told(decision)
        for decision in decisions:
            if decision.error is not None:
                raise decision.error
        return decisions

    def alert(self, alert_id: str) -> Alert | None:
        """See `AlertStore`."""
        return self._view.get(alert_id)


class LogStore:
    """On `alerts` and `_summit.alert-state`, with all that workers and services write there.

    Args:
        told: Called with every decision, also on what others have written.
    """

    is_durable = True

    def __init__(self, servers: Sequence[str], clock: Clock, told: Told) -> None:
        self._follower = DeskFollower(servers, clock=clock, name="summit-alert-manager")
        self._follower.on("decision", told)
        self._view = AlertView()
        self._alerts = AlertFollower(
            servers, view=self._view, clock=clock, name="summit-alert-manager-view"
        )
        self._producer = StreamProducer(
            {"clientId": "summit-alert-manager", "bootstrapServers": list(servers), "lingerMs": 0}
        )

    @property
    def desk(self) -> AlertDesk:
        """See `AlertStore`."""
        return self._follower.desk

    async def start(self) -> None:
        """See `AlertStore`. Raises: Unavailable where no broker answers."""
        await self._alerts.start()
        await self._follower.start()
        await self._producer.connect()

    async def stop(self) -> None:
        """See `AlertStore`."""
        await self._follower.stop()
        await self._alerts.stop()
        await self._producer.close()

    async def add(self, alert: Alert) -> None:
        """Durable when this returns. Raises: Unavailable."""
        value = encode_alert(alert)
        await self._producer.send({"topic": ALERTS_TOPIC, "key": alert.id, "value": value})
        self._view.add(value)

    async def write(self, entries: Sequence[AnyEntry]) -> list[Decision]:
        """See `AlertStore`. Raises: Unavailable, too."""
        return await self._follower.write_all(entries)

    def alert(self, alert_id: str) -> Alert | None:
        """See `AlertStore`."""
        return self._view.get(alert_id)
