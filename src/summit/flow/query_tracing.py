"""Following one query over events, to say why a result or an anomaly's alert did not come. Pure.

The query runs as it does; beside it stand the parts of its predicate, put to each event of its
types, and detectors that see each result as its own do. For people; all that is kept is bounded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

from summit.analytics.rule import QueryRule, Told
from summit.analytics.watching import new_detector
from summit.base.errors import SummitError
from summit.cep.explaining import RunState
from summit.cep.near_misses import Collection as Nearest
from summit.cep.near_misses import NearMiss, condition_text, seen_event
from summit.cep.parts import FailedPart, Parts
from summit.cep.references import RunLayout
from summit.cep.tracing import OpenMatch
from summit.cep.window_tracing import clock_text, event_at
from summit.documents.anomaly import SEVERITIES
from summit.documents.query_plan import AnomalyPlan, QueryPlan
from summit.events.event import DECODE_ERRORS
from summit.events.expressions.generator import compile_value
from summit.events.expressions.ir import Field
from summit.events.times import TIME_MS_MAX
from summit.keyed.captured import transport_of
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, key_values
from summit.keyed.outputs import Late, Outputs
from summit.keyed.processor import Processor
from summit.keyed.rule import EVENT_TYPE
from summit.keyed.ruleset import make_rule_set

_OPEN_MAX: Final = 1_000
_SERIES_MAX: Final = 10_000  # groups and metrics that are judged
_NOTHING: Final = 9.0


class QueryTracer:
    """Follows one query; `feed` it chunks in order, then `finish`. As `cep.tracing.Tracer`.

    Args:
        plan: Its `topics` do not matter here.
        keys: Only these groups; none = all.
    Raises: Invalid("extra.missing") for one with anomalies, without numpy.
    """

    def __init__(self, plan: QueryPlan, keys: Collection[Key] = ()) -> None:
        self._plan = plan
        self._only = frozenset(keys)
        followed = dataclasses.replace(plan, topics=(), enabled=True, early_ms=None)
        rule = QueryRule(followed)
        self._rules = make_rule_set([rule])
        self._processor = Processor(self._rules)
        layout = self._rules.layout
        predicate = plan.predicate
        self._parts = None if predicate is None else Parts(predicate, RunLayout(layout, ()))
        self._type_of = None if plan.types is None else compile_value(Field(EVENT_TYPE), layout)
        self._key_of = rule.key_of(layout)
        self._detectors: dict[tuple[Key, str], Any] = {}
        self._watched = {m.name: m.anomaly for m in plan.metrics if m.anomaly is not None}
        self._nearest = Nearest()
        self._events = 0
        self._taken = 0

    def feed(self, chunk: Chunk) -> None:
        """Take records; what is no event is passed over."""
        self._events += len(chunk.values)
        for n in range(len(chunk.values)):
            self._ask(chunk, n)
        outputs = self._processor.apply([chunk]).outputs
        self._see(outputs)
        for late in (*outputs.late, *(one for one in outputs.found if isinstance(one, Late))):
            self._came_late(chunk, chunk.offsets.index(late.offset), late.watermark_ms)

    def finish(self) -> tuple[list[NearMiss], list[OpenMatch]]:
        """The near-misses, the nearest first, and the windows that have not ended yet."""
        still = self._see(self._processor.apply([], TIME_MS_MAX).outputs)
        unfinished = [self._open(told) for told in still[:_OPEN_MAX]]
        if not self._taken and self._events:
            events = "the event" if self._events == 1 else f"any of the {self._events} events"
            text = f"no window has an event: 'eventTypes' and the filters are not true of {events}"
            found = NearMiss(kind="missing", text=text, key=None, step="", taken=[], missing=1)
            self._nearest.add(_NOTHING, found)
        return self._nearest.nearest(), unfinished

    # ---- inside ----

    def _ask(self, chunk: Chunk, n: int) -> None:
        """Put one event to the parts of the predicate."""
        value = chunk.values[n]
        if value is None:
            return
        try:
            event = self._rules.decode(value)
        except (*DECODE_ERRORS, SummitError):
            return
        if self._type_of is not None and self._type_of(event, ()) not in (self._plan.types or ()):
            return
        if self._rules.needs_record:
            event.t = transport_of(
                chunk.topic, chunk.partition, chunk.offsets[n],
                None if chunk.keys is None else chunk.keys[n], chunk.timestamps_ms[n],
                None if chunk.headers is None else chunk.headers[n],
            )  # fmt: skip
        key = self._key_of(event)
        if key is None or (self._only and key not in self._only):
            return
        failed = () if self._parts is None else self._parts.failed(event, ())
        if not failed:
            self._taken += 1
            return
        assert self._parts is not None
        distance = self._parts.distance(failed)
        if distance is None or not self._nearest.wants(distance):
            return
        shown = self._parts.show(failed, event, ())
        found = NearMiss(
            kind="condition", text=condition_text(self._plan.id, shown), key=key_values(key),
            step="", taken=[], failed=shown, event=seen_event(event_at(chunk, n)),
        )  # fmt: skip
        self._nearest.add(distance, found)

    def _came_late(self, chunk: Chunk, n: int, reached_ms: int) -> None:
        event = event_at(chunk, n)
        allowed = f" and {self._plan.lateness_ms} ms of lateness" if self._plan.lateness_ms else ""
        late_ms = max(reached_ms - event.own_ms, 0)
        text = (
            f"an event came too late: event time was {late_ms} ms further, and its windows{allowed}"
            f" were over; 'allowedLateness' keeps them open"
        )
        found = NearMiss(
            kind="outsideWindow", text=text, key=None, step="", taken=[],
            event=seen_event(event), late_ms=late_ms,
        )  # fmt: skip
        self._nearest.add(0.5, found)

    def _see(self, outputs: Outputs) -> list[Told]:
        found = [
            one for one in outputs.found
            if isinstance(one, Told) and (not self._only or one.key in self._only)
        ]  # fmt: skip
        for told in found:
            for name, anomaly in self._watched.items():
                if name in told.watched:
                    self._judge(told, name, anomaly)
        return found

    def _judge(self, told: Told, name: str, anomaly: AnomalyPlan) -> None:
        """Say how far a value is from being an anomaly, or from making an alert."""
        series = (told.key, name)
        if series not in self._detectors:
            if len(self._detectors) >= _SERIES_MAX:
                return
            self._detectors[series] = new_detector(anomaly)
        value = told.metrics[name]
        score = self._detectors[series].update(value, told.end_ms)
        had: dict[str, Any] = {name: value, "expected": score.expected}
        if score.state != "ready":
            reason = (
                "too few results are known yet" if score.state == "warmup" else "it is no number"
            )
            self._near(told, f"{name} is not judged: {reason}", [], 3.0)
        elif not score.flagged:
            had["deviation"] = score.deviation
            part = FailedPart(f"abs(deviation) > {score.limit:g}", had)
            text = f"{name} is no anomaly: {_had(had)}, needed is a deviation of {score.limit:g}"
            self._near(told, text, [part], 1.0 - min(score.ratio, 1.0))
        elif anomaly.alert is None:
            self._near(
                told, f"{name} is an anomaly, and 'alert: false' makes no alert of it", [], 0.1
            )
        else:
            severity = told.watched[name]["anomaly"]["severity"]
            least = anomaly.alert.severity_min
            if SEVERITIES.index(severity) < SEVERITIES.index(least):
                part = FailedPart(f"severity >= {least}", {"severity": severity})
                text = f"{name} is an anomaly of severity {severity}, an alert needs {least}"
                self._near(told, text, [part], 0.2)

    def _near(self, told: Told, text: str, failed: list[FailedPart], distance: float) -> None:
        if not self._nearest.wants(distance):
            return
        where = f"the window {clock_text(told.start_ms)} to {clock_text(told.end_ms)}"
        found = NearMiss(
            kind="condition", text=f"{where}: {text}", key=key_values(told.key),
            step=f"{told.start_ms}", taken=[], failed=failed,
        )  # fmt: skip
        self._nearest.add(distance, found)

    def _open(self, told: Told) -> OpenMatch:
        events = "1 event" if told.count == 1 else f"{told.count} events"
        text = (
            f"the window {clock_text(told.start_ms)} to {clock_text(told.end_ms)} has {events}:"
            f" {_had(told.metrics)}; it is told at {clock_text(told.end_ms)}"
        )
        state = RunState((), (), [], told.start_ms, told.end_ms, told.end_ms, True, False, text)
        return OpenMatch(key_values(told.key), state)


def _had(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} is {'missing' if v is None else round(v, 6) if isinstance(v, float) else v}"
        for name, v in values.items()
    )
