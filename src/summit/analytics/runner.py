"""`QueryRunner`: one query over batches of events of one stream. Pure.

Events are taken in the order given; event time is the largest time seen. The batches in which
they come change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from summit.analytics.aligned import AlignedWindows
from summit.analytics.found import Found
from summit.analytics.keeper import NEVER
from summit.analytics.program import Program
from summit.analytics.reading import Reader, Rows
from summit.analytics.windows import new_keeper
from summit.base.errors import SummitError
from summit.base.limits import EVENT_AHEAD_MS_MAX
from summit.documents.query_plan import QueryPlan
from summit.events.event import Transport, event_time, parse_event
from summit.events.times import TIME_MS_MAX, TIME_MS_MIN
from summit.keyed.outputs import Rejected

_COUNTERS: Final = ("events", "rejected", "ahead")
_BEFORE_ALL: Final = -(1 << 62)


class QueryRunner:
    """See the module.

    Args:
        delay_ms: How much event time stays behind the largest time seen.

    Attributes:
        rejected: Events that could not be processed, until someone takes them out.
    """

    def __init__(self, plan: QueryPlan, *, delay_ms: int = 0, topic: str = "events") -> None:
        self.plan = plan
        self.program = Program(plan)
        self.keeper = new_keeper(self.program)
        self.rejected: list[Rejected] = []
        self.counters = dict.fromkeys(_COUNTERS, 0)
        self._topic = topic
        self._delay_ms = delay_ms
        self._scan = Reader(self.program).scan
        self._reached = _BEFORE_ALL
        self._now: float = -NEVER
        self._slices: dict[int, Rows] = {}
        self._is_single = False  # whether there is a row that must not wait for others
        self._pending_end = NEVER  # of windows that hold rows which are not with their groups yet
        self._told: list[Found] = []
        self._values: Sequence[Any] = ()
        self._stamps: Sequence[int] = ()
        self._first_offset = 0
        aligned = self.keeper if isinstance(self.keeper, AlignedWindows) else None
        self._aligned = aligned

    @property
    def offset(self) -> int:
        """The number of the next event, from 0."""
        return self._first_offset

    def take(self, values: Sequence[bytes], stamps: Sequence[int]) -> list[Found]:
        """Take events.

        Args:
            values: JSON.
            stamps: The time of each record, for events without their own. Shape: as `values`.
        Returns: What is told, in order.
        """
        self._values, self._stamps = values, stamps
        self.counters["events"] += len(values)
        timer = self.keeper.next_ms + self._delay_ms
        self._reached = self._scan(
            values, stamps, self._reached, timer, EVENT_AHEAD_MS_MAX, self, (self._topic, 0),
            self._first_offset,
        )  # fmt: skip
        self._first_offset += len(values)
        self._flush()
        if self._reached != _BEFORE_ALL:
            self._now = max(self._now, self._reached - self._delay_ms)
            self._told += self.keeper.fire_all(self._now)
        self._told += self.keeper.bound()
        return self._take_told()

    def advance(self, to_ms: int) -> list[Found]:
        """Let event time come to a time without events; it never goes back."""
        self._reached = max(self._reached, to_ms + self._delay_ms)
        self._now = max(self._now, to_ms)
        self._told += self.keeper.fire_all(self._now)
        return self._take_told()

    def finish(self) -> list[Found]:
        """Tell all that is open: no more events will come."""
        return self.keeper.finish()

    def early(self) -> list[Found]:
        """The windows, as they stand, of groups that got events since the last call."""
        return self.keeper.early_ones(self._now, self.plan.groups_max)

    def stats(self) -> dict[str, int]:
        """All counters by name."""
        return {**self.counters, **self.keeper.counts()}

    # ---- what the loop asks (`reading.Sink`) ----

    def slice(self, at_ms: int, reached_ms: int) -> tuple[int, int, Rows, float]:
        """See `Sink`."""
        aligned = self._aligned
        front = max(self._now, reached_ms - self._delay_ms)
        if aligned is None or aligned.is_behind(at_ms, front):
            # Windows that want to know each event's time, or may be told anew with each event.
            self._flush()
            self._now = front
            self._told += self.keeper.fire_all(front)
            rows = self._slices[at_ms] = defaultdict(list)
            self._is_single = True
            return at_ms, at_ms, rows, self._timer()
        if self._is_single:
            self._flush()
        self._now = front
        start = aligned.slice_start(at_ms)
        known = self._slices.get(start)
        if known is None:
            known = self._slices[start] = defaultdict(list)
        self._pending_end = min(self._pending_end, aligned.next_end(at_ms))
        return start, start + aligned.slice_ms, known, self._timer()

    def fire(self, reached_ms: int) -> float:
        """See `Sink`."""
        self._flush()
        self._now = max(self._now, reached_ms - self._delay_ms)
        self._told += self.keeper.fire_all(self._now)
        return self._timer()

    def undecodable(self, n: int) -> None:
        """See `Sink`."""
        try:
            parse_event(self._values[n], timestamp_ms=self._stamps[n])
        except SummitError as error:
            self._reject(n, error.code, str(error))
        else:
            self._reject(n, "event.not_json", "the event cannot be decoded")

    def odd_time(self, n: int, own: object) -> int | None:
        """See `Sink`."""
        try:
            found = event_time(own, self._stamps[n])
        except SummitError as error:
            self._reject(n, error.code, str(error))
            return None
        return self._in_range(n, found)

    def ahead(self, n: int, own: int) -> int | None:
        """See `Sink`."""
        stamp = self._stamps[n]
        if stamp <= 0 or own > TIME_MS_MAX:
            return self._in_range(n, own)
        self.counters["ahead"] += 1
        return stamp

    def transport(self, n: int) -> Transport:
        """See `Sink`."""
        return Transport(
            topic=self._topic, partition=0, offset=self._first_offset + n,
            timestamp=self._stamps[n],
        )  # fmt: skip

    def _in_range(self, n: int, own: int) -> int | None:
        if TIME_MS_MIN <= own <= TIME_MS_MAX:
            return own
        self._reject(n, "event.bad_time", f"{own} is no time in milliseconds")
        return None

    def _reject(self, n: int, code: str, message: str) -> None:
        self.counters["rejected"] += 1
        self.rejected.append(Rejected(self._topic, 0, self._first_offset + n, code, message))

    def _timer(self) -> float:
        return min(self.keeper.next_ms, self._pending_end) + self._delay_ms

    def _flush(self) -> None:
        """Give groups the rows that were gathered for them."""
        add, told = self.keeper.add, self._told
        for start, rows in self._slices.items():
            for key, mine in rows.items():
                told += add(key, start, mine, self._now)
        self._slices.clear()
        self._pending_end = NEVER
        self._is_single = False

    def _take_told(self) -> list[Found]:
        told, self._told = self._told, []
        return told
