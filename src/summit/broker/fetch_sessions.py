"""Fetch sessions (KIP-227): a client names its partitions once, then only what changes.

The broker remembers the partitions of each session and what it last said of them; an incremental
answer holds only those with records, an error, or other offsets than were said. Sessions are kept
in the order of their use; when all places are taken, the oldest gives way if it was silent for
long or is smaller than the new one, else the client is answered without a session, which is always
allowed. The partitions of all sessions are bounded as well: one that grows beyond is ended.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from summit.base.clock import Clock
from summit.base.limits import FETCH_SESSION_PARTS_MAX, FETCH_SESSIONS_MAX
from summit.base.rand import Rand
from summit.broker.fetch_wanted import Wanted
from summit.protocol import codes

if TYPE_CHECKING:
    from summit.broker.fetch_wait import FetchWait

FINAL_EPOCH: Final = -1  # a full fetch that ends the session
FIRST_EPOCH: Final = 0  # a full fetch that asks for a session
_EPOCH_MAX: Final = 2**31 - 1
_SILENT_MS: Final = 120_000

Place = tuple[str | bytes, int]  # topic name or id, partition index


class Session:
    """One session. `parts` are in the order in which they are read."""

    __slots__ = ("by_id", "epoch", "parts", "session_id", "used_ms", "wait")

    def __init__(self, session_id: int, *, by_id: bool) -> None:
        self.session_id = session_id
        self.by_id = by_id
        self.epoch = 1  # what the next request must bring
        self.parts: OrderedDict[Place, Wanted] = OrderedDict()
        self.used_ms = 0.0
        self.wait: FetchWait | None = None  # the last request's, which may be over

    def take(self, wanted: Iterable[Wanted]) -> None:
        """Remember partitions, or what is now asked of those that are known."""
        for each in wanted:
            known = self.parts.get((each.key, each.index))
            if known is None:
                self.parts[each.key, each.index] = each
            else:
                known.offset = each.offset
                known.max_bytes = each.max_bytes
                known.leader_epoch = each.leader_epoch

    def forget(self, places: Iterable[Place]) -> None:
        """Drop partitions."""
        for place in places:
            self.parts.pop(place, None)

    def changed(self, full: bool) -> list[Wanted]:
        """What is to be answered; those with records are read last by the next request."""
        answered = []
        for each in list(self.parts.values()):
            log = None if each.partition is None else each.partition.log
            if log is None or each.error != codes.NONE:
                each.told = None
            else:
                now = (log.high_watermark, log.last_stable_offset, log.start_offset)
                if not full and not each.data and now == each.told:
                    continue
                each.told = now
                each.part_high = -1  # this answer may be of another version than the last one
            answered.append(each)
            if each.data and not full:
                self.parts.move_to_end((each.key, each.index))
        return answered


class FetchSessions:
    """All sessions of a broker. Loop thread only."""

    def __init__(self, clock: Clock, rand: Rand, most: int = FETCH_SESSIONS_MAX) -> None:
        self._clock = clock
        self._rand = rand
        self._most = most
        self._sessions: OrderedDict[int, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, wanted: list[Wanted], *, by_id: bool) -> Session | None:
        """A new session for these partitions; None when there is no place for it."""
        if not wanted or not self._make_room(len(wanted)):
            return None
        session_id = 0
        while session_id == 0 or session_id in self._sessions:
            session_id = int.from_bytes(self._rand.bytes(4), "big") & 0x7FFF_FFFF
        session = self._sessions[session_id] = Session(session_id, by_id=by_id)
        session.used_ms = self._clock.monotonic_ms()
        session.take(wanted)
        return session

    def _part_count(self) -> int:
        return sum(len(session.parts) for session in self._sessions.values())

    def grow(self, session: Session, wanted: list[Wanted]) -> bool:
        """Add to a session. Returns: False when it has become too much; the session is over."""
        session.take(wanted)
        if not wanted or self._part_count() <= FETCH_SESSION_PARTS_MAX:
            return True
        self.end(session.session_id)
        return False

    def _make_room(self, size: int) -> bool:
        while self._part_count() + size > FETCH_SESSION_PARTS_MAX:
            oldest = next(iter(self._sessions.values()), None)
            if oldest is None or not self._is_silent(oldest):
                return False
            self.end(oldest.session_id)
        if len(self._sessions) < self._most:
            return True
        oldest = next(iter(self._sessions.values()))
        if not self._is_silent(oldest) and len(oldest.parts) >= size:
            return False
        self.end(oldest.session_id)
        return True

    def _is_silent(self, session: Session) -> bool:
        return self._clock.monotonic_ms() - session.used_ms >= _SILENT_MS

    def go_on(self, session_id: int, epoch: int, *, by_id: bool) -> tuple[Session | None, int]:
        """The session of an incremental request, or the error code of having none."""
        session = self._sessions.get(session_id)
        if session is None:
            return None, codes.FETCH_SESSION_ID_NOT_FOUND
        if session.epoch != epoch:
            return None, codes.INVALID_FETCH_SESSION_EPOCH
        if session.by_id != by_id:
            return None, codes.FETCH_SESSION_TOPIC_ID_ERROR
        session.epoch = 1 if epoch == _EPOCH_MAX else epoch + 1
        session.used_ms = self._clock.monotonic_ms()
        self._sessions.move_to_end(session_id)
        if session.wait is not None:
            session.wait.finish()  # two requests of one session must not share its partitions
            session.wait = None
        return session, codes.NONE

    def end(self, session_id: int) -> None:
        """Forget a session, if there is such a one."""
        session = self._sessions.pop(session_id, None)
        if session is not None and session.wait is not None:
            session.wait.finish()
