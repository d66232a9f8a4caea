"""`StreamAnalytics`: the guide's engine for queries over streams, in one process and in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from summit.analytics.found import Found
from summit.analytics.runner import QueryRunner
from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid
from summit.documents.analytics_query import AnalyticsQuery
from summit.documents.query import validate_query
from summit.events.event import event_bytes
from summit.flow.anomalies import anomaly_alerts
from summit.flow.suppressing import Suppressed, Suppressor
from summit.flow.trying import TriedCounted, try_counted
from summit.kernels import (
    Anomalies,
    AnomalyDetectionConfig,
    TimeSeriesAnalysis,
    TimeSeriesPoint,
    analyze_points,
    ema,
    find_anomalies,
    sma,
    wma,
)
from summit.real_time_analytics.analytics_result import AnalyticsResult, ResultGroup, results_of

_HISTORY_GROUPS_MAX: Final = 100_000
_AVERAGES: Final = {"simple": sma, "exponential": ema, "weighted": wma}

Point = TimeSeriesPoint | Mapping[str, Any]


class _Query:
    """One query, its events and what it has told."""

    def __init__(self, query: AnalyticsQuery, runner: QueryRunner) -> None:
        self.query = query
        self.runner = runner
        self.history: deque[AnalyticsResult] = deque()
        self.early_ms: int | None = None  # when unfinished windows were last told
        self._groups = 0
        if runner.plan.early_ms is not None:
            runner.early()  # begins to note which groups have news

    def keep(self, result: AnalyticsResult) -> None:
        self.history.append(result)
        self._groups += len(result["groups"])
        while self._groups > _HISTORY_GROUPS_MAX and len(self.history) > 1:
            self._groups -= len(self.history.popleft()["groups"])


class StreamAnalytics(Emitter):
    """Runs queries over events; one loop's. Nothing outlives the process.

    Time is that of the events: their own `timestamp`, or now. A window is told when an event of
    its end or later has come, or `advance_time` says so.

    Events told: `analytics:result` with an `AnalyticsResult` for each window that is over
    (`final`), and for windows as they stand: at the first event at once, then at most once a
    second for each query (`early` of its document). `anomaly:detected` {query_id, metric, group,
    window, value, expected, deviation, severity, explanation} where a metric's `anomaly` flags a
    final value, and `alert:generated` with the `Alert` that it makes (the same as a worker's).
    `event:rejected` {code, message, event}; `error`.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._queries: dict[str, _Query] = {}
        self._suppressor = Suppressor()

    def register_query(self, query: AnalyticsQuery | Mapping[str, Any]) -> None:
        """Let a query act from now on; the same id = a new version.

        The windows of a version that means the same go on; others are dropped.

        Raises: Invalid with `problems`, each with a pointer into the document.
        """
        made = query if isinstance(query, AnalyticsQuery) else AnalyticsQuery.from_dict(query)
        document = validate_query(made.to_dict())
        before = self._queries.get(document.id)
        if before is not None and before.runner.plan == document.plan:
            before.query = made
            return
        self._queries[document.id] = _Query(made, QueryRunner(document.plan))

    def test_query(
        self, query: AnalyticsQuery | Mapping[str, Any], events: Iterable[Any]
    ) -> TriedCounted:
        """Try a query on events; neither the query nor the events stay.

        Returns: The results, which filter kept events out, and how far values are from anomalies.
        Raises: Invalid as `register_query`.
        """
        made = query if isinstance(query, AnalyticsQuery) else AnalyticsQuery.from_dict(query)
        plan = validate_query(made.to_dict()).plan
        return try_counted(plan, [event_bytes(event) for event in events])

    def remove_query(self, query_id: str) -> bool:
        """Drop a query, its windows and its results; whether there was one."""
        return self._queries.pop(query_id, None) is not None

    def list_queries(self) -> list[AnalyticsQuery]:
        """The queries, in the order in which they were registered."""
        return [held.query for held in self._queries.values()]

    async def process_event(self, event: Any) -> None:
        """Put one event to every query; see `process_events`."""
        await self.process_events((event,))

    async def process_events(self, events: Iterable[Any]) -> None:
        """Put events to every query, in order.

        A bad event raises nothing: it is told by `event:rejected`. Listeners have run when this
        returns, async ones have been started.

        Args:
            events: Mappings with the names of the wire, `Event`s, JSON texts or bytes, or records
                whose value is JSON.
        """
        given = list(events)
        now_ms = self._clock.now_ms()
        values = [event_bytes(event) for event in given]
        stamps = [now_ms] * len(values)
        reported: set[int] = set()
        for held in list(self._queries.values()):
            if held.query.enabled is False:
                continue
            runner = held.runner
            first = runner.offset
            self._tell(held, runner.take(values, stamps))
            for reject in runner.rejected:
                if reject.offset - first not in reported:
                    reported.add(reject.offset - first)
                    self.emit(
                        "event:rejected",
                        Payload(
                            code=reject.code, message=reject.message,
                            event=given[reject.offset - first],
                        ),
                    )  # fmt: skip
            runner.rejected.clear()
            self._tell_early(held, now_ms)

    async def advance_time(self, timestamp: int) -> None:
        """Let event time come to `timestamp`, as if an event of then had come; tells what is over.

        Args:
            timestamp: Milliseconds since 1970 UTC.
        """
        for held in list(self._queries.values()):
            self._tell(held, held.runner.advance(timestamp))

    async def finish(self) -> None:
        """Tell every window that is still open: no more events will come."""
        for held in list(self._queries.values()):
            self._tell(held, held.runner.finish())

    def get_results(self, query_id: str) -> list[AnalyticsResult]:
        """The final results of a query, oldest first; as many as hold 100,000 groups.

        Raises: Invalid("query.unknown").
        """
        held = self._queries.get(query_id)
        if held is None:
            raise Invalid("query.unknown", query=query_id)
        return list(held.history)

    @property
    def stats(self) -> dict[str, dict[str, int]]:
        """Counters by query: `taken`, `late`, `rejected`, `evicted`, `groups`, …"""
        return {name: held.runner.stats() for name, held in self._queries.items()}

    # ---- series ----

    async def detect_anomalies(
        self, points: Iterable[Point], config: AnomalyDetectionConfig | Mapping[str, Any]
    ) -> Anomalies:
        """The points that a method flags, in order of time; see `find_anomalies`."""
        return find_anomalies(points, config)

    def analyze(self, points: Iterable[Point]) -> TimeSeriesAnalysis:
        """Trend, seasonality and outliers of points; see `analyze_points`."""
        return analyze_points(points)

    def moving_average(
        self,
        points: Sequence[Point | float | None],
        window_size: int = 10,
        kind: Literal["simple", "exponential", "weighted"] = "simple",
    ) -> list[float | None]:
        """The moving average at each point.

        Args:
            points: Points in order of time, or their values alone.
            window_size: Over how many points.

        Raises: Invalid("config.invalid").
        """
        average = _AVERAGES.get(kind)
        if average is None:
            reason = f"kind '{kind}' is none of {', '.join(_AVERAGES)}"
            raise Invalid("config.invalid", reason=reason, pointer="/kind")
        values = [_value(point) for point in points]
        found = average(values, window_size).tolist()
        return [None if value != value else value for value in found]  # noqa: PLR0124 - NaN

    # ---- telling ----

    def _tell(self, held: _Query, found: list[Found]) -> None:
        if not found:
            return
        for result in results_of(held.runner.plan, found):
            held.keep(result)
            self.emit("analytics:result", result)
            for group in result["groups"]:
                if "watched" in group:
                    self._tell_anomalies(result, group)
        for one in found:
            for alert in anomaly_alerts(held.runner.plan, one, self._suppressor):
                if not isinstance(alert, Suppressed):
                    self.emit("alert:generated", alert)
        self._suppressor.take_dirty()  # nothing of it is saved here

    def _tell_anomalies(self, result: AnalyticsResult, group: ResultGroup) -> None:
        for metric, said in group["watched"].items():
            anomaly = said.get("anomaly")
            if anomaly is not None and anomaly["flagged"]:
                self.emit(
                    "anomaly:detected",
                    Payload(
                        query_id=result["query_id"], metric=metric, group=group["keys"],
                        window=result["window"], value=group["metrics"][metric],
                        expected=anomaly["expected"], deviation=anomaly["deviation"],
                        severity=anomaly["severity"], explanation=anomaly["explanation"],
                    ),
                )  # fmt: skip

    def _tell_early(self, held: _Query, now_ms: int) -> None:
        """Windows as they stand, where it is time and someone listens."""
        if not self.has_listeners("analytics:result"):
            return
        every_ms = held.runner.plan.early_ms
        if every_ms is None:
            return
        if held.early_ms is not None and held.early_ms <= now_ms < held.early_ms + every_ms:
            return
        found = held.runner.early()
        if found:
            held.early_ms = now_ms
            for result in results_of(held.runner.plan, found):
                self.emit("analytics:result", result)


def _value(point: Any) -> Any:
    if isinstance(point, TimeSeriesPoint):
        return point.value
    return point.get("value") if isinstance(point, Mapping) else point
