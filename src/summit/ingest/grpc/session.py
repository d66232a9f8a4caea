"""Streams: each message answered (`PublishStream`), or all of them at the end (`PublishMany`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc

from summit.base.errors import SummitError, Unavailable
from summit.ingest.delivery import Outcome
from summit.ingest.grpc.messages import (
    PublishAck,
    PublishSummary,
    decode,
    read,
    with_extras,
)
from summit.ingest.session import Message, Pending, Session
from summit.ingest.shaping import Shaped
from summit.ingest.streaming import StreamingCollector

REFUSED_MAX: Final = 100  # refusals that a summary lists
# What writing to a call raises whose other side is gone.
GONE: Final = (
    grpc.RpcError, grpc.aio.UsageError, grpc.aio.BaseError, grpc.aio.InternalError,
    asyncio.InvalidStateError,
)  # fmt: skip


class GrpcSession(Session[bytes]):
    """One stream.

    Args:
        messages: Its messages, as bytes.
        context: Its call.
    """

    def __init__(
        self, owner: StreamingCollector, messages: AsyncIterator[bytes], context: Any,
        client: str | None, seq: int, address: str,
    ) -> None:  # fmt: skip
        super().__init__(owner, client, seq, address)
        self._incoming = messages
        self._context = context
        self.fault: SummitError | None = None  # what the call ends with

    def _messages(self) -> AsyncIterator[bytes]:
        return self._incoming

    def _parse(self, data: bytes) -> Message:
        request = decode(data)
        self._id = request.id or None
        return read(request, self._owner.limits)

    def _shape(self, message: Message, sources: Callable[[int], str] | None) -> Shaped:
        return with_extras(super()._shape(message, sources), message.extras)

    async def _give_up(self, fault: Unavailable) -> None:
        self.fault = fault

    async def _tell_up_to(self, seq: int) -> None:
        await self._write(PublishAck(seq=seq, cumulative=True))

    async def _tell(
        self, pending: Pending, fault: SummitError | None, outcomes: list[Outcome]
    ) -> None:
        await self._write(ack_of(pending, fault, outcomes))

    async def _write(self, answer: Any) -> None:
        try:
            await self._context.write(answer.SerializeToString())
        except GONE:
            self.end(0, "its sender has gone")


class SummingSession(GrpcSession):
    """A stream that is answered once, at its end."""

    ends_on_fault = True
    tells_each = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.summary = PublishSummary()

    async def _tell_up_to(self, seq: int) -> None:
        pass

    async def _tell(
        self, pending: Pending, fault: SummitError | None, outcomes: list[Outcome]
    ) -> None:
        summary, ack = self.summary, ack_of(pending, fault, outcomes)
        summary.messages += 1
        summary.seq = max(summary.seq, pending.seq)
        summary.accepted += ack.accepted
        summary.rejected += ack.dead_letters
        if fault is not None:
            summary.rejected += 1 if pending.shaped is None else len(pending.shaped.drafts)
            if len(summary.refused) < REFUSED_MAX:
                summary.refused.append(ack)


def ack_of(pending: Pending, fault: SummitError | None, outcomes: list[Outcome]) -> Any:
    """The answer to one message of a stream."""
    ack = PublishAck(id=str(pending.id or ""), seq=pending.seq, repeated=pending.is_repeated)
    if fault is not None:
        refusal = ack.refusal
        refusal.code, refusal.error = fault.code, str(fault)
        refusal.retry_after_ms = fault.retry_after_ms or 0
        return ack
    letters = 0 if pending.shaped is None else len(pending.shaped.refused)
    ack.accepted, ack.dead_letters = len(outcomes) - letters, letters
    if len(outcomes) == 1 and not letters and not isinstance(outcomes[0], SummitError):
        ack.place.partition, ack.place.offset = outcomes[0].partition, outcomes[0].offset
    return ack
