"""Fetch: key 1, versions 4-18.

Behaviour: whole batches, the first of which holds the offset asked for (clients skip to it), up to
`partition_max_bytes` and `max_bytes`, but always at least one batch (KIP-74). With less than
`min_bytes` at hand it waits up to `max_wait_ms` for the partitions to move. An error in any
partition is answered at once.
Versions: 5 log start offset · 7 sessions · 9 the client's leader epoch is checked ·
11 preferred read replica, always -1 · 13 topics by id.
Isolation: `read_committed` (4+) reads to the last stable offset and is told which transactions of
that range were aborted.
Deviations: no fetch sessions are kept: every answer is a full one with session id 0, which is
always allowed.
"""

from __future__ import annotations

from summit.broker import fetch_wait
from summit.broker.epochs import epoch_error
from summit.broker.fetch_wait import FetchWait, Wanted
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.fetch import FetchRequest
from summit.protocol.fetch_fast import build_fetch_response

_SESSION_NONE = -1  # epochs that ask for a full fetch
_SESSION_NEW = 0
_READ_COMMITTED = 1


def handle(state: BrokerState, request: Request, message: FetchRequest) -> None:
    """Answer with records, now or when there are enough of them."""
    state.metrics.fetch_requests += 1
    error = _session_error(message)
    if error != codes.NONE:
        request.respond_parts(
            build_fetch_response(request.version, request.correlation_id, (), error_code=error)
        )
        return
    wanted = _resolve(state, request.version, message)
    found = fetch_wait.read(wanted, message.max_bytes)
    is_final = (
        found >= message.min_bytes
        or message.max_wait_ms <= 0
        or not wanted
        or any(each.error != codes.NONE for each in wanted)
    )
    if is_final:
        fetch_wait.reply(request, wanted, state.metrics)
        return
    wait = FetchWait(
        request,
        wanted,
        min_bytes=message.min_bytes,
        max_bytes=message.max_bytes,
        metrics=state.metrics,
    )
    wait.begin(state.loop, message.max_wait_ms)


def _session_error(message: FetchRequest) -> int:
    if message.session_id != 0:
        return codes.FETCH_SESSION_ID_NOT_FOUND
    if message.session_epoch not in (_SESSION_NONE, _SESSION_NEW):
        return codes.INVALID_FETCH_SESSION_EPOCH
    return codes.NONE


def _resolve(state: BrokerState, version: int, message: FetchRequest) -> list[Wanted]:
    by_id = version >= 13
    committed = message.isolation_level == _READ_COMMITTED
    wanted: list[Wanted] = []
    for asked in message.topics:
        if by_id:
            topic = state.topics.with_id(asked.topic_id)
            key: str | bytes = asked.topic_id.bytes
            missing = codes.UNKNOWN_TOPIC_ID
        else:
            topic = state.topics.named(asked.name)
            key = asked.name
            missing = codes.UNKNOWN_TOPIC_OR_PARTITION
        for part in asked.partitions:
            each = Wanted(key, part.index, part.fetch_offset, part.partition_max_bytes)
            each.committed = committed
            if topic is None:
                each.error = missing
            elif not 0 <= part.index < len(topic.partitions):
                each.error = codes.UNKNOWN_TOPIC_OR_PARTITION
            else:
                each.partition = topic.partitions[part.index]
                each.error = epoch_error(each.partition.log, part.current_leader_epoch)
            wanted.append(each)
    return wanted
