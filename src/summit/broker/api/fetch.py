"""Fetch: key 1, versions 4-18.

Behaviour: whole batches, the first of which holds the offset asked for (clients skip to it), up to
`partition_max_bytes` and `max_bytes` (no more than `FETCH_BYTES_MAX`), but always at least one
batch (KIP-74). With less than `min_bytes` at hand it waits up to `max_wait_ms` for the partitions
to move. An error in any partition is answered at once.
Versions: 5 log start offset · 7 sessions · 9 the client's leader epoch is checked ·
11 preferred read replica, always -1 · 13 topics by id.
Isolation: `read_committed` (4+) reads to the last stable offset and is told which transactions of
that range were aborted.
Sessions (7+): see `broker.fetch_sessions`. Epoch 0 asks for a session, -1 ends it, any other goes
on with it: the request then names only what changed and the answer holds only what is new.
"""

from __future__ import annotations

from collections.abc import Iterator

from summit.base.limits import FETCH_BYTES_MAX
from summit.broker import fetch_wait
from summit.broker.epochs import UNKNOWN_EPOCH, epoch_error
from summit.broker.fetch_sessions import FINAL_EPOCH, FIRST_EPOCH, Place
from summit.broker.fetch_wait import FetchWait, Wanted
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Topic
from summit.protocol import codes
from summit.protocol.fetch import FetchRequest
from summit.protocol.fetch_fast import build_fetch_response
from summit.protocol.primitives import uuid_of

_READ_COMMITTED = 1


def handle(state: BrokerState, request: Request, message: FetchRequest) -> None:
    """Answer with records, now or when there are enough of them."""
    state.metrics.fetch_requests += 1
    sessions = state.fetch_sessions
    by_id = request.version >= 13
    epoch = message.session_epoch
    is_full = epoch in (FIRST_EPOCH, FINAL_EPOCH)
    wanted = _named(message, by_id=by_id)
    if is_full:
        sessions.end(message.session_id)
        session = sessions.create(wanted, by_id=by_id) if epoch == FIRST_EPOCH else None
    else:
        session, error = sessions.go_on(message.session_id, epoch, by_id=by_id)
        if session is not None and not sessions.grow(session, wanted):
            session, error = None, codes.FETCH_SESSION_ID_NOT_FOUND
        if session is None:
            request.respond_parts(
                build_fetch_response(request.version, request.correlation_id, (), error_code=error)
            )
            return
        session.forget(_forgotten(message, by_id=by_id))
    if session is not None:
        wanted = list(session.parts.values())
        if not wanted:
            sessions.end(session.session_id)
            session = None
    _resolve(state, wanted, committed=message.isolation_level == _READ_COMMITTED)

    def answer() -> None:
        if session is None:
            fetch_wait.reply(request, wanted, state.metrics)
        else:
            session.wait = None
            changed = session.changed(full=is_full)
            fetch_wait.reply(request, changed, state.metrics, session.session_id)
            for each in changed:
                each.data = b""  # a session that is never used again must not hold records

    max_bytes = min(message.max_bytes, FETCH_BYTES_MAX)
    found = fetch_wait.read(wanted, max_bytes)
    is_final = (
        found >= message.min_bytes
        or message.max_wait_ms <= 0
        or not wanted
        or any(each.error != codes.NONE for each in wanted)
    )
    if is_final:
        answer()
        return
    wait = FetchWait(
        request,
        wanted,
        min_bytes=message.min_bytes,
        max_bytes=max_bytes,
        answer=answer,
    )
    if session is not None:
        session.wait = wait
    wait.begin(state.loop, message.max_wait_ms)


def _named(message: FetchRequest, *, by_id: bool) -> list[Wanted]:
    wanted: dict[Place, Wanted] = {}  # a partition that is named twice is read once
    for asked in message.topics:
        key: str | bytes = asked.topic_id.bytes if by_id else asked.name
        for part in asked.partitions:
            each = Wanted(key, part.index, part.fetch_offset, part.partition_max_bytes)
            each.leader_epoch = part.current_leader_epoch
            wanted[key, part.index] = each
    return list(wanted.values())


def _forgotten(message: FetchRequest, *, by_id: bool) -> Iterator[Place]:
    for topic in message.forgotten_topics:
        for index in topic.partitions:
            yield (topic.topic_id.bytes if by_id else topic.name), index


def _resolve(state: BrokerState, wanted: list[Wanted], *, committed: bool) -> None:
    """Find the partitions; a session's may be gone, or be others, since the last request.

    Most requests name many partitions of a few topics in a row: a topic is looked up once a row.
    """
    topics = state.topics
    last: str | bytes | None = None
    topic: Topic | None = None
    for each in wanted:
        each.committed = committed
        key = each.key
        if key is not last:
            last = key
            topic = topics.with_id(uuid_of(key)) if isinstance(key, bytes) else topics.named(key)
        if topic is None:
            each.partition = None
            each.error = (
                codes.UNKNOWN_TOPIC_ID
                if isinstance(key, bytes)
                else codes.UNKNOWN_TOPIC_OR_PARTITION
            )
        elif not 0 <= each.index < len(topic.partitions):
            each.partition = None
            each.error = codes.UNKNOWN_TOPIC_OR_PARTITION
        else:
            partition = topic.partitions[each.index]
            each.partition = partition
            # Nearly every client sends -1 or what it was told: no call for those.
            each.error = (
                codes.NONE
                if each.leader_epoch == UNKNOWN_EPOCH
                else epoch_error(partition.log, each.leader_epoch)
            )
