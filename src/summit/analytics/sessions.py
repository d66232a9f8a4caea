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
    """Its events, and how often it was told; -1 = never."""

    __slots__ = ("revision",)

    def __init__(self) -> None:
        super().__init__()
        self.revision = -1


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
        session.first_ms = min(session.first_ms, at_ms)
        session.last_ms = max(session.last_ms, at_ms)
        self.program.put(session, rows)
        others = [each for each in state.list if each not in joined]
        state.list = sorted([*others, session], key=_first_ms)
        self._note(key, len(rows))
        told: list[Found] = []
        if self._over_at(session.last_ms) <= now_ms:
            told.append(self._told(key, session))
        self._set_due(key, state)
        return told

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
        return min(
            (
                self._over_at(one.last_ms) if one.revision < 0 else self._gone_at(one.last_ms)
                for one in state.list
            ),
            default=NEVER,
        )

    def _set_due(self, key: Key, state: Sessions) -> None:
        due = self._next_due(state)
        if due < state.due:
            state.due = due
            self._set(key, state)

    def _look(self, key: Key, state: Sessions, now_ms: float) -> list[Found]:
        """See `Keeper`."""
        told = []
        for session in state.list:
            if session.revision < 0 and self._over_at(session.last_ms) <= now_ms:
                told.append(self._told(key, session))
        state.list = [one for one in state.list if self._gone_at(one.last_ms) > now_ms]
        state.due = self._next_due(state)
        if not state.list:
            del self.states[key]
        return told

    def _told(self, key: Key, session: _Session, *, partial: bool = False) -> Found:
        session.revision += 1
        end = session.last_ms + self.gap
        return self._tell(
            key, session.first_ms, end, session, revision=session.revision, partial=partial
        )

    def early(self, key: Key, now_ms: float) -> Found | None:
        """See `Keeper`: the latest session."""
        state = self.states.get(key)
        if state is None or state.list[-1].revision >= 0:
            return None
        session = state.list[-1]
        pane = self.program.merged([session])
        return self._tell(key, session.first_ms, session.last_ms + self.gap, pane, final=False)

    def _rest(self, key: Key, state: Sessions) -> list[Found]:
        """See `Keeper`."""
        return [self._told(key, one, partial=True) for one in state.list if one.revision < 0]

    def _dump(self, state: Sessions) -> list[Any]:
        return [[one.revision, self.program.dump(one)] for one in state.list]

    def _load(self, plain: list[Any]) -> Sessions:
        state = Sessions()
        for revision, pane in plain:
            session = _Session()
            self.program.load(pane, session)
            session.revision = revision
            state.list.append(session)
        state.due = self._next_due(state)
        return state


def _first_ms(session: _Session) -> int:
    return session.first_ms
