"""Sessions: events of a group at most a gap apart belong together; one may join two.

A session that lasts from its first event to its last ends a gap after that. An event exactly a gap
after the last one still joins, so a session is over when the frontier has passed its end.
"""

from __future__ import annotations

from typing import Any

from summit.analytics.found import Found
from summit.analytics.keeper import NEVER, Keeper
from summit.analytics.pane import Pane
from summit.analytics.program import Program
from summit.keyed.keys import Key


class _Session(Pane):
    """Its events, how often it was told (-1 = never), and from when to when it was.

    `is_open` says whether it has more than was told.
    """

    __slots__ = ("is_open", "revision", "told")

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True
        self.revision = -1
        self.told: list[tuple[int, int]] = []


class Sessions:
    """The sessions of one group that are open or may be corrected, in order of time."""

    __slots__ = ("due", "list")

    def __init__(self) -> None:
        self.list: list[_Session] = []
        self.due: float = NEVER


class SessionWindows(Keeper[Sessions]):
    """See the module."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        window = program.plan.window
        assert window.gap_ms is not None
        self.gap = window.gap_ms
        self.longest = window.size_ms
        self.lateness = program.plan.lateness_ms

    def add(self, key: Key, at_ms: int, rows: list[Any], now_ms: float) -> list[Found]:
        """See `Keeper`."""
        state = self.states.get(key)
        if (
            state is not None
            and len(state.list) == 1
            and self._extends(state.list[0], at_ms, now_ms)
        ):
            session = state.list[0]  # what nearly every event does
            if at_ms > session.last_ms:
                session.last_ms = at_ms
            elif at_ms < session.first_ms:
                session.first_ms = at_ms
            self.program.put(session, rows)
            self._note(key, len(rows))
            return []
        sessions = [] if state is None else state.list
        joined = self._joined(sessions, at_ms)
        last = max((session.last_ms for session in joined), default=at_ms)
        if self._gone_at(max(last, at_ms)) <= now_ms:
            self.counters.late += len(rows)
            return []
        if state is None:
            state = self.states[key] = Sessions()
        if not joined:
            session = _Session()
            session.first_ms = session.last_ms = at_ms
        else:
            session = joined[0]
            for other in joined[1:]:
                self.program.merge(session, other)
                session.last_ms = max(session.last_ms, other.last_ms)
                session.revision = max(session.revision, other.revision)
                session.told += other.told
        session.first_ms = min(session.first_ms, at_ms)
        session.last_ms = max(session.last_ms, at_ms)
        self.program.put(session, rows)
        session.is_open = True
        others = [each for each in state.list if each not in joined]
        state.list = sorted([*others, session], key=_first_ms)
        self._note(key, len(rows))
        told: list[Found] = []
        if self._over_at(session.last_ms) <= now_ms:
            told.append(self._told(key, session))
        self._set_due(key, state)
        return told

    def _extends(self, session: _Session, at_ms: int, now_ms: float) -> bool:
        """Whether an event goes to a session that is open, stays so, and is not told by it.

        When it is looked at is then no earlier than before.
        """
        first_ms, last_ms, gap = session.first_ms, session.last_ms, self.gap
        return (
            session.is_open
            and first_ms - gap <= at_ms <= last_ms + gap
            and (last_ms if last_ms > at_ms else at_ms) + gap + 1 > now_ms
            and (
                self.longest is None
                or first_ms <= at_ms <= last_ms
                or max(at_ms, last_ms) - min(at_ms, first_ms) < self.longest
            )
        )

    def _joined(self, sessions: list[_Session], at_ms: int) -> list[_Session]:
        """The sessions that an event belongs to, in order; together not longer than allowed."""
        found: list[_Session] = []
        first = last = at_ms
        for session in sessions:
            if session.first_ms - self.gap <= at_ms <= session.last_ms + self.gap:
                low, high = min(first, session.first_ms), max(last, session.last_ms)
                if self.longest is None or high - low < self.longest:
                    found.append(session)
                    first, last = low, high
        return found

    def _over_at(self, last_ms: int) -> int:
        return last_ms + self.gap + 1

    def _gone_at(self, last_ms: int) -> int:
        return self._over_at(last_ms) + self.lateness

    def _next_due(self, state: Sessions) -> float:
        after = self.gap + 1
        due = NEVER
        for one in state.list:
            due = min(due, one.last_ms + (after if one.is_open else after + self.lateness))
        return due

    def _set_due(self, key: Key, state: Sessions) -> None:
        due = self._next_due(state)
        if due < state.due:
            state.due = due
            self._set(key, state)

    def _look(self, key: Key, state: Sessions, now_ms: float) -> list[Found]:
        """See `Keeper`."""
        told = []
        for session in state.list:
            if session.is_open and self._over_at(session.last_ms) <= now_ms:
                told.append(self._told(key, session))
        state.list = [one for one in state.list if self._gone_at(one.last_ms) > now_ms]
        state.due = self._next_due(state)
        if not state.list:
            del self.states[key]
        return told

    def _told(self, key: Key, session: _Session, *, partial: bool = False) -> Found:
        session.revision += 1
        session.is_open = False
        mine = (session.first_ms, session.last_ms + self.gap)
        replaces = tuple(bounds for bounds in session.told if bounds != mine)
        session.told = [mine]
        return self._tell(
            key, *mine, session, revision=session.revision, partial=partial, replaces=replaces
        )

    def early(self, key: Key, now_ms: float) -> Found | None:
        """See `Keeper`: the latest session."""
        state = self.states.get(key)
        if state is None or not state.list[-1].is_open:
            return None
        session = state.list[-1]
        pane = self.program.merged([session])
        return self._tell(key, session.first_ms, session.last_ms + self.gap, pane, final=False)

    def _rest(self, key: Key, state: Sessions) -> list[Found]:
        """See `Keeper`."""
        return [self._told(key, one, partial=True) for one in state.list if one.is_open]

    def _dump(self, state: Sessions) -> list[Any]:
        return [[one.revision, one.is_open, one.told, self.program.dump(one)] for one in state.list]

    def _load(self, plain: list[Any]) -> Sessions:
        state = Sessions()
        for revision, is_open, told, pane in plain:
            session = _Session()
            self.program.load(pane, session)
            session.revision, session.is_open = revision, is_open
            session.told = [(first, end) for first, end in told]
            state.list.append(session)
        state.due = self._next_due(state)
        return state


def _first_ms(session: _Session) -> int:
    return session.first_ms
