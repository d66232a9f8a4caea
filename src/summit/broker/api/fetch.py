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

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from summit.base.limits import FETCH_BYTES_MAX
from summit.broker import fetch_answer, fetch_wait
from summit.broker.fetch_sessions import FINAL_EPOCH, FIRST_EPOCH, Place
from summit.broker.fetch_wait import FetchWait
from summit.broker.fetch_wanted import Wanted, by_topic, find_partition
from summit.broker.request import Request
from summit.broker.security.access import Access
from summit.broker.state import BrokerState
from summit.broker.topics import Topic
from summit.protocol import acls, codes
from summit.protocol.fetch import FetchRequest
from summit.protocol.fetch_fast import FetchAnswer
from summit.protocol.fetch_plain import parse_plain_fetch

if TYPE_CHECKING:
    from summit.broker.connection import Connection

_READ_COMMITTED = 1


def handle_plain(
    state: BrokerState, request: Request, view: memoryview, position: int
) -> bool:  # fmt: skip
    """Serve a request without a session from its bytes, if it is plain: see `fetch_memory`.

    Returns: False when the message must be decoded and given to `handle`; nothing has happened.
    """
    asked = parse_plain_fetch(request.version, view, position)
    if asked is None:
        return False
    committed = asked.isolation_level == _READ_COMMITTED
    memory = state.fetch_memory
    connection = request.connection
    remembered = memory.take(connection, request.version, committed=committed)
    groups = remembered.groups(state.topics, asked.topics)
    if groups is None or not _may_all(state, connection, groups):
        return False
    connection.expect(request)
    state.metrics.fetch_requests += 1
    wanted = groups[0][1] if len(groups) == 1 else [each for _, group in groups for each in group]

    def answer() -> None:
        special = fetch_answer.reply(request, groups, state.metrics)
        for each in special:
            each.data = b""  # a connection that is never used again must not hold records
            if each.error != codes.NONE:
                return  # errors may pass: look again
        memory.keep(connection, remembered)

    limits = (asked.min_bytes, asked.max_bytes, asked.max_wait_ms)
    _read_or_wait(state, request, wanted, limits, answer)
    return True


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
            nothing = FetchAnswer(request.version, 0)
            request.respond_parts(nothing.finish(request.correlation_id, error_code=error))
            return
        session.forget(_forgotten(message, by_id=by_id))
    if session is not None:
        wanted = list(session.parts.values())
        if not wanted:
            sessions.end(session.session_id)
            session = None
    _resolve(state, wanted, committed=message.isolation_level == _READ_COMMITTED)
    if state.guard is not None:
        _deny(state, state.guard.access(request.connection), wanted)

    def answer() -> None:
        if session is None:
            fetch_answer.reply(request, by_topic(wanted), state.metrics)
        else:
            session.wait = None
            changed = session.changed(full=is_full)
            fetch_answer.reply(request, by_topic(changed), state.metrics, session.session_id)
            for each in changed:
                each.data = b""  # a session that is never used again must not hold records

    limits = (message.min_bytes, message.max_bytes, message.max_wait_ms)
    wait = _read_or_wait(state, request, wanted, limits, answer)
    if session is not None and wait is not None:
        session.wait = wait


def _read_or_wait(
    state: BrokerState,
    request: Request,
    wanted: list[Wanted],
    limits: tuple[int, int, int],
    answer: Callable[[], None],
) -> FetchWait | None:
    """Read, and answer now or when more has come; the limits are min and max bytes, and ms."""
    min_bytes, max_bytes, max_wait_ms = limits
    max_bytes = min(max_bytes, FETCH_BYTES_MAX)
    found = fetch_wait.read(wanted, max_bytes)
    is_final = (
        found >= min_bytes
        or max_wait_ms <= 0
        or not wanted
        or any(each.error != codes.NONE for each in wanted)
    )
    if is_final:
        answer()
        return None
    wait = FetchWait(request, wanted, min_bytes=min_bytes, max_bytes=max_bytes, answer=answer)
    wait.begin(state.loop, max_wait_ms)
    return wait


def _may_all(
    state: BrokerState, connection: Connection, groups: list[tuple[str | bytes, list[Wanted]]]
) -> bool:
    """Whether a client may read every topic that it names, so that nothing is to be denied."""
    access = None if state.guard is None else state.guard.access(connection)
    if access is None:
        return True
    for key, _ in groups:
        topic = state.topics.keyed(key)
        name = key if isinstance(key, str) else topic and topic.name
        if name and not access.topic(acls.READ, name):
            return False
    return True


def _deny(state: BrokerState, access: Access | None, wanted: list[Wanted]) -> None:
    """Take away the partitions of topics that the client may not read."""
    if access is None:
        return
    for each in wanted:
        topic = state.topics.keyed(each.key)
        name = each.key if isinstance(each.key, str) else topic and topic.name
        if name and not access.topic(acls.READ, name):
            each.partition, each.error = None, codes.TOPIC_AUTHORIZATION_FAILED
            state.metrics.denied_requests += 1


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
    last: str | bytes | None = None
    topic: Topic | None = None
    for each in wanted:
        each.committed = committed
        if each.key is not last:
            last = each.key
            topic = state.topics.keyed(last)
        find_partition(each, topic)
