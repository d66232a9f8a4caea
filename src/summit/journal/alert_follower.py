"""Reading alerts: the topic `alerts` into a view, and waiting until an event's alerts are in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from summit.alerts import AlertView
from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.limits import FOLLOWER_READY_MS, PROGRESS_TAIL_RECORDS
from summit.client.admin import Admin
from summit.client.settings import AdminConfig
from summit.client.types import ConsumerRecord
from summit.journal.alert_index import AlertIndex
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.progress import PROGRESS_PLACE, Progress
from summit.journal.topics import ALERTS, ALERTS_TOPIC, PROGRESS, PROGRESS_TOPIC

_PLACE: Final = (ALERTS_TOPIC, 0)


class AlertFollower(Emitter):
    """Keeps an `AlertView` up to date; one loop's, from `start` to `stop`.

    Event `alert` with each `Alert` that is new to the view, and event `placed` {offset, alert}
    with its place in the topic besides; those that were there at the start come without.

    Args:
        servers: Addresses of the brokers.
        view: Where alerts go; by default one in memory. One in a file is closed at the end.
    """

    def __init__(
        self,
        servers: Iterable[str],
        *,
        view: AlertView | AlertIndex | None = None,
        clock: Clock | None = None,
        name: str = "summit-alerts",
    ) -> None:
        super().__init__()
        self._servers = list(servers)
        self._name = name
        self._progress = Progress()
        self._live = False
        self._follower = LogFollower(self._servers, name, self._take, clock=clock or SystemClock())
        self.view: AlertView | AlertIndex = AlertView() if view is None else view

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topics where they are missing, and read what is there.

        Raises: Unavailable where no broker answers, or the topics are not read in time.
        """
        # More than the view keeps need not be read; of two offsets one may be a marker's.
        tails = [(ALERTS, 2 * self.view.count_max), (PROGRESS, PROGRESS_TAIL_RECORDS)]
        starts = await tail_starts(self._servers, self._name, tails)
        if isinstance(self.view, AlertIndex):
            await self._resume(self.view, starts)
        await self._follower.start(starts)
        await self._follower.wait_caught_up(timeout_ms)
        self._live = True

    async def _resume(self, index: AlertIndex, starts: dict[tuple[str, int], int]) -> None:
        """Go on where the file has read to, if it was this log."""
        config = AdminConfig(client_id=self._name, bootstrap_servers=self._servers)
        async with Admin(config) as admin:
            (topic,) = await admin.describe_topics([ALERTS_TOPIC])
            first, end = (await admin.offsets(ALERTS_TOPIC))[0]
        index.belongs_to(topic.topic_id or "", first, end)
        starts[_PLACE] = max(starts[_PLACE], index.position)

    @property
    def next_offset(self) -> int:
        """Everything below it of the topic was told."""
        return self._follower.positions.get(_PLACE, 0)

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._follower.failure

    async def stop(self) -> None:
        """End reading. Idempotent."""
        await self._follower.stop()
        if isinstance(self.view, AlertIndex):
            self.view.close()

    async def wait_readable(self, topic: str, partition: int, offset: int, timeout_ms: int) -> None:
        """Wait until the record is processed and the alerts that it completed are in the view.

        Of a topic that no rule reads, as far as was read here, that is at once: who must not pass
        over a rule that others know to act catches up first.

        Raises: Unavailable("follower.not_ready") when that takes longer; Closed.
        """
        await self._follower.wait_for(
            lambda: self._progress.covers(topic, partition, offset) and self._has_read_alerts(),
            timeout_ms,
        )

    async def catch_up(self, admin: Admin, timeout_ms: int) -> None:
        """Read everything that workers have told by now. Raises: Unavailable; Closed."""
        bounds = await admin.offsets(PROGRESS_TOPIC, committed=True)
        await self._follower.wait_read({PROGRESS_PLACE: bounds[0][1]}, timeout_ms)

    async def wait_active(self, definitions_offset: int, timeout_ms: int) -> None:
        """Wait until the workers go by the definition at this offset of its topic.

        Every event written after that is seen by it. Raises: as `wait_readable`.
        """
        await self._follower.wait_for(lambda: self._progress.acts(definitions_offset), timeout_ms)

    @property
    def progress(self) -> Progress:
        """How far the worker is, as far as it was read."""
        return self._progress

    def _has_read_alerts(self) -> bool:
        positions = self._follower.positions
        return all(
            positions.get((ALERTS_TOPIC, int(partition)), 0) >= at
            for partition, at in self._progress.alerts().items()
        )

    def _take(self, records: list[ConsumerRecord]) -> None:
        self._progress.take([r for r in records if r.topic != ALERTS_TOPIC])
        alerts = [
            (r.offset, (r.key or b"").decode(errors="replace"), r.value)
            for r in records
            if r.topic == ALERTS_TOPIC
        ]
        if not alerts:
            return
        for offset, alert in self.view.take(alerts, alerts[-1][0] + 1):
            if self._live:
                self.emit("alert", alert)
                self.emit("placed", Payload(offset=offset, alert=alert))
