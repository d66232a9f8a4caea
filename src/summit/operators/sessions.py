"""Aggregates over sessions: stretches of activity of a key with no gap longer than so much."""

from __future__ import annotations

from typing import Any

import msgspec

from summit.events.windows import joins_session
from summit.operators.aggregates import Aggregate
from summit.operators.batch import Batch, Gathered
from summit.operators.operator import Keeper, StateId
from summit.operators.timers import Timers
from summit.operators.windows import Sessions, Windowed

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, int, msgspec.Raw]]).decode


class _Session:
    """From its first to its last event."""

    __slots__ = ("first", "last", "state")

    def __init__(self, first: int, last: int, state: Any) -> None:
        self.first = first
        self.last = last
        self.state = state


class SessionKeeper(Keeper):
    """The open sessions of each key; one is over when event time has left its gap behind.

    Args:
        aggregate: Has `merge`: an event may join two sessions.
        updates: Tell the result after every record, instead of once when the session is over.
    """

    def __init__(self, windows: Sessions, aggregate: Aggregate, *, updates: bool) -> None:
        super().__init__()
        self.kind = str(windows)
        self._gap_ms = windows.gap_ms
        self._aggregate = aggregate
        self._updates = updates
        self._sessions: dict[Any, list[_Session]] = {}
        self._timers = Timers()
        self._set: dict[Any, int] = {}  # when a key is looked at

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Keeper`."""
        del port
        out = Gathered()
        for key, value, at, clock, late in batch.rows():
            if self.due_ms <= clock:
                self._close(clock, out)
            if late or at + self._gap_ms < clock:
                self.put_aside(key, value, at, clock)
                continue
            session = self._join(key, value, at)
            self.dirty.add((key,))
            if self._updates:
                out.add(key, self._windowed(key, session), at, clock)
            self._look_at(key)
        return out.batch()

    def _join(self, key: Any, value: Any, at: int) -> _Session:
        """The session that the event belongs to, with all that it connects."""
        initial, add, merge, _, _, _ = self._aggregate
        assert merge is not None
        near: list[_Session] = []
        far: list[_Session] = []
        for one in self._sessions.get(key, ()):
            touches = joins_session(one.last, at, self._gap_ms) and joins_session(
                at, one.first, self._gap_ms
            )
            (near if touches else far).append(one)
        if not near:
            session = _Session(at, at, initial())
        else:
            session = near[0]
            for other in near[1:]:
                session.state = merge(session.state, other.state)
                session.last = max(session.last, other.last)
        session.state = add(session.state, value)
        session.first, session.last = min(session.first, at), max(session.last, at)
        self._sessions[key] = sorted([*far, session], key=lambda one: one.first)
        return session

    def _windowed(self, key: Any, session: _Session) -> Windowed[Any, Any]:
        end = session.last + self._gap_ms + 1
        return Windowed(key, session.first, end, self._aggregate.result(session.state))

    def advance(self, clock_ms: int) -> Batch:
        """See `Keeper`."""
        out = Gathered()
        self._close(clock_ms, out)
        return out.batch()

    def _close(self, clock_ms: int, out: Gathered) -> None:
        while self.due_ms <= clock_ms:
            due, key, _ = self._timers.pop()
            self.due_ms = self._timers.due_ms
            if self._set.get(key) != due:
                continue  # an earlier one was set meanwhile, and has done the work
            del self._set[key]
            left = []
            for one in self._sessions[key]:
                if one.last + self._gap_ms + 1 > due:
                    left.append(one)
                    continue
                self.dirty.add((key,))
                if not self._updates:
                    out.add(key, self._windowed(key, one), due - 1, due - 1)
            if left:
                self._sessions[key] = left
                self._look_at(key)
            else:
                del self._sessions[key]

    def _look_at(self, key: Any) -> None:
        due = min(one.last for one in self._sessions[key]) + self._gap_ms + 1
        if due < self._set.get(key, due + 1):
            self._set[key] = due
            self._timers.set(due, key, 0)
            self.due_ms = self._timers.due_ms

    def dump(self, state_id: StateId) -> bytes | None:
        """See `Keeper`."""
        sessions = self._sessions.get(state_id[0])
        if sessions is None:
            return None
        pack = self._aggregate.packing.encode
        return _encode([(one.first, one.last, msgspec.Raw(pack(one.state))) for one in sessions])

    def load(self, state_id: StateId, data: bytes) -> None:
        """See `Keeper`."""
        (key,) = state_id
        unpack = self._aggregate.packing.decode
        self._sessions[key] = [
            _Session(first, last, unpack(state)) for first, last, state in _decode(data)
        ]
        self._look_at(key)

    def count(self) -> int:
        """See `Keeper`."""
        return sum(map(len, self._sessions.values()))
