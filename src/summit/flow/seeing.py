"""What the brokers say of the flow: topics and their ends, positions, members, sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from summit.base.errors import Invalid, SummitError
from summit.base.logs import get_logger
from summit.client import ClusterAdmin, TopicPartition, ask_each
from summit.client.dead_letters import SUFFIX
from summit.flow.past_state import PastState
from summit.flow.settings import WORKERS_GROUP
from summit.journal.backfill_log import BackfillMark
from summit.journal.topics import ALERTS_TOPIC, EXCHANGE_TOPIC, LATE_TOPIC, STATE_TOPIC

Bounds = dict[int, tuple[int, int]]
_OWN = (ALERTS_TOPIC, EXCHANGE_TOPIC, LATE_TOPIC)


class Member(NamedTuple):
    """A member of the workers' group and the key groups that it was given."""

    member_id: str
    client_id: str
    host: str
    groups: tuple[int, ...]


class Seen(NamedTuple):
    """One look.

    Attributes:
        bounds: First kept and next offset by topic and partition: inputs that are wanted, their
            dead letters, and the system's own topics.
        positions: What the workers have committed.
        members: None where the brokers do not say.
        marks: How far backfills are, by their names.
        state_bytes: Of the state's topic on the disk of its leaders; None where unknown.
    """

    bounds: dict[str, Bounds]
    positions: dict[TopicPartition, int]
    members: list[Member] | None
    state_bytes: int | None
    marks: Mapping[str, BackfillMark] = {}


async def look(
    admin: ClusterAdmin, reads: Callable[[str], bool], backfills: Iterable[str] = ()
) -> Seen:
    """Look once.

    Args:
        admin: Connected.
        reads: Whether some rule reads a topic.
        backfills: Names of those under way.
    Raises: Unavailable.
    """
    names = [
        name for name in await admin.list_topics()
        if name in _OWN or reads(name)
        or (name.endswith(SUFFIX) and reads(name.removesuffix(SUFFIX)))
    ]  # fmt: skip
    return Seen(
        bounds=await ask_each(names, admin.offsets),
        positions=await admin.group_offsets(WORKERS_GROUP),
        members=await _members(admin),
        state_bytes=await _state_bytes(admin),
        marks=await _marks(admin, backfills),
    )


async def _marks(admin: ClusterAdmin, backfills: Iterable[str]) -> dict[str, BackfillMark]:
    past = PastState(admin.config.servers)
    try:
        found = {name: await past.mark(name) for name in backfills}
    finally:
        await past.close()
    return {name: mark for name, mark in found.items() if mark is not None}


async def _members(admin: ClusterAdmin) -> list[Member] | None:
    try:
        group = await admin.describe_group(WORKERS_GROUP)
    except Invalid:
        return None
    return [
        Member(
            member.member_id, member.client_id, member.host,
            tuple(sorted(p.partition for p in member.partitions if p.topic == EXCHANGE_TOPIC)),
        )
        for member in group.members
    ]  # fmt: skip


async def _state_bytes(admin: ClusterAdmin) -> int | None:
    try:
        sizes: dict[int, int] = {}
        for directory in await admin.log_dirs():
            for replica in directory.replicas:
                if replica.topic == STATE_TOPIC:
                    known = sizes.get(replica.partition, 0)
                    sizes[replica.partition] = max(known, replica.size_bytes)
        return sum(sizes.values())
    except SummitError as error:  # a broker that does not say, or may not
        get_logger(__name__).debug("state.size_unknown", error=str(error))
        return None
