"""Collectors with long connections: each is read no faster than the broker takes its events.

Clients that name themselves go on where they were, over connections and restarts.
Base of such types.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.tasks import Tasks
from summit.identity.rates import RateLimit
from summit.ingest.bodies import Limits
from summit.ingest.delivery import Handed, Outcome
from summit.ingest.notes import Note
from summit.ingest.producing import Producer
from summit.ingest.session import Session, whole_messages
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Draft, Shaped
from summit.ingest.taking import TakingCollector
from summit.ingest.unclear import Unclear

NOTE_EVERY_S: Final = 1.0  # how often the numbers of clients are written
CLOSE_S: Final = 2.0  # how long a connection may take to end
CLIENT_CHARS_MAX: Final = 200


class StreamingCollector(TakingCollector):
    """Base of collectors whose senders hold a connection.

    A type has options with `acks`, `max_unacked`, `max_event_bytes`, `rate_limit` and
    `rate_burst`; it calls `_begin` when it listens and `_end_sessions` when it hangs up, gets the
    session of a connection by `_register` and gives it back by `_leave`.

    Args:
        max_events: Most events of a message.
        restart: What connections are closed with when the collector stops: code and reason.
        taken_over: The same, when another connection has a client's name.
    """

    guarantee = "effectively_once"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        max_events: int,
        restart: tuple[int, str],
        taken_over: tuple[int, str],
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self.options = options = config.block
        self.limits = Limits(max_events, options.max_event_bytes)
        self.prefix = self._prefix
        self._restart = restart
        self._taken_over = taken_over
        self._rate = RateLimit.of(options.rate_limit, options.rate_burst, self._clock)
        self._is_listening = False
        self._sessions: set[Session[Any]] = set()
        self._by_client: dict[str, Session[Any]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._seqs: dict[str, int] = {}  # numbers that are not written yet
        self._whole: set[tuple[str, int]] = set()  # messages that were in the log at the start
        self._unclear = Unclear()
        self._tasks = Tasks()

    # ---- life ----

    async def _begin(self) -> None:
        """Before it listens. Raises SummitError: it cannot know who sends."""
        if self.options.auth.type != "none":
            await self._open_auth(self.options.auth)
        self._whole = whole_messages(self._delivery.found, f"{self.prefix}:")
        self._is_listening = True

    def _keep_notes(self) -> None:
        self._tasks.spawn(self._write_notes(), f"collector {self.name} notes")

    async def _end_sessions(self) -> None:
        """Read no more, answer what was read, write the numbers."""
        self._is_listening = False
        sessions = list(self._sessions)
        for session in sessions:
            session.end(*self._restart)
        if sessions:
            waits = [asyncio.create_task(session.ended.wait()) for session in sessions]
            _, left = await asyncio.wait(
                waits, timeout=self.options.ack_timeout_ms / 1000 + CLOSE_S
            )
            for wait in left:
                wait.cancel()
        await self._tasks.cancel_all()
        await self._flush_notes()

    def _details(self) -> dict[str, Any]:
        return {
            **super()._details(),
            "connections": len(self._sessions),
            "unacked": sum(session.unacked for session in self._sessions),
        }

    # ---- connections ----

    async def _register(
        self, client: str | None, make: Callable[[int], Session[Any]]
    ) -> Session[Any] | None:
        """The session of a connection; of a client's connections one is live at any time.

        Args:
            make: Makes it, from the number of the last message that is done.
        """
        if client is None:
            session = make(0)
            self._sessions.add(session)
            return session
        turn = self._turns.setdefault(client, asyncio.Lock())
        async with turn:
            seq = await self._take_over(client)
            if seq is None or not self._is_listening:
                return None
            session = make(seq)
            self._sessions.add(session)
            self._by_client[client] = session
            return session

    def _leave(self, session: Session[Any]) -> None:
        """A connection has ended."""
        session.ended.set()
        self._sessions.discard(session)
        client = session.client
        if client is not None and self._by_client.get(client) is session:
            del self._by_client[client]

    async def _take_over(self, client: str) -> int | None:
        """The last message of a client that is done; a connection that has its name ends first.

        None: it has not ended in time.
        """
        earlier = self._by_client.get(client)
        if earlier is not None:
            earlier.end(*self._taken_over)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.options.ack_timeout_ms / 1000 + CLOSE_S):
                    await earlier.ended.wait()
            if not earlier.ended.is_set():
                return None
        note = self._notes.get(client)
        noted = int(note.answer) if note is not None and note.answer.isdigit() else 0
        seq = max(self._seqs.get(client, 0), noted)
        # What a killed collector has acknowledged and not noted: all of it is in the log.
        while (client, seq + 1) in self._whole:
            seq += 1
        return seq

    # ---- what sessions ask for ----

    def may_read_now(self, size_bytes: int) -> bool:
        """Whether a message may be taken without waiting."""
        return self._open_gate.is_set() and self._delivery.has_room(size_bytes)

    async def may_read(self, size_bytes: int) -> None:
        """Wait until a message may be taken: not paused, the broker there, room for its bytes."""
        if not self._open_gate.is_set():
            await self._open_gate.wait()
        await self._delivery.room(size_bytes)

    @property
    def has_rate(self) -> bool:
        """Whether there is a rate to keep."""
        return self._rate is not None or self._limit is not None

    async def keep_rate(self, address: str, count: int) -> None:
        """Wait as long as the rates ask for."""
        while self._rate is not None and (wait_ms := self._rate.take(address, count)):
            await asyncio.sleep(wait_ms / 1000)
        while wait_ms := self.rate_wait_ms(count):
            await asyncio.sleep(wait_ms / 1000)

    def hand_over(self, shaped: Shaped, size_bytes: int, client: str | None, seq: int) -> Handed:
        """Give the records of a message to the producer; of a repeated one what is not written."""
        if client is not None:
            key = f"{client}:{seq}"
            earlier = self._unclear.get(key)
            if earlier is not None and self._unclear.digest(key) == _digest_of(shaped.drafts):
                return self._delivery.resend(earlier)
        return self._delivery.hand_over(shaped.drafts, size_bytes)

    def left_unclear(self, client: str, seq: int, handed: Handed) -> None:
        """A message will come again of which it is not known whether it was written."""
        self._unclear.keep(f"{client}:{seq}", _digest_of(handed.drafts), handed)

    async def drain(self, handed: Sequence[Handed]) -> None:
        """Wait for what comes again; it is counted then."""
        settling = (self._delivery.settle(one) for one in handed)
        await asyncio.gather(*settling, return_exceptions=True)

    def settle_now(self, shaped: Shaped, handed: Handed) -> list[Outcome] | None:
        """As `settle`, where all of it is written already; else None."""
        outcomes = self._delivery.settle_now(handed)
        if outcomes is not None:
            self.count_outcomes(shaped, handed, outcomes)
        return outcomes

    async def settle(self, shaped: Shaped, handed: Handed) -> list[Outcome]:
        """What became of them. Raises Unavailable."""
        try:
            outcomes = await self._delivery.settle(handed)
        except SummitError as error:
            self.count_refused(error, len(handed.drafts))
            raise
        self.count_outcomes(shaped, handed, outcomes)
        return outcomes

    def note(self, client: str, seq: int) -> None:
        """Every message of the client up to this one is done."""
        self._seqs[client] = seq
        self._unclear.forget(f"{client}:{seq}")

    async def _write_notes(self) -> None:
        while True:
            await asyncio.sleep(NOTE_EVERY_S)
            await self._flush_notes()

    async def _flush_notes(self) -> None:
        for client, seq in list(self._seqs.items()):
            note = Note(at=self._clock.now_ms(), answer=str(seq))
            try:
                await self._notes.put(client, note, self.options.ack_timeout_ms)
            except SummitError as error:
                self._note_error(error)
                return  # the next turn tries again; till then the log itself tells
            if self._seqs.get(client) == seq:
                del self._seqs[client]


def _digest_of(drafts: Sequence[Draft]) -> str:
    """What stands for the content of a message."""
    digest = hashlib.blake2b(digest_size=16)
    for draft in drafts:
        digest.update(b"%d:" % len(draft.value) + draft.value)
    return digest.hexdigest()


def is_client_name(client: str) -> bool:
    """Whether a client may have this name: 1 to 200 characters without a colon.

    >>> is_client_name("shop-1"), is_client_name(""), is_client_name("a:b")
    (True, False, False)
    """
    return 0 < len(client) <= CLIENT_CHARS_MAX and ":" not in client
