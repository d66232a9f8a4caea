"""Following the windows of one rule over events, to say why they are not told. Pure.

The rule runs as it does, but for its `having`: each window is looked at, and what `having` wants
of it is put beside what it has. For people, not for the hot path; all that is kept is bounded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from summit.base.errors import SummitError
from summit.cep.explaining import RunState, Taken
from summit.cep.match import Match
from summit.cep.near_misses import Collection as Nearest
from summit.cep.near_misses import NearMiss, seen_event
from summit.cep.parts import FailedPart, condition_of
from summit.cep.rules import compile_rules
from summit.cep.tracing import OpenMatch
from summit.documents.plan import PatternPlan
from summit.events.event import event_time
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.generator import Names, compile_predicate
from summit.events.expressions.ir import And, Compare, Field, Literal, Node, Path
from summit.events.times import TIME_MS_MAX
from summit.keyed.captured import Captured, EventRef, Origin
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, make_key
from summit.keyed.outputs import Outputs, Rejected
from summit.keyed.processor import Processor

_OPEN_MAX: Final = 1_000
_STEP: Final = "event"


class WindowTracer:
    """Follows one rule; `feed` it chunks in order, then `finish`. As `tracing.Tracer`.

    Args:
        plan: Of a rule with a window; its `topics` do not matter here.
        keys: Only what becomes of these; none = of all.
    """

    def __init__(self, plan: PatternPlan, keys: Collection[Key] = ()) -> None:
        assert plan.window is not None
        self._only = frozenset(keys)
        having = plan.window.having
        nodes = having.items if isinstance(having, And) else (having,)
        self._parts = [(node, compile_predicate(node, _Layout())) for node in nodes if node]
        window = dataclasses.replace(
            plan.window, having=None, rearm="always", on_empty=False, expected=()
        )
        watched = dataclasses.replace(
            plan, window=window, topics=(), enabled=True, lateness_ms=0, suppress=None
        )
        self._processor = Processor(compile_rules([watched]))
        self._nearest = Nearest()
        self._events = 0
        self._windows = 0
        self._trailing_ms = plan.window.size_ms if plan.window.is_trailing else None
        self._latest: dict[tuple[Any, ...], tuple[Match, list[FailedPart]]] = {}

    def feed(self, chunk: Chunk) -> None:
        """Take records; what is no event is passed over."""
        self._events += len(chunk.values)
        outputs = self._processor.apply([chunk]).outputs
        self._see(outputs)
        for rejected in outputs.rejected:
            if rejected.code == "event.no_key":
                self._lacks_key(rejected, chunk)

    def finish(self) -> tuple[list[NearMiss], list[OpenMatch]]:
        """The near-misses, the nearest first, and the windows that have not ended yet."""
        last = self._processor.apply([], TIME_MS_MAX).outputs
        still = [*self._see(last, open_still=True), *self._latest.values()]
        unfinished = [self._open(match, failed) for match, failed in still[:_OPEN_MAX]]
        if not self._windows and self._events:
            events = "the event" if self._events == 1 else f"any of the {self._events} events"
            text = f"no window has an event: 'where' is not true of {events}"
            self._nearest.add(9.0, NearMiss(kind="missing", text=text, key=None, step=_STEP,
                                            taken=[], missing=1))  # fmt: skip
        return self._nearest.nearest(), unfinished

    def _see(
        self, outputs: Outputs, *, open_still: bool = False
    ) -> list[tuple[Match, list[FailedPart]]]:
        found: list[tuple[Match, list[FailedPart]]] = []
        for match in outputs.found:
            if self._only and make_key(match.key) not in self._only:
                continue
            self._windows += 1
            failed, distance = self._judge(match.values)
            found.append((match, failed))
            if self._trailing_ms is not None and len(self._latest) < _OPEN_MAX:
                self._latest[match.key] = (match, failed)
            if failed and self._nearest.wants(distance):
                self._nearest.add(distance, self._near(match, failed, open_still=open_still))
        return found

    def _judge(self, values: Mapping[str, Any]) -> tuple[list[FailedPart], float]:
        """Which parts of `having` do not hold, and how far they are from it: 0 is nearest."""
        failed: list[FailedPart] = []
        distance = 0.0
        for node, holds in self._parts:
            if holds(values):
                continue
            names = [".".join(path) for path in sorted(required_fields(node))]
            condition = condition_of(node).replace("`", "")
            failed.append(FailedPart(condition, {name: values.get(name) for name in names}))
            distance += _gap(node, values)
        return failed, distance

    def _near(self, match: Match, failed: list[FailedPart], *, open_still: bool) -> NearMiss:
        taken = [captured_of(ref) for _, ref in match.captures]
        assert match.window is not None
        return NearMiss(
            kind="condition", text=_text(match, failed, open_still=open_still), key=match.key,
            step=_STEP, taken=[seen_event(event, _STEP) for event in taken], failed=failed,
            expires_ms=match.window[1] if open_still else None, open=open_still,
        )  # fmt: skip

    def _open(self, match: Match, failed: list[FailedPart]) -> OpenMatch:
        assert match.window is not None
        start_ms, end_ms = match.window
        taken = [Taken(_STEP, captured_of(ref)) for _, ref in match.captures]
        if self._trailing_ms is not None:
            end_ms = match.end_ms + self._trailing_ms  # of the last window that holds its events
        state = RunState(
            (), (), taken, start_ms, match.end_ms, end_ms, not failed, False,
            _text(match, failed, open_still=True),
        )  # fmt: skip
        return OpenMatch(match.key, state)

    def _lacks_key(self, rejected: Rejected, chunk: Chunk) -> None:
        self._nearest.add(5.0, without_key(rejected, chunk))


class _Layout:
    """How `having` reads the figures of a window that was told: `e` is their mapping."""

    def field_code(self, path: Path, names: Names) -> str:
        return f"e.get({names.bind('.'.join(path))})"

    def reference_code(self, node: Any, names: Names) -> str:
        raise AssertionError(node)


def _text(match: Match, failed: Iterable[FailedPart], *, open_still: bool) -> str:
    """One line: which window, what it has, what it would need, when it closes."""
    assert match.window is not None
    start_ms, end_ms = match.window
    events = "1 event" if match.count == 1 else f"{match.count} events"
    text = f"the window {clock_text(start_ms)} to {clock_text(end_ms)} has {events}"
    needs = "; ".join(map(_need, failed))
    text += f": {needs}" if needs else ": 'having' is true of it"
    return f"{text}; it closes at {clock_text(end_ms)}" if open_still and match.timed else text


def _need(part: FailedPart) -> str:
    had = ", ".join(f"{name} is {'missing' if v is None else v}" for name, v in part.values.items())
    return f"{had}, needed is {part.condition}"


def clock_text(ms: int) -> str:
    """The time of the day, UTC."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return str(ms)


def _gap(node: Node, values: Mapping[str, Any]) -> float:
    """How far a figure is from what it is compared with, as a part of that; at most 1."""
    if isinstance(node, Compare):
        for figure, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(figure, Field) and isinstance(other, Literal):
                has, wants = values.get(".".join(figure.path)), other.value
                if isinstance(has, int | float) and isinstance(wants, int | float):
                    return min(abs(has - wants) / max(abs(wants), 1), 1.0)
    return 1.0


def captured_of(ref: EventRef) -> Captured:
    """An event that was told, as near-misses show it."""
    value = ref.value if ref.value is not None else ref.projection or b"{}"
    origin = Origin(ref.topic, ref.partition)
    return Captured(0, ref.taken_ms, ref.timestamp_ms, origin, ref.offset, ref.src, value)


def without_key(rejected: Rejected, chunk: Chunk) -> NearMiss:
    """The near-miss of an event that lacks its key."""
    event = event_at(chunk, chunk.offsets.index(rejected.offset))
    return NearMiss(
        kind="noKey", text=rejected.message, key=None, step=_STEP, taken=[], event=seen_event(event)
    )


def event_at(chunk: Chunk, place: int) -> Captured:
    """One event of a chunk, that is a JSON object, with its own time."""
    value = chunk.values[place] or b"{}"
    stamp_ms = chunk.timestamps_ms[place]
    try:
        at = event_time(msgspec.json.decode(value).get("timestamp"), stamp_ms)
    except SummitError:
        at = stamp_ms
    origin = Origin(chunk.topic, chunk.partition)
    return Captured(0, at, at, origin, chunk.offsets[place], None, bytes(value))
