"""Following the partial matches of one rule over events, to say why they are no matches. Pure.

The rule's own program runs, one key at a time as in its lane; before each event every partial
match is asked which step it waits for, and which parts of that step's predicate the event fails.
For people, not for the hot path; all that is kept is bounded.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from summit.base.errors import SummitError
from summit.cep.explaining import RunReader, RunState
from summit.cep.near_misses import NearMiss
from summit.cep.rules import prepare_rule
from summit.cep.runs import KeyRuns, Run, new_key
from summit.cep.verdicts import Track, Verdicts
from summit.documents.plan import PatternPlan
from summit.events.event import DECODE_ERRORS, event_time
from summit.events.expressions.generator import compile_predicate
from summit.keyed.captured import Captured, Origin, transport_of
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, key_values
from summit.keyed.ruleset import make_rule_set

_KEYS_MAX: Final = 10_000  # beyond it the key that has been silent for longest is settled
_RUNS_MAX: Final = 200  # of one key beyond which an event is not put to each
_OVERDUE_MAX: Final = 20  # partial matches of a key whose time is over and that still are asked
_OPEN_MAX: Final = 1_000  # partial matches that `finish` shows
_FOREVER: Final = float("inf")
_FIRST: Final = Run(0, 0, 0, ())


class OpenMatch(NamedTuple):
    """A partial match that is not over, and its key."""

    key: tuple[Any, ...]
    state: RunState


@dataclasses.dataclass(slots=True)
class _Traced:
    """A key.

    Attributes:
        tracks: Its partial matches, by their state and what they have taken.
        overdue: Those whose time is over.
        begin: What came nearest to the beginning of one.
    """

    runs: KeyRuns = dataclasses.field(default_factory=new_key)
    tracks: dict[Any, Track] = dataclasses.field(default_factory=dict)
    overdue: list[Track] = dataclasses.field(default_factory=list)
    begin: Track = dataclasses.field(default_factory=lambda: Track(0, _FIRST))


class Tracer:
    """Follows one rule; `feed` it chunks in order, then `finish`.

    Args:
        plan: Its `topics` do not matter here.
        keys: Only what becomes of these; none = of all.
    Raises: Invalid("pattern.steps").
    """

    def __init__(self, plan: PatternPlan, keys: Collection[Key] = ()) -> None:
        self._only = frozenset(keys)
        assert plan.window is None, "see `window_tracing.py`"
        rule = prepare_rule(plan)
        self._rules = make_rule_set([rule])
        layout = self._rules.layout
        self._program = rule.program(layout)
        self._pending = rule.automaton.pending
        self._sees_all = rule.sees_all
        self._reader = RunReader(rule, self._program)
        self._verdicts = Verdicts(rule, self._program, layout)
        self._bits = [compile_predicate(node, layout) for node in rule.bits]
        self._where = None if plan.where is None else compile_predicate(plan.where, layout)
        self._key_of = rule.key_of(layout)
        self._time = layout.attribute("timestamp")
        self._reached: dict[Origin, int] = {}
        self._keys: OrderedDict[Key, _Traced] = OrderedDict()
        self._has_begun = False

    def feed(self, chunk: Chunk) -> None:
        """Take records; what is no event is passed over."""
        origin = Origin(chunk.topic, chunk.partition)
        for n in range(len(chunk.values)):
            self._feed(chunk, n, origin)

    def _feed(self, chunk: Chunk, n: int, origin: Origin) -> None:
        captured = self._decode(chunk, n, origin)
        if captured is None:
            return
        event = captured.fields
        self._verdicts.see_type(captured)
        mask = 0
        for number, holds in enumerate(self._bits):
            if holds(event):
                mask |= 1 << number
        if self._where is not None and not self._where(event):
            self._verdicts.outside(mask, captured)
            return
        key = self._key_of(event)
        if key is None:
            self._verdicts.without_key(mask, captured)
            return
        self._verdicts.see(key, captured, mask)
        if not self._only or key in self._only:
            self._advance(key, captured, mask)

    def finish(self) -> tuple[list[NearMiss], list[OpenMatch]]:
        """The near-misses, the nearest first, and partial matches that are not over.

        The latter are those behind the last event; then time goes on without end.
        """
        unfinished: list[OpenMatch] = []
        for key, traced in self._keys.items():
            values = key_values(key)
            for track in traced.tracks.values():
                if len(unfinished) < _OPEN_MAX:
                    state = self._reader.living(track.state, track.run, track.over_ms)
                    unfinished.append(OpenMatch(values, state))
            self._settle(key, traced)
        found = self._verdicts.nearest()
        if not found and not self._has_begun:
            self._verdicts.nothing_began()
            found = self._verdicts.nearest()
        return found, unfinished

    def _decode(self, chunk: Chunk, n: int, origin: Origin) -> Captured | None:
        value, stamp_ms = chunk.values[n], chunk.timestamps_ms[n]
        if value is None:
            return None
        try:
            event = self._rules.decode(value)
            own = getattr(event, self._time)
            if type(own) is not int:
                own = event_time(own, stamp_ms)
        except (*DECODE_ERRORS, SummitError):
            return None
        headers = None if chunk.headers is None else chunk.headers[n]
        if self._rules.needs_record:
            key = None if chunk.keys is None else chunk.keys[n]
            event.t = transport_of(
                chunk.topic, chunk.partition, chunk.offsets[n], key, stamp_ms, headers
            )
        time = self._reached[origin] = max(own, self._reached.get(origin, own))
        return Captured(0, time, own, origin, chunk.offsets[n], None, bytes(value), True, event)

    def _advance(self, key: Key, event: Captured, mask: int) -> None:
        traced = self._keys.get(key)
        if traced is None:
            traced = self._keys[key] = _Traced()
            if len(self._keys) > _KEYS_MAX:
                self._settle(*self._keys.popitem(last=False))
        else:
            self._keys.move_to_end(key)
            self._end(key, traced, event.time_ms)
            self._ask_overdue(key, traced, event)
        if len(traced.tracks) <= _RUNS_MAX:
            for track in traced.tracks.values():
                self._ask(track, event)
        if not (mask or self._sees_all) or not self._program.concerns(traced.runs, mask):
            traced.runs.sequence += 1  # as in the lane: the event changes nothing
            event.sequence = traced.runs.sequence
            self._ask(traced.begin, event)
            return
        dropped = self._program.runs_dropped
        matches = self._program.advance(traced.runs, event, mask)
        self._follow(key, traced, event, matches, cut=self._program.runs_dropped > dropped)

    def _ask(self, track: Track, event: Captured) -> None:
        attempt = self._verdicts.attempt(track, event)
        if attempt and (track.nearest is None or attempt.distance < track.nearest.distance):
            track.nearest = attempt

    def _follow(
        self, key: Key, traced: _Traced, event: Captured, matches: list[Run], *, cut: bool
    ) -> None:
        """Compare the partial matches before and after the event."""
        before = traced.tracks
        after = traced.tracks = self._tracks(traced)
        still = {taken for _, taken in after}
        went_on = {taken[:-1] for taken in still if taken[-1][1] == event.sequence}
        went_on.update(_taken(match)[:-1] for match in matches)
        for (_, taken), track in before.items():
            if taken not in still and taken not in went_on and not matches and not cut:
                self._verdicts.ended(key, track, event)
        self._carry(before, after)
        if went_on:
            self._has_begun = True
        else:
            self._ask(traced.begin, event)

    def _tracks(self, traced: _Traced) -> dict[Any, Track]:
        runs, program = traced.runs, self._program
        return {
            (state, _taken(run)): Track(state, run, over_ms=program.deadline(state, run, runs))
            for state, run in program.living(runs)
        }

    def _end(self, key: Key, traced: _Traced, now_ms: float) -> None:
        """Let what is over by now end, in the order in which it is due."""
        while (due := self._program.next_deadline(traced.runs)) <= now_ms and due != _FOREVER:
            for track in traced.tracks.values():
                if track.over_ms <= due and track.state not in self._pending:
                    traced.overdue.append(track)
            self._program.expire(traced.runs, int(due))
            while len(traced.overdue) > _OVERDUE_MAX:
                self._verdicts.unfinished(key, traced.overdue.pop(0))
            before, traced.tracks = traced.tracks, self._tracks(traced)
            self._carry(before, traced.tracks)

    def _carry(self, before: dict[Any, Track], after: dict[Any, Track]) -> None:
        """Keep what is known of partial matches that an event has not taken on.

        An event that an awaited step does not take may still part a loop's run in two states.
        """
        by_taken = {taken: track for (_, taken), track in before.items() if track.nearest}
        for (state, taken), track in after.items():
            same = before.get((state, taken)) or by_taken.get(taken)
            if same is None or same.nearest is None:
                continue
            if same.nearest.step in self._program.automaton.waits_for(state)[0]:
                track.nearest = same.nearest

    def _ask_overdue(self, key: Key, traced: _Traced, event: Captured) -> None:
        """Is this what a partial match has waited for whose time is over?"""
        left: list[Track] = []
        for track in traced.overdue:
            step = self._verdicts.fitting(track, event)
            if step is None:
                left.append(track)
            else:
                self._verdicts.late(key, track, step, event)
        traced.overdue = left

    def _settle(self, key: Key, traced: _Traced) -> None:
        open_ones = traced.tracks
        self._end(key, traced, _FOREVER)
        for track in (*traced.overdue, *traced.tracks.values(), traced.begin):
            is_open = any(track is one for one in open_ones.values())
            self._verdicts.unfinished(key, track, is_open=is_open)


def _taken(run: Run) -> Any:
    """What a run has taken, as a key: (step, number of the event) …"""
    captures = run.captures
    return tuple((captures[n], captures[n + 1].sequence) for n in range(0, len(captures), 2))
