"""One connection of a collector that streams: messages in, answers in the same order, after the
durable write; what the protocol makes of it is the subclass's.

`seq` counts the messages of the connection from 1. A client that names itself counts on over its
connections: it is told the last message that is done, and sends what comes after it. Its events
carry client and number in `summit.src`, so what it sends twice is written once; what the broker did
not take ends the connection, so that numbers have no gaps.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.ingest.bodies import Batch
from summit.ingest.delivery import Handed, Outcome
from summit.ingest.shaping import Shaped

if TYPE_CHECKING:
    from summit.ingest.streaming import StreamingCollector

Raw = TypeVar("Raw", bound="str | bytes")


class Message(NamedTuple):
    """The events of one message, what names it, and its sender's number.

    Attributes:
        extras: What an event brings along beside its text, by its place; None for nothing.
    """

    batch: Batch
    id: str | int | None
    seq: int | None
    extras: Any = None


class Pending(NamedTuple):
    """A message whose answer is due, with its records; or why it has none."""

    seq: int
    id: str | int | None
    shaped: Shaped | None
    handed: Handed | None
    fault: SummitError | None
    is_repeated: bool = False


class Session(ABC, Generic[Raw]):
    """One connection, from its beginning to its end.

    Args:
        owner: Its collector.
        client: The client's own name; None for one that has none.
        seq: The last message of that client that is done.
        address: Whose rate it is.
    """

    ends_on_fault = False  # also for senders without a name
    tells_each = False  # whatever `acks` says

    def __init__(
        self, owner: StreamingCollector, client: str | None, seq: int, address: str
    ) -> None:
        self._owner = owner
        self._address = address
        self.client = client
        self._seq = seq  # of the last message that was read
        self._id: str | int | None = None  # its name, once that is known
        self.done_seq = seq  # every message up to it is done
        self._pending: deque[Pending] = deque()
        self._news = asyncio.Event()  # something is pending
        self._room = asyncio.Event()  # something is pending no more
        self._is_ending = False
        self.ended = asyncio.Event()
        self.goodbye: tuple[int, str] | None = None
        self._reader: asyncio.Task[None] | None = None

    # ---- what the protocol makes of it ----

    @abstractmethod
    def _messages(self) -> AsyncIterator[Raw]:
        """The messages of the connection, until it ends."""

    @abstractmethod
    def _parse(self, data: Raw) -> Message:
        """Read one message. Raises Invalid."""

    @abstractmethod
    async def _tell_up_to(self, seq: int) -> None:
        """Every message up to this one is done (`acks: cumulative`)."""

    @abstractmethod
    async def _tell(
        self, pending: Pending, fault: SummitError | None, outcomes: list[Outcome]
    ) -> None:
        """What became of a message: its fault, or the outcomes of its records."""

    @abstractmethod
    async def _give_up(self, fault: Unavailable) -> None:
        """End the connection: what the broker did not take must come again."""

    def _shape(self, message: Message, sources: Callable[[int], str] | None) -> Shaped:
        owner = self._owner
        return owner.shape(message.batch.slices, message.batch.values, owner.headers(), sources)

    # ---- life ----

    async def run(self) -> None:
        """Serve the connection until it ends, or `end` is called."""
        if self.goodbye is not None:  # it was taken over before it began
            self.ended.set()
            return
        answering = asyncio.create_task(self._answer_all())
        self._reader = reader = asyncio.create_task(self._read_all())
        try:
            await asyncio.wait((reader, answering), return_when=asyncio.FIRST_COMPLETED)
            await self._read_no_more()
            # What was read is brought to its end, whether or not its sender still hears of it.
            self._is_ending = True
            self._news.set()
            await answering
            if not reader.cancelled():
                reader.result()
        finally:
            reader.cancel()
            answering.cancel()
            self.ended.set()

    def end(self, code: int, reason: str) -> None:
        """Read no more; when what was read is answered, close with this code."""
        self.goodbye = (code, reason)
        if self._reader is not None:
            self._reader.cancel()

    @property
    def unacked(self) -> int:
        """Messages without their answer."""
        return len(self._pending)

    async def _read_no_more(self) -> None:
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.wait((self._reader,))

    # ---- in ----

    async def _read_all(self) -> None:
        owner, options = self._owner, self._owner.options
        async for data in self._messages():
            size_bytes = len(data)
            while len(self._pending) >= options.max_unacked:
                self._room.clear()
                await self._room.wait()
            if not owner.may_read_now(size_bytes):
                await owner.may_read(size_bytes)
            self._seq += 1
            self._id = None
            try:
                message = self._parse(data)
                if owner.has_rate:
                    await owner.keep_rate(self._address, len(message.batch.slices))
                pending = self._take(message, size_bytes)
            except Invalid as error:
                owner.count_refused(error)
                pending = Pending(self._seq, self._id, None, None, error)
            self._pending.append(pending)
            self._news.set()

    def _take(self, message: Message, size_bytes: int) -> Pending:
        """Hand the events of a message over."""
        owner = self._owner
        seq = self._seq if message.seq is None else message.seq
        if message.seq is not None and self.client is not None:
            if seq <= self.done_seq or any(one.seq == seq for one in self._pending):
                self._seq -= 1
                return Pending(seq, message.id, None, None, None, is_repeated=True)
            self._seq = seq
        sources = None
        if self.client is not None:
            # With the number of its events, so that a message can be known to be there whole.
            prefix = f"{owner.prefix}:{self.client}:{seq}:"
            sources = partial(_source, prefix, len(message.batch.slices))
        shaped = self._shape(message, sources)
        if shaped.refused and not any(draft.is_letter for draft in shaped.drafts):
            owner.count_refused(fault := next(iter(shaped.refused.values())))
            return Pending(seq, message.id, None, None, fault)
        handed = owner.hand_over(shaped, size_bytes, self.client, seq)
        return Pending(seq, message.id, shaped, handed, None)

    # ---- out ----

    async def _answer_all(self) -> None:
        """Answer message after message, in their order."""
        each = self.tells_each or self._owner.options.acks == "each"
        told_seq = self.done_seq
        while True:
            if not self._pending:
                if not each and self.done_seq > told_seq and self._owner.options.acks != "none":
                    told_seq = self.done_seq
                    await self._tell_up_to(told_seq)
                if self._is_ending:
                    return
                self._news.clear()
                await self._news.wait()
                continue
            pending = self._pending[0]
            fault, outcomes = await self._settle(pending)
            self._pending.popleft()
            self._room.set()
            if isinstance(fault, Unavailable) and (self.ends_on_fault or self.client is not None):
                # A number that is not done ends here: nothing after it may count as done, and
                # nothing more is handed over that nobody would settle.
                await self._read_no_more()
                left = [pending, *self._pending]
                for one in left:
                    if one.handed is not None and self.client is not None:
                        self._owner.left_unclear(self.client, one.seq, one.handed)
                await self._drain(left[1:])
                self._pending.clear()
                await self._give_up(fault)
                return
            self.done_seq = max(self.done_seq, pending.seq)
            if self.client is not None:
                self._owner.note(self.client, self.done_seq)
            if (
                fault is not None
                or each
                or (pending.id is not None and self._owner.options.acks == "cumulative")
            ):
                await self._tell(pending, fault, outcomes)

    async def _drain(self, left: list[Pending]) -> None:
        """Wait for messages that nobody is told of; what comes again is counted then."""
        if self.client is None:
            await asyncio.gather(*map(self._settle, left))
        else:
            await self._owner.drain([one.handed for one in left if one.handed is not None])

    async def _settle(self, pending: Pending) -> tuple[SummitError | None, list[Outcome]]:
        """What became of a message."""
        if pending.handed is None or pending.shaped is None:
            return pending.fault, []
        at_once = self._owner.settle_now(pending.shaped, pending.handed)
        if at_once is not None:
            return None, at_once
        try:
            outcomes = await self._owner.settle(pending.shaped, pending.handed)
        except SummitError as error:
            return error, []
        failed = next((one for one in outcomes if isinstance(one, SummitError)), None)
        return failed, outcomes


def _source(prefix: str, count: int, index: int) -> str:
    return f"{prefix}{index}/{count}"


def whole_messages(sources: Iterable[bytes], prefix: str) -> set[tuple[str, int]]:
    """Clients and numbers of the messages of which every event has its coordinate here.

    >>> whole_messages([b"ws:w:c:1:0/1", b"ws:w:c:2:1/2"], "ws:w:")
    {('c', 1)}
    """
    left: dict[tuple[str, int, int], int] = {}
    for source in sources:
        client, _, rest = source.decode(errors="replace").removeprefix(prefix).partition(":")
        seq, _, event = rest.partition(":")
        count = event.partition("/")[2]
        if seq.isdecimal() and count.isdecimal():
            message = (client, int(seq), int(count))
            left[message] = left.get(message, int(count)) - 1
    return {(client, seq) for (client, seq, _), count in left.items() if count == 0}
