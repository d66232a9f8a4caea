"""Reading alerts: the topic `alerts` into a view, and waiting until an event's alerts are in it."""

from __future__ import annotations

from collections.abc import Iterable

from summit.alerts import Alert, AlertView
from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.limits import FOLLOWER_READY_MS, PROGRESS_TAIL_RECORDS
from summit.client.admin import Admin
from summit.client.types import ConsumerRecord
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.progress import PROGRESS_PLACE, Progress
from summit.journal.topics import ALERTS, ALERTS_TOPIC, PROGRESS, PROGRESS_TOPIC


class AlertFollower(Emitter):
    """Keeps an `AlertView` up to date; one loop's, from `start` to `stop`.

    Event `alert` with each `Alert` that is new to the view, and event `placed` {offset, alert}
    with its place in the topic besides; those that were there at the start come without.

    Args:
        servers: Addresses of the brokers.
        view: Where alerts go; by default a view of the usual size.
    """

    def __init__(
        self,
        servers: Iterable[str],
        *,
        view: AlertView | None = None,
        clock: Clock | None = None,
        name: str = "summit-alerts",
    ) -> None:
        super().__init__()
        self._servers = list(servers)
        self._name = name
        self._progress = Progress()
        self._live = False
        self._follower = LogFollower(self._servers, name, self._take, clock=clock or SystemClock())
        self.view = AlertView() if view is None else view

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topics where they are missing, and read what is there.

        Raises: Unavailable where no broker answers, or the topics are not read in time.
        """
        # More than the view keeps need not be read; of two offsets one may be a marker's.
        tails = [(ALERTS, 2 * self.view.count_max), (PROGRESS, PROGRESS_TAIL_RECORDS)]
        starts = await tail_starts(self._servers, self._name, tails)
        await self._follower.start(starts)
        await self._follower.wait_caught_up(timeout_ms)
        self._live = True

    @property
    def next_offset(self) -> int:
        """Everything below it of the topic was told."""
        return self._follower.positions.get((ALERTS_TOPIC, 0), 0)

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._follower.failure

    async def stop(self) -> None:
        """End reading. Idempotent."""
        await self._follower.stop()

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
        for record in records:
            if record.topic != ALERTS_TOPIC:
                self._progress.take([record])
            elif record.value is None:
                self.view.remove((record.key or b"").decode(errors="replace"))
            else:
                self._tell(self.view.add(record.value), record.offset)

    def _tell(self, alert: Alert | None, offset: int) -> None:
        if alert is not None and self._live:
            self.emit("alert", alert)
            self.emit("placed", Payload(offset=offset, alert=alert))
