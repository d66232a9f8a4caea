"""From steps to states and edges: the automaton, before any event is seen.

Three kinds of edges, each with a condition over the event's mask:

    TAKE     the event is captured and the run moves on
    IGNORE   the event is skipped (absent = strict, `not taken` = relaxed, always = any)
    PROCEED  the run is also in the target state, for the same event, at no cost

`times` is unrolled; a loop without limit is a state with a TAKE to itself and a PROCEED to what
follows. The sequence is built from its end, so that every edge knows its target. `moves.py` reads
the states and turns them into tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from summit.cep.steps import Contiguity, Step, check_steps, stoppers, takers

Condition = Callable[[int], bool]


class EdgeKind(Enum):
    """What following an edge does with the event."""

    TAKE = auto()
    IGNORE = auto()
    PROCEED = auto()


class StateKind(Enum):
    """FINAL = a match; STOP = a forbidden event came; PENDING = a match when time runs out."""

    NORMAL = auto()
    FINAL = auto()
    STOP = auto()
    PENDING = auto()


@dataclass(slots=True, eq=False)
class Edge:
    """One way out of a state."""

    kind: EdgeKind
    target: State
    condition: Condition


@dataclass(slots=True, eq=False)
class State:
    """One state.

    Attributes:
        taker: Index of the step whose events its TAKE edges capture; -1 = none.
        gap_ms: Half-open limit since the event taken last, or None.
    """

    kind: StateKind
    taker: int = -1
    gap_ms: int | None = None
    edges: list[Edge] = field(default_factory=list)

    def add(self, kind: EdgeKind, target: State, condition: Condition) -> None:
        """Add one edge."""
        self.edges.append(Edge(kind, target, condition))


def build(steps: Sequence[Step], within_ms: int | None) -> State:
    """Check the steps and build the automaton of steps in their order.

    Returns: The start state.
    Raises: Invalid("pattern.steps").
    """
    check_steps(steps, within_ms)
    return _Builder(steps).build()


def always(_mask: int) -> bool:
    """The condition that every event meets."""
    return True


def _bit(index: int) -> Condition:
    wanted = 1 << index
    return lambda mask: bool(mask & wanted)


def _no(condition: Condition) -> Condition:
    return lambda mask: not condition(mask)


def _both(first: Condition, second: Condition) -> Condition:
    return lambda mask: first(mask) and second(mask)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a step stands: what the edges of its states depend on beside the step itself."""

    step: Step
    before: tuple[Step, ...]
    after: Step | None
    groups: tuple[Step, ...]
    head: Contiguity  # how the first step of its sequence relates to what is before


class _Builder:
    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._takers = takers(steps)
        self._stoppers = stoppers(steps)
        self._before_greed: dict[int, State] = {}

    def build(self) -> State:
        # A pattern may start at any event: the start itself never waits.
        return self._sequence(self._steps, State(StateKind.FINAL), None, (), "strict")

    def _sequence(
        self,
        steps: Sequence[Step],
        sink: State,
        after: Step | None,
        groups: tuple[Step, ...],
        head: Contiguity,
    ) -> State:
        """Build a sequence in front of `sink`; returns its first state.

        Args:
            groups: Those that hold it.
        """
        for index in range(len(steps) - 1, -1, -1):
            step = steps[index]
            following = steps[index + 1] if index + 1 < len(steps) else after
            place = _Place(step, tuple(steps[:index]), following, groups, head)
            if step.relation == "notFollowedBy" and index:
                if sink.kind is StateKind.FINAL:
                    sink = self._pending(step)
            elif step.relation == "notNext" and index:
                sink = self._not_next(step, sink)
            else:
                sink = self._positive(place, sink)
        return sink

    # ---- conditions ----

    def _takes(self, step: Step) -> Condition:
        return _bit(self._takers.index(step))

    def _until(self, step: Step) -> Condition | None:
        if not step.until:
            return None
        return _bit(len(self._takers) + self._stoppers.index(step))

    def _take_condition(self, place: _Place) -> Condition:
        condition = self._takes(place.step)
        for owner in (place.step, *place.groups):
            until = self._until(owner)
            if until is not None:
                condition = _both(_no(until), condition)
        return condition

    def _ignore_condition(self, place: _Place, contiguity: Contiguity) -> Condition | None:
        """When an event that is not taken is skipped; None = never."""
        if contiguity == "strict" or place.step.group:
            return None  # of a group, the steps inside say what is skipped
        condition = always if contiguity == "any" else _no(self._takes(place.step))
        for group in place.groups:
            until = self._until(group)
            if until is not None:
                condition = _both(_no(until), condition)
        return condition

    def _outer_contiguity(self, place: _Place) -> Contiguity:
        """How the step relates to the one before it."""
        return _contiguity_of(place.step) if place.before else place.head

    def _inner_ignore(self, place: _Place) -> Condition | None:
        condition = self._ignore_condition(place, place.step.contiguity)
        until = self._until(place.step)
        if condition is not None and until is not None:
            condition = _both(_no(until), condition)
        return condition

    # ---- negative steps ----

    def _pending(self, step: Step) -> State:
        """Absence at the end: waits for time to run out."""
        state = State(StateKind.PENDING)
        forbidden = self._takes(step)
        self._add_stop(state, step)
        state.add(EdgeKind.IGNORE, state, _no(forbidden))
        return state

    def _not_next(self, step: Step, sink: State) -> State:
        state = State(StateKind.NORMAL)
        forbidden = self._takes(step)
        state.add(EdgeKind.PROCEED, sink, _no(forbidden))
        self._add_stop(state, step)
        return state

    def _add_stop(self, state: State, step: Step) -> None:
        forbidden = self._takes(step)
        stop = State(StateKind.STOP, self._takers.index(step))
        stop.add(EdgeKind.TAKE, stop, forbidden)
        state.add(EdgeKind.PROCEED, stop, forbidden)

    def _without_stops(self, place: _Place, sink: State) -> State:
        """The sink for runs that took this optional step: negatives before it are over then."""
        nots = {self._takers.index(step) for step in _nots_before(place)}
        if not nots or not place.step.optional:
            return sink
        return _strip_stops(sink, nots)

    def _stop_before(self, place: _Place, state: State) -> None:
        """Forbidden since the last event: the `notFollowedBy` steps right before this one."""
        for step in _nots_before(place):
            self._add_stop(state, step)

    def _stop_after(self, place: _Place, state: State) -> None:
        """A loop that a `notFollowedBy` follows may already see the forbidden event."""
        if place.after is not None and place.after.relation == "notFollowedBy":
            self._add_stop(state, place.after)

    # ---- positive steps ----

    def _positive(self, place: _Place, sink: State) -> State:
        step = place.step
        if step.times_max is None:
            loop = self._loop(place, self._without_stops(place, sink))
            first = self._times(place, loop, sink, step.times_min)
        else:
            first = self._times(place, sink, sink, step.times_max)
        self._stop_before(place, first)
        return first

    def _times(self, place: _Place, sink: State, proceed: State, times_max: int) -> State:
        """The unrolled repetitions: the last ones optional, the first `times_min` not."""
        step = place.step
        last = sink
        if step.greedy and step.times_min != times_max:
            _yield_to(sink, self._take_condition(place))
        inner = self._inner_ignore(place)
        for _ in range(step.times_min, times_max):
            last = self._single(place, last, proceed, inner, True, first_turn=False)
            self._stop_after(place, last)
        for _ in range(step.times_min - 1):
            last = self._single(place, last, None, inner, False, first_turn=False)
            self._stop_after(place, last)
        outer = self._ignore_condition(place, self._outer_contiguity(place))
        first = self._single(place, last, proceed, outer, step.optional, first_turn=True)
        if step.within_ms is not None:  # of a group it counts beside that of its first step
            gap_ms = step.within_ms if first.gap_ms is None else min(first.gap_ms, step.within_ms)
            first.gap_ms = gap_ms
        return first

    def _single(
        self,
        place: _Place,
        sink: State,
        proceed: State | None,
        ignore: Condition | None,
        optional: bool,
        *,
        first_turn: bool,
    ) -> State:
        """One repetition: takes one event (or one turn of a group) and goes to `sink`."""
        step = place.step
        if step.group:
            return self._group_turn(place, sink, proceed, optional, first_turn)
        taken = self._without_stops(place, sink)
        take = self._take_condition(place)
        state = State(StateKind.NORMAL, self._takers.index(step))
        state.add(EdgeKind.TAKE, taken, take)
        if optional:
            assert proceed is not None
            self._leave(step, state, proceed)
        if ignore is not None:
            waiting = state
            if optional:
                # Having skipped an event, the run can no longer leave the step out.
                waiting = State(StateKind.NORMAL, state.taker, step.within_ms)
                waiting.add(EdgeKind.TAKE, taken, take)
                waiting.add(EdgeKind.IGNORE, waiting, ignore)
                self._stop_before(place, waiting)
            state.add(EdgeKind.IGNORE, waiting, ignore)
        return state

    def _loop(self, place: _Place, sink: State) -> State:
        """A loop without limit, entered when its first `times_min` events are taken."""
        step = place.step
        if step.group:
            return self._group_loop(place, sink)
        take = self._take_condition(place)
        ignore = self._inner_ignore(place)
        state = State(StateKind.NORMAL, self._takers.index(step))
        if step.greedy:
            if step.until:
                self._before_greed[id(sink)] = _copy(sink)
            _yield_to(sink, self._takes(step))
        self._leave(step, state, sink)
        state.add(EdgeKind.TAKE, state, take)
        self._stop_after(place, state)
        if ignore is not None:
            waiting = State(StateKind.NORMAL, state.taker)
            waiting.add(EdgeKind.TAKE, state, take)
            waiting.add(EdgeKind.IGNORE, waiting, ignore)
            state.add(EdgeKind.IGNORE, waiting, ignore)
            self._stop_after(place, waiting)
        return state

    def _leave(self, step: Step, state: State, sink: State) -> None:
        """The way from a state of the step to what follows it, without taking an event."""
        until = self._until(step)
        if step.greedy and until is not None:
            # The stop condition also ends the greed: what follows may take the event.
            state.add(EdgeKind.PROCEED, self._before_greed.get(id(sink), sink), until)
            state.add(EdgeKind.PROCEED, sink, _no(until))
        else:
            state.add(EdgeKind.PROCEED, sink, always)

    # ---- groups ----

    def _group_turn(
        self, place: _Place, sink: State, proceed: State | None, optional: bool, first_turn: bool
    ) -> State:
        head = self._outer_contiguity(place) if first_turn else place.step.contiguity
        groups = (*place.groups, place.step)
        first = self._sequence(place.step.group, sink, place.after, groups, head)
        if optional:
            assert proceed is not None
            first.add(EdgeKind.PROCEED, proceed, always)
        return first

    def _group_loop(self, place: _Place, sink: State) -> State:
        again = State(StateKind.NORMAL)
        groups = (*place.groups, place.step)
        head = place.step.contiguity
        first = self._sequence(place.step.group, again, place.after, groups, head)
        first.add(EdgeKind.PROCEED, sink, always)
        again.add(EdgeKind.PROCEED, first, always)
        return first


def _contiguity_of(step: Step) -> Contiguity:
    if step.relation == "next":
        return "strict"
    return "any" if step.relation == "followedByAny" else "relaxed"


def _nots_before(place: _Place) -> list[Step]:
    nots: list[Step] = []
    for step in reversed(place.before):
        if step.relation == "notFollowedBy":
            nots.append(step)
        elif not step.optional:
            break
    return nots


def _strip_stops(state: State, nots: set[int], done: dict[int, State] | None = None) -> State:
    """A copy of the state, and of all states in which a run still waits there, without stops."""
    copies = {} if done is None else done
    if id(state) in copies:
        return copies[id(state)]
    copied = copies[id(state)] = State(state.kind, state.taker, state.gap_ms)
    for edge in state.edges:
        target = edge.target
        if edge.kind is not EdgeKind.TAKE and target.kind is StateKind.STOP:
            if target.taker in nots:
                continue
        elif edge.kind is not EdgeKind.TAKE:
            target = _strip_stops(target, nots, copies)
        copied.add(edge.kind, copied if target is state else target, edge.condition)
    return copied


def _yield_to(state: State, greedy: Condition) -> None:
    """Let the edges of the state fire only for events that the greedy step does not take."""
    for edge in state.edges:
        edge.condition = _both(edge.condition, _no(greedy))


def _copy(state: State) -> State:
    copied = State(state.kind, state.taker, state.gap_ms)
    for edge in state.edges:
        copied.add(edge.kind, copied if edge.target is state else edge.target, edge.condition)
    return copied
