"""What is said of a partial match that is no match: which kind of near-miss, and how near. Pure."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from summit.base.config import nearest
from summit.cep.explaining import RunReader
from summit.cep.near_misses import (
    Bound,
    Collection,
    Kind,
    NearMiss,
    condition_text,
    interrupted_text,
    missing_text,
    outside_text,
    seen_event,
    too_late_text,
)
from summit.cep.parts import FailedPart, Parts
from summit.cep.program import Program
from summit.cep.references import RunLayout
from summit.cep.rules import PatternRule
from summit.cep.runs import Captures, Run
from summit.documents.plan import flat_steps
from summit.events.expressions.analysis import equality_constraint
from summit.events.expressions.generator import compile_value
from summit.events.expressions.ir import Field
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured
from summit.keyed.keys import Key, key_values
from summit.keyed.rule import EVENT_TYPE

_RECENT: Final = 200  # events of a step, for "before" and "of another key"
_TYPES_MAX: Final = 1_000
_FOREVER: Final = float("inf")
_NEAR: Final = 1.5  # how far off: in another order, of another key, without one
_NOTHING: Final = 4.0  # how far off: no event at all; and each event more that is missing
_LATE_MAX: Final = 5.0


class Attempt(NamedTuple):
    """An event that nearly was what is awaited."""

    distance: int
    step: str
    event: Captured
    failed: list[FailedPart]


@dataclasses.dataclass(slots=True)
class Track:
    """A partial match, and the event that came nearest to what it waits for.

    Attributes:
        run: Without captures for one that did not even begin.
        over_ms: When it is over.
    """

    state: int
    run: Run
    nearest: Attempt | None = None
    over_ms: float = _FOREVER


class Verdicts:
    """Collects what is said of the partial matches of one rule."""

    def __init__(self, rule: PatternRule, program: Program, layout: TypedLayout) -> None:
        self._rule = rule
        self._program = program
        self._automaton = rule.automaton
        self._reader = RunReader(rule, program)
        plan = rule.plan
        run_layout = RunLayout(layout, rule.automaton.step_names, program.previous)
        self._names = rule.automaton.step_names
        self._steps = list(flat_steps(plan.steps))
        self._positive = [s.relation not in ("notNext", "notFollowedBy") for s in self._steps]
        self._parts = {
            step.name: Parts(step.predicate, run_layout)
            for step in self._steps if step.predicate is not None
        }  # fmt: skip
        self._where = None if plan.where is None else Parts(plan.where, run_layout)
        self._key_fields = [
            (".".join(path), compile_value(Field(path), run_layout)) for path in plan.group_by
        ]
        self._type = compile_value(Field(EVENT_TYPE), run_layout)
        self._types: set[str] = set()
        self._recent: list[deque[tuple[Key, Captured]]] = [
            deque(maxlen=_RECENT) for _ in self._steps
        ]
        self._found = Collection()

    # ---- what comes ----

    def see_type(self, event: Captured) -> None:
        """Remember the type of an event."""
        kind = self._type(event.fields, ())
        if type(kind) is str and len(self._types) < _TYPES_MAX:
            self._types.add(kind)

    def see(self, key: Key, event: Captured, mask: int) -> None:
        """Remember an event for the steps that it fits by itself."""
        for number, recent in enumerate(self._recent):
            if mask >> number & 1:
                recent.append((key, event))

    def attempt(self, track: Track, event: Captured) -> Attempt | None:
        """How near the event is to what the partial match waits for; None = is it, or far off."""
        waits, _ = self._automaton.waits_for(track.state)
        captures = track.run.captures
        best: Attempt | None = None
        for step in waits:
            parts = self._parts[step]
            numbers = parts.failed(event.fields, captures)
            distance = parts.distance(numbers) if numbers else None
            if distance is not None and (best is None or distance < best.distance):
                failed = parts.show(numbers, event.fields, captures)
                best = Attempt(distance, step, event, failed)
        return best

    def fitting(self, track: Track, event: Captured) -> str | None:
        """The awaited step that the event would have been; None = none."""
        waits, _ = self._automaton.waits_for(track.state)
        captures = track.run.captures
        return next((s for s in waits if not self._parts[s].failed(event.fields, captures)), None)

    def nearest(self) -> list[NearMiss]:
        """The near-misses so far, the nearest first."""
        return self._found.nearest()

    # ---- what is said ----

    def late(self, key: Key, track: Track, step: str, event: Captured) -> None:
        """The awaited event has come, when the partial match was over."""
        run = track.run
        deadline = int(track.over_ms)
        gap = self._automaton.gaps[track.state]
        of_step = gap is not None and run.last_ms + gap == deadline
        begun = run.last_ms if of_step else run.start_ms
        session = self._program.gap_ms is not None and self._program.within_ms is None
        if session and not of_step:
            assert self._program.gap_ms is not None
            begun = deadline - self._program.gap_ms - 1
        limit = deadline - begun
        late = event.time_ms - deadline + 1
        distance = 1 + min(late / max(limit, 1), _LATE_MAX)
        if track.nearest is not None and track.nearest.distance < distance:
            self._tell_attempt(key, track, track.nearest)
        where: Bound = "step" if of_step else "session" if session else "window"
        text = too_late_text(step, late, event.time_ms - begun, limit, where)
        self._tell("outsideWindow", text, distance, key, track, step, event, late_ms=late)

    def ended(self, key: Key, track: Track, event: Captured) -> None:
        """The event has ended the partial match."""
        waits, ended_by = self._automaton.waits_for(track.state)
        captures = track.run.captures
        for step in ended_by:
            if not self._parts[step].failed(event.fields, captures):
                text = f"'{step}' came, which must not come"
                self._tell("forbidden", text, 1, key, track, step, event)
                return
        attempt = self.attempt(track, event)
        step = next(iter(waits), "") if attempt is None else attempt.step
        failed = [] if attempt is None else attempt.failed
        text = interrupted_text(waits, failed)
        self._tell("interrupted", text, 1, key, track, step, event, failed=failed)

    def unfinished(self, key: Key, track: Track, *, is_open: bool = False) -> None:
        """What the partial match still waits for has not come; what came nearest?"""
        found = track.nearest
        if found is not None and found.distance <= _NEAR:
            self._tell_attempt(key, track, found, open=is_open)
            return
        waits, _ = self._automaton.waits_for(track.state)
        if any(self._tell_elsewhere(key, track, step, is_open=is_open) for step in waits):
            return
        if found is not None:
            self._tell_attempt(key, track, found, open=is_open)
            return
        if not track.run.captures:
            return
        said = self._reader.living(track.state, track.run, track.over_ms).text
        text = missing_text(said, self._type_hint(waits))
        step = next(iter(waits), "")
        self._tell("missing", text, _NOTHING, key, track, step, None, open=is_open)

    def outside(self, mask: int, event: Captured) -> None:
        """The event is not in the rule's stream."""
        step = self._first_step(mask)
        if step and self._where is not None:
            numbers = self._where.failed(event.fields, ())
            failed = self._where.show(numbers, event.fields, ())
            text = outside_text(step, failed)
            self._tell("outsideStream", text, _NEAR, None, None, step, event, failed=failed)

    def without_key(self, mask: int, event: Captured) -> None:
        """The event has not all that the rule groups by."""
        step = self._first_step(mask)
        if step:
            lacks = [n for n, read in self._key_fields if read(event.fields, ()) is None]
            text = f"an event for '{step}' has no usable {', '.join(lacks) or 'groupBy'}"
            self._tell("noKey", text, _NEAR, None, None, step, event)

    def nothing_began(self) -> None:
        """No event was the first one of a match."""
        waits, _ = self._automaton.waits_for(0)
        steps = " or ".join(f"'{step}'" for step in waits)
        text = missing_text(f"nothing began: a match begins with {steps}", self._type_hint(waits))
        self._tell("missing", text, _NOTHING, None, None, next(iter(waits), ""), None)

    def _tell_elsewhere(self, key: Key, track: Track, step: str, *, is_open: bool) -> bool:
        """Whether the awaited event came before, or for another key; then it is told."""
        captures = track.run.captures
        if not captures or step in (self._names[n] for n in captures[::2]):
            return False
        first, last = captures[1], captures[-1]
        deadline = track.over_ms
        within = self._program.within_ms
        for other, event in reversed(self._recent[self._names.index(step)]):
            if self._parts[step].failed(event.fields, captures):
                continue
            if other == key:
                near = within is None or abs(event.time_ms - first.time_ms) < within
                near = near and self._rule.plan.matching == "ordered"
                if event.sequence < last.sequence and near:
                    text = f"'{step}' came before '{self._names[captures[-2]]}', not after it"
                    self._tell("order", text, _NEAR, key, track, step, event, open=is_open)
                    return True
            elif last.time_ms <= event.time_ms < deadline:
                shown = ", ".join(f"{n} = {read(event.fields, ())!r}" for n, read in
                                  self._key_fields)  # fmt: skip
                text = f"'{step}' came, but for another key: {shown}"
                self._tell("otherKey", text, _NEAR, key, track, step, event, open=is_open)
                return True
        return False

    def _tell_attempt(self, key: Key, track: Track, attempt: Attempt, **more: Any) -> None:
        text = condition_text(attempt.step, attempt.failed)
        self._tell(
            "condition", text, attempt.distance, key, track, attempt.step, attempt.event,
            failed=attempt.failed, **more,
        )  # fmt: skip

    def _tell(
        self,
        kind: Kind,
        text: str,
        distance: float,
        key: Key | None,
        track: Track | None,
        step: str,
        event: Captured | None,
        **more: Any,
    ) -> None:
        """Keep it, if it is near enough.

        Args:
            track: None = it is about an event of no key.
        """
        captures = () if track is None else track.run.captures
        missing = 1 if track is None else self._missing(key, captures, step, event)
        distance += _NOTHING * (missing - 1)
        if not self._found.wants(distance):
            return
        deadline = _FOREVER
        if track is not None and captures:
            deadline = track.over_ms
        taken = [
            seen_event(captures[n + 1], self._names[captures[n]])
            for n in range(0, len(captures), 2)
        ]
        found = NearMiss(
            kind=kind, text=text, key=None if key is None else key_values(key), step=step,
            taken=taken, event=None if event is None else seen_event(event),
            missing=0 if kind == "forbidden" else missing,
            expires_ms=None if deadline == _FOREVER else int(deadline), **more,
        )  # fmt: skip
        self._found.add(distance, found)

    def _missing(
        self, key: Key | None, captures: Captures, awaited: str, event: Captured | None
    ) -> int:
        """How many events a match lacks at the least: those that came anyway are not counted."""
        counts = Counter(captures[::2])
        begin = captures[-1] if captures else event
        lacking = 0
        for number, step in enumerate(self._steps):
            lacks = max(0, step.times_min - counts[number])
            if not lacks or step.optional or not self._positive[number]:
                continue
            if step.name != awaited and begin is not None:
                there = (
                    other == key and one.sequence > begin.sequence
                    for other, one in self._recent[number]
                )  # fmt: skip
                lacks = max(0, lacks - sum(there))
            lacking += lacks
        return max(lacking, 1)

    def _first_step(self, mask: int) -> str:
        """The first step that wants an event with this mask; empty = none."""
        found = (n for n, positive in enumerate(self._positive) if positive and mask >> n & 1)
        number = next(found, None)
        return "" if number is None else self._names[number]

    def _type_hint(self, waits: Sequence[str]) -> str:
        """Where a step wants a type that never came: the most similar one that did."""
        for step in waits:
            node = self._rule.bits[self._names.index(step)]
            wanted = equality_constraint(node, EVENT_TYPE)
            texts = sorted(value for value in wanted or () if isinstance(value, str))
            if texts and not self._types.intersection(texts):
                near = nearest(texts[0], self._types)
                hint = f"; the most similar that came is '{near}'" if near else ""
                return f" (no event has the eventType '{texts[0]}'{hint})"
        return ""
