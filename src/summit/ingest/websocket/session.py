"""One WebSocket: what messages and answers look like there.

    {"ack": "7", "seq": 3, "partition": 0, "offset": 41}     a message of one event, with an id
    {"ack_seq": 3, "accepted": 20}                            one without
    {"nack": "8", "seq": 4, "code": "…", "error": "…", "retryAfterMs": 1000}

A client that names itself (`?client=NAME`) is greeted with `{"client": NAME, "seq": n}`; what the
broker did not take closes its connection with 1013.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed

from summit.base.errors import SummitError, Unavailable
from summit.ingest.delivery import Outcome
from summit.ingest.session import Message, Pending, Session
from summit.ingest.streaming import StreamingCollector
from summit.ingest.websocket.messages import parse_message

TRY_AGAIN = 1013
RESTART = 1012
TAKEN_OVER = 4001

_encode = msgspec.json.Encoder().encode


class WebSocketSession(Session[str | bytes]):
    """One connection, from its upgrade to its end.

    Args:
        socket: The connection, of the library.
        enveloped: Whether it speaks the subprotocol.
    """

    def __init__(
        self, owner: StreamingCollector, socket: Any, client: str | None, seq: int,
        *, enveloped: bool, address: str,
    ) -> None:  # fmt: skip
        super().__init__(owner, client, seq, address)
        self._socket = socket
        self._enveloped = enveloped

    def _messages(self) -> AsyncIterator[str | bytes]:
        messages: AsyncIterator[str | bytes] = aiter(self._socket)
        return messages

    def _parse(self, data: str | bytes) -> Message:
        return parse_message(data, self._owner.limits, enveloped=self._enveloped)

    async def _give_up(self, fault: Unavailable) -> None:
        await self._socket.close(TRY_AGAIN, fault.code)

    async def _tell_up_to(self, seq: int) -> None:
        await self._send({"ack_seq": seq})

    async def _tell(
        self, pending: Pending, fault: SummitError | None, outcomes: list[Outcome]
    ) -> None:
        await self._send(_ack(pending, outcomes) if fault is None else _nack(pending, fault))

    async def _send(self, answer: dict[str, Any]) -> None:
        if not self._is_ending or self._socket.state == 1:
            with contextlib.suppress(ConnectionClosed):  # nobody minds when the other side is gone
                await self._socket.send(_encode(answer).decode())


def _ack(pending: Pending, outcomes: list[Outcome]) -> dict[str, Any]:
    answer: dict[str, Any]
    if pending.id is None:
        answer = {"ack_seq": pending.seq}
    else:
        answer = {"ack": pending.id, "seq": pending.seq}
    if pending.is_repeated:
        answer["repeated"] = True
    if len(outcomes) == 1 and not isinstance(outcomes[0], SummitError):
        answer["partition"], answer["offset"] = outcomes[0].partition, outcomes[0].offset
    elif outcomes or pending.shaped is not None:
        answer["accepted"] = len(outcomes)
    if pending.shaped is not None and pending.shaped.refused:
        answer["deadLetters"] = len(pending.shaped.refused)
        answer["accepted"] = len(outcomes) - len(pending.shaped.refused)
    return answer


def _nack(pending: Pending, fault: SummitError) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "nack": pending.id, "seq": pending.seq, "code": fault.code, "error": str(fault),
    }  # fmt: skip
    if fault.retry_after_ms is not None:
        answer["retryAfterMs"] = fault.retry_after_ms
    return answer
