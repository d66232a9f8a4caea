"""Committed offsets: commit, fetch, delete, in every version and with every refusal."""

from __future__ import annotations

import uuid
from typing import Any

from tests.differential.requests import topic_of, versions
from tests.differential.scenarios.groups import enter, sync
from tests.differential.side import Side

from summit.protocol.offset_commit import OFFSET_COMMIT
from summit.protocol.offset_delete import OFFSET_DELETE
from summit.protocol.offset_fetch import OFFSET_FETCH
from summit.protocol.sync_group import SYNC_GROUP

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def commit(
    v: int, group: str, name: str, topic_id: uuid.UUID | None, offset: int, **fields: Any
) -> dict[str, Any]:
    part = {"partition_index": fields.pop("index", 0), "committed_offset": offset,
            "committed_metadata": fields.pop("metadata", "m"),
            "committed_leader_epoch": fields.pop("epoch", -1)}  # fmt: skip
    topics = [{**topic_of(v, 10, name, topic_id), "partitions": [part]}]
    return {"group_id": group, "topics": topics, **fields}


def asked(
    v: int, group: str, name: str | None, topic_id: uuid.UUID | None, *indexes: int, **fields: Any
) -> dict[str, Any]:
    """An OffsetFetch of one group; without a name, of all topics."""
    topics: list[dict[str, Any]] | None = None
    if name is not None:
        topics = [{**topic_of(v, 10, name, topic_id), "partition_indexes": list(indexes)}]
    if v >= 8:
        stable = {k: fields.pop(k) for k in ("require_stable",) if k in fields}
        return {"groups": [{"group_id": group, "topics": topics, **fields}], **stable}
    return {"group_id": group, "topics": topics, **fields}


def simple(side: Side) -> None:
    topic_id = side.create("t", 2)
    name = side.mine("t")
    for v in versions(OFFSET_COMMIT):
        group = side.mine(f"g-v{v}")
        for step, fields in {
            "plain": {}, "no metadata": {"metadata": None}, "empty metadata": {"metadata": ""},
            "with epoch 3": {"epoch": 3}, "much metadata": {"metadata": "x" * 4_096},
            "too much metadata": {"metadata": "x" * 4_097}, "no such partition": {"index": 2},
            "negative partition": {"index": -1},
            "generation 3": {"generation_id_or_member_epoch": 3},
            "of a member": {"member_id": "m"}, "retained": {"retention_time_ms": 1_000},
        }.items():  # fmt: skip
            side.ask(step, OFFSET_COMMIT, v, commit(v, group, name, topic_id, 5, **fields))
        for offset in (0, -1, -5, 1 << 62):
            side.ask(f"offset {offset}", OFFSET_COMMIT, v, commit(v, group, name, topic_id, offset))
        side.ask("no such topic", OFFSET_COMMIT, v, commit(v, group, "nobody", NOBODY, 1))
        side.ask("no group", OFFSET_COMMIT, v, commit(v, "", name, topic_id, 1))
        side.ask("nothing", OFFSET_COMMIT, v, {"group_id": group})
        if v >= 7:
            side.ask("of an instance", OFFSET_COMMIT, v,
                     commit(v, group, name, topic_id, 5, group_instance_id="i"))  # fmt: skip
    group = side.mine("g-v9")
    for v in versions(OFFSET_FETCH):
        side.ask("fetch: two partitions", OFFSET_FETCH, v, asked(v, group, name, topic_id, 0, 1))
        side.ask("fetch: no such partition", OFFSET_FETCH, v, asked(v, group, name, topic_id, 7))
        side.ask("fetch: no such topic", OFFSET_FETCH, v, asked(v, group, "nobody", NOBODY, 0))
        side.ask(
            "fetch: no such group", OFFSET_FETCH, v, asked(v, side.mine("none"), name, topic_id, 0)
        )
        side.ask("fetch: an empty group name", OFFSET_FETCH, v, asked(v, "", name, topic_id, 0))
        side.ask("fetch: no partitions", OFFSET_FETCH, v, asked(v, group, name, topic_id))
        if v >= 2:
            side.ask("fetch: all", OFFSET_FETCH, v, asked(v, group, None, None))
            side.ask(
                "fetch: all of no group", OFFSET_FETCH, v, asked(v, side.mine("none"), None, None)
            )
        if v >= 7:
            side.ask("fetch: stable", OFFSET_FETCH, v,
                     asked(v, group, name, topic_id, 0, require_stable=True))  # fmt: skip
        if v >= 8:
            both = asked(v, group, name, topic_id, 0)
            both["groups"] += asked(v, side.mine("g-v8"), None, None)["groups"]
            side.ask("fetch: two groups", OFFSET_FETCH, v, both)
            side.ask("fetch: no groups", OFFSET_FETCH, v)
        if v >= 9:
            side.ask("fetch: of a member", OFFSET_FETCH, v,
                     asked(v, group, name, topic_id, 0, member_id="m", member_epoch=3))  # fmt: skip


def of_members(side: Side) -> None:
    topic_id = side.create("t", 2)
    name = side.mine("t")
    for v in versions(OFFSET_COMMIT):
        group = side.mine(f"g-v{v}")
        joined = enter(side, "joins", v - 2, group)
        member = joined.member_id
        now = {"member_id": member, "generation_id_or_member_epoch": joined.generation_id}
        side.ask("before sync", OFFSET_COMMIT, v, commit(v, group, name, topic_id, 3, **now))
        side.quietly(SYNC_GROUP, 3, sync(group, joined, member))
        for step, fields in {
            "in its generation": now,
            "in the one before": {**now, "generation_id_or_member_epoch": 0},
            "in the next": {**now, "generation_id_or_member_epoch": 9},
            "of a stranger": {**now, "member_id": "stranger"},
            "without a member": {},
            "of a member without a generation": {"member_id": member},
        }.items():
            side.ask(step, OFFSET_COMMIT, v, commit(v, group, name, topic_id, 5, **fields))


def delete(side: Side) -> None:
    topic_id = side.create("t", 2)
    name = side.mine("t")
    group = side.mine("g")
    for index in (0, 1):
        side.quietly(OFFSET_COMMIT, 9, commit(9, group, name, topic_id, 5, index=index))

    def of(group: str, name: str, *indexes: int) -> dict[str, Any]:
        parts = [{"partition_index": index} for index in indexes]
        return {"group_id": group, "topics": [{"name": name, "partitions": parts}]}

    side.ask("one partition", OFFSET_DELETE, 0, of(group, name, 0))
    side.ask("what is left", OFFSET_FETCH, 8, asked(8, group, name, topic_id, 0, 1))
    for step, fields in {
        "again": of(group, name, 0), "no such partition": of(group, name, 9),
        "no such topic": of(group, "nobody", 0), "no such group": of(side.mine("none"), name, 0),
        "an empty name": of("", name, 0), "nothing": {"group_id": group},
    }.items():  # fmt: skip
        side.ask(step, OFFSET_DELETE, 0, fields)
    joined = enter(side, "a consumer joins", 9, side.mine("live"))
    side.quietly(SYNC_GROUP, 3, sync(side.mine("live"), joined, joined.member_id))
    side.ask("of a live group", OFFSET_DELETE, 0, of(side.mine("live"), name, 0))
    enter(side, "a worker joins", 9, side.mine("connect"), protocol_type="connect")
    side.ask("of another type", OFFSET_DELETE, 0, of(side.mine("connect"), name, 0))


SCENARIOS = {
    "offsets simple": simple,
    "offsets of members": of_members,
    "offsets delete": delete,
}
