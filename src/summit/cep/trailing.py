"""Windows that end with each event of the key: its events in (latest - size, latest].

The events' times and values stand in columns. While they are few, figures are computed anew; with
more, keeps go along with what comes and goes, so an event costs as much in a long window as in a
short one (percentiles: as a search in a sorted list).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, Final

from summit.cep.aggregates import MovingExtreme, filled
from summit.cep.panes import Pane, note_evidence, without_a_part
from summit.cep.window_keys import (
    NEVER,
    SILENT_MAX,
    Counting,
    KeyWindows,
    Told,
    is_told,
    load_head,
    next_multiple,
    plain_head,
    remembered_ms,
)
from summit.cep.window_program import WindowProgram
from summit.keyed.captured import Captured

_FEW: Final = 32
_HEAD_MAX: Final = 64


class Trail(KeyWindows):
    """One key's events; a `window_program.View`.

    Attributes:
        head: Place of the first event that is still in the window.
        moving: Keeps that go along; None while there are few events.
    """

    __slots__ = ("_program", "columns", "evidence", "head", "moving", "scores", "times")

    def __init__(self, program: WindowProgram) -> None:
        super().__init__()
        self._program = program
        self.times: array[int] = array("q")
        self.columns: list[list[Any]] = [[] for _ in program.kept]
        self.head = 0
        self.moving: list[Any] | None = None
        self.evidence: list[Captured] = []
        self.scores: dict[str, Any] | None = None

    @property
    def count(self) -> int:
        """Events in the window."""
        return len(self.times) - self.head

    @property
    def first_ms(self) -> int:
        """Time of the first event."""
        return self.times[self.head]

    @property
    def last_ms(self) -> int:
        """Time of the last event."""
        return self.times[-1]

    def keep(self, index: int) -> Any:
        """The values of a column, as they are kept."""
        if self.moving is not None:
            return self.moving[index]
        column = self.columns[index]
        return filled(self._program.new_keep(index), column[self.head :] if self.head else column)

    def insert(self, at_ms: int, row: tuple[Any, ...]) -> None:
        """Put an event at its place."""
        times = self.times
        place = len(times)
        if place > self.head and times[-1] > at_ms:
            place = bisect_right(times, at_ms, self.head)
            times.insert(place, at_ms)
            for column, value in zip(self.columns, row, strict=True):
                column.insert(place, value)
        else:
            times.append(at_ms)
            for column, value in zip(self.columns, row, strict=True):
                column.append(value)
        if self.moving is not None:
            for keep, value in zip(self.moving, row, strict=True):
                if value is not None:
                    _come(keep, at_ms, value)
        elif len(times) - self.head > _FEW and self.columns:
            self._begin_moving()

    def _begin_moving(self) -> None:
        self.moving = self._program.new_keeps(moving=True)
        times = self.times
        for keep, column in zip(self.moving, self.columns, strict=True):
            for place in range(self.head, len(times)):
                if column[place] is not None:
                    _come(keep, times[place], column[place])

    def drop_to(self, at_ms: int) -> None:
        """Let all events go whose time is at most this."""
        times, head = self.times, self.head
        end = len(times)
        if head < end and times[head] <= at_ms:
            while head < end and times[head] <= at_ms:
                head += 1
            self._drop(head, at_ms)

    def drop_first(self) -> None:
        """Let the first event go."""
        self._drop(self.head + 1, None)

    def _drop(self, head: int, at_ms: int | None) -> None:
        if head == len(self.times):
            self.times = array("q")
            self.columns = [[] for _ in self.columns]
            self.head, self.moving = 0, None
            self.evidence.clear()
            return
        if self.moving is not None:
            for keep, column in zip(self.moving, self.columns, strict=True):
                if isinstance(keep, MovingExtreme):
                    if at_ms is not None:
                        keep.drop_to(at_ms)
                    elif (value := column[self.head]) is not None:
                        keep.drop_first(self.times[self.head], value)
                else:
                    for place in range(self.head, head):
                        if column[place] is not None:
                            keep.remove(column[place])
        self.head = head
        if head > _HEAD_MAX and head * 2 > len(self.times):
            del self.times[:head]
            for column in self.columns:
                del column[:head]
            self.head = 0
        evidence, first_ms = self.evidence, self.times[self.head]
        while evidence and evidence[0].time_ms < first_ms:
            del evidence[0]


class TrailingWindows:
    """See `window_keys.Windows`."""

    def __init__(self, program: WindowProgram, counters: Counting) -> None:
        self.program = program
        assert program.plan.size_ms is not None
        self.size_ms = program.plan.size_ms
        self._counters = counters

    def new(self) -> Trail:
        """See `Windows`."""
        return Trail(self.program)

    def take(self, state: Trail, event: Captured, row: tuple[Any, ...]) -> list[Told]:
        """See `Windows`."""
        at = event.time_ms
        times = state.times
        latest = times[-1] if len(times) else at
        if at >= latest:
            latest = at
            state.drop_to(at - self.size_ms)
        elif at <= latest - self.size_ms:
            self._counters.late += 1
            return []
        if len(times) >= self.program.events_max and state.count >= self.program.events_max:
            state.drop_first()
            self._counters.events_dropped += 1
        state.insert(at, row)
        state.begun_ms, state.silent = None, 0
        note_evidence(state.evidence, event, self.program.evidence_max)
        if not is_told(self.program, state, state, latest):
            return []
        return [self._told(state, latest)]

    def _told(self, state: Trail, at_ms: int) -> Told:
        start_ms = at_ms - self.size_ms + 1
        evidence = [event for event in state.evidence if event.time_ms >= start_ms]
        return Told(
            None, start_ms, at_ms + 1, at_ms, state.first_ms, state.count, evidence,
            self.program.values(state),
            timed=False,
        )  # fmt: skip

    def fire(self, state: Trail, at_ms: int, *, ends: bool) -> list[Told]:
        """See `Windows`: an empty window."""
        due = self._empty_ms(state)
        if due > at_ms:
            return []
        at = int(due)
        state.drop_to(at - self.size_ms)
        if not self.program.plan.on_empty:
            return []
        told: list[Told] = []
        empty = Pane(self.program.new_keeps(), at)
        if is_told(self.program, state, empty, at):
            told.append(
                Told(
                    None,
                    at - self.size_ms,
                    at,
                    at,
                    at - self.size_ms,
                    0,
                    [],
                    self.program.values(empty),
                    timed=True,
                )
            )
        state.silent = SILENT_MAX if ends else state.silent + 1
        state.begun_ms = at  # since then it is awaited once more
        return told

    def _empty_ms(self, state: Trail) -> float:
        """When the window has no event any more."""
        if state.count:
            return state.last_ms + self.size_ms
        if state.begun_ms is None:
            return NEVER
        plan = self.program.plan
        if state.silent and (plan.rearm == "window" or state.silent >= SILENT_MAX):
            return NEVER
        wait = plan.rearm_ms if state.silent and plan.rearm == "after" else self.size_ms
        return state.begun_ms + wait

    def begin(self, state: KeyWindows, now_ms: int) -> None:
        """See `Windows`."""
        state.begun_ms = next_multiple(now_ms, self.size_ms)

    def due_ms(self, state: Trail) -> float:
        """See `Windows`."""
        due = self._empty_ms(state)
        return remembered_ms(self.program, state) if due == NEVER else due

    def size(self, state: Trail) -> int:
        """See `Windows`."""
        return state.count

    def evidence(self, state: Trail) -> list[list[Captured]]:
        """See `Windows`."""
        return [state.evidence]

    def shrink(self, state: Trail) -> bool:
        """See `Windows`: the oldest events."""
        if state.count < 2:
            return False
        gone = state.count - without_a_part(state.count)
        for _ in range(gone):
            state.drop_first()
        self._counters.events_dropped += gone
        return True

    def plain(self, state: Trail) -> tuple[Any, list[Captured]]:
        """See `Windows`."""
        head = state.head
        times = list(state.times[head:])
        base = times[0] if times else 0
        columns = [column[head:] for column in state.columns]
        return [plain_head(state), base, [at - base for at in times], columns], state.evidence

    def load(self, plain: Any, evidence: list[Captured]) -> Trail:
        """See `Windows`."""
        head, base, times, columns = plain
        state = Trail(self.program)
        load_head(state, head)
        state.times = array("q", [base + at for at in times])
        if len(columns) != len(self.program.kept) or any(len(c) != len(times) for c in columns):
            raise ValueError("columns of another length")
        state.columns = [[_hashable(value) for value in column] for column in columns]
        state.evidence = evidence
        if len(times) > _FEW and state.columns:
            state._begin_moving()  # noqa: SLF001
        return state


def _come(keep: Any, at_ms: int, value: Any) -> None:
    if isinstance(keep, MovingExtreme):
        keep.put(at_ms, value)
    else:
        keep.add(value)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
