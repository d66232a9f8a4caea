"""Groups whose partitions the broker assigns (KIP-848), and how they mix with classic ones."""

from __future__ import annotations

import struct
from typing import Any

from tests.differential.requests import versions
from tests.differential.side import Side

from summit.protocol.consumer_group_describe import CONSUMER_GROUP_DESCRIBE
from summit.protocol.consumer_group_heartbeat import CONSUMER_GROUP_HEARTBEAT
from summit.protocol.delete_groups import DELETE_GROUPS
from summit.protocol.describe_groups import DESCRIBE_GROUPS
from summit.protocol.heartbeat import HEARTBEAT
from summit.protocol.join_group import JOIN_GROUP
from summit.protocol.leave_group import LEAVE_GROUP
from summit.protocol.list_groups import LIST_GROUPS
from summit.protocol.offset_commit import OFFSET_COMMIT
from summit.protocol.offset_delete import OFFSET_DELETE
from summit.protocol.offset_fetch import OFFSET_FETCH
from summit.protocol.sync_group import SYNC_GROUP


def beat(group: str, member: str, epoch: int, **fields: Any) -> dict[str, Any]:
    return {"group_id": group, "member_id": member, "member_epoch": epoch, **fields}


def joining(group: str, member: str, topics: list[str], **fields: Any) -> dict[str, Any]:
    return beat(group, member, 0, **{
        "rebalance_timeout_ms": 60_000, "subscribed_topic_names": topics, "topic_partitions": [],
        **fields,
    })  # fmt: skip


def count(answer: Any) -> int:
    """Of partitions in an answer; -1 when it says nothing of them."""
    if isinstance(answer, str) or answer.assignment is None:
        return -1
    return sum(len(topic.partitions) for topic in answer.assignment.topic_partitions)


class Member:
    """A member that says all it knows with every heartbeat, until it has what it should have."""

    def __init__(self, side: Side, group: str, name: str, topics: list[str], **fields: Any) -> None:
        self.side, self.group, self.name = side, group, name
        self.fields = {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": topics, **fields}
        self.epoch = 0
        self.held: list[dict[str, Any]] = []

    def beat(self, step: str, version: int, wanted: int, **fields: Any) -> Any:
        """Heartbeat until there are so many partitions."""

        def is_there(answer: Any) -> bool:
            if answer.error_code == 0:
                self.epoch = answer.member_epoch
                if answer.assignment is not None:
                    self.held = [
                        {"topic_id": t.topic_id, "partitions": t.partitions}
                        for t in answer.assignment.topic_partitions
                    ]
                self.request.update(
                    beat(self.group, self.name, self.epoch, topic_partitions=self.held)
                )
            return answer.error_code != 0 or count(answer) == wanted

        self.request = beat(
            self.group, self.name, self.epoch, topic_partitions=self.held, **self.fields, **fields
        )
        return self.side.ask(step, CONSUMER_GROUP_HEARTBEAT, version, self.request, until=is_there)


def describe(side: Side, step: str, group: str, state: str = "") -> None:
    for v in versions(CONSUMER_GROUP_DESCRIBE):
        side.ask(step, CONSUMER_GROUP_DESCRIBE, v,
                 {"group_ids": [group], "include_authorized_operations": True},
                 until=lambda a: not state or a.groups[0].group_state == state)  # fmt: skip


def one_member(side: Side) -> None:
    topic_id = side.create("t", 3)
    topic = side.mine("t")
    whole = [{"topic_id": topic_id, "partitions": [0, 1, 2]}]
    for v in versions(CONSUMER_GROUP_HEARTBEAT):
        group = side.mine(f"g-v{v}")
        member = Member(side, group, "m", [topic])
        member.beat("joins", v, 3)
        epoch = member.epoch
        describe(side, f"described, v{v}", group, "Stable")
        side.ask("says nothing new", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m", epoch))
        side.ask("says what it has", CONSUMER_GROUP_HEARTBEAT, v,
                 beat(group, "m", epoch, topic_partitions=whole))  # fmt: skip
        for name, e in (("above", epoch + 5), ("of long ago", epoch - 5 if epoch > 5 else 77)):
            side.ask(f"an epoch {name}", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m", e))
        side.ask("a stranger", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "other", 1))
        Member(side, group, "m", [topic]).beat("joins again as it is", v, 3)
        for dv in (5, 6):
            side.ask(
                f"described as a classic group, v{v}", DESCRIBE_GROUPS, dv, {"groups": [group]}
            )
        side.ask(f"listed, v{v}", LIST_GROUPS, 5, {"types_filter": ["Consumer"]}, mine=True)
        for cv in (8, 9):
            for name, e in (("its", epoch), ("another", epoch + 1), ("no", -1)):
                side.ask(f"commits in {name} epoch, v{v}", OFFSET_COMMIT, cv, {
                    "group_id": group, "member_id": "m" if e >= 0 else "",
                    "generation_id_or_member_epoch": e,
                    "topics": [{"name": topic, "partitions": [
                        {"partition_index": 0, "committed_offset": 5, "committed_metadata": ""}]}],
                })  # fmt: skip
        for name, who, e in (
            ("its", "m", epoch),
            ("another", "m", epoch + 1),
            ("a stranger's", "x", 1),
        ):
            side.ask(f"offsets in {name} epoch, v{v}", OFFSET_FETCH, 9, {"groups": [
                {"group_id": group, "member_id": who, "member_epoch": e,
                 "topics": [{"name": topic, "partition_indexes": [0]}]}]})  # fmt: skip
        side.ask(f"its offsets deleted, v{v}", OFFSET_DELETE, 0, {"group_id": group, "topics": [
            {"name": topic, "partitions": [{"partition_index": 0}]}]})  # fmt: skip
        side.ask("deleted while it is in", DELETE_GROUPS, 2 - v, {"groups_names": [group]})
        side.ask("leaves", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m", -1))
        side.ask("leaves again", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m", -1))
        describe(side, f"when it has left, v{v}", group)
        side.ask("deleted", DELETE_GROUPS, 2 - v, {"groups_names": [group]})
        describe(side, f"when it is deleted, v{v}", group)
    describe(side, "of no name", "")


def bad_requests(side: Side) -> None:
    side.create("t", 1)
    topic, v = side.mine("t"), 1
    group = side.mine("g")
    for name, fields in {
        "no group": joining("", "m", [topic]),
        "no member": joining(group, "", [topic]),
        "an empty instance": joining(group, "m", [topic], instance_id=""),
        "an empty rack": joining(group, "m", [topic], rack_id=""),
        "no rebalance time-out": joining(group, "m", [topic], rebalance_timeout_ms=-1),
        "partitions at once": joining(group, "m", [topic], topic_partitions=None),
        "no topics": joining(group, "m", [topic], subscribed_topic_names=None),
        "an unknown assignor": joining(group, "m", [topic], server_assignor="sticky"),
        "no expression": joining(group, "m", [], subscribed_topic_regex="a["),
        "epoch -3": beat(group, "m", -3),
        "epoch -2 without an instance": beat(group, "m", -2),
        "epoch 1 of no group": beat(group, "m", 1),
        "leaving no group": beat(group, "m", -1),
    }.items():
        side.ask(name, CONSUMER_GROUP_HEARTBEAT, v, fields)
    side.ask("no member in v0", CONSUMER_GROUP_HEARTBEAT, 0, beat(group, "", 1))


def two_members(side: Side) -> None:
    for assignor in ("range", "uniform"):
        # Which of several topics moves is nobody's promise: topics come in the order of their ids.
        sizes = {"a": 4, "b": 2} if assignor == "range" else {"a": 6}
        for name, size in sizes.items():
            side.create(f"{assignor}-{name}", size)
        topics = [side.mine(f"{assignor}-{name}") for name in sizes]
        group = side.mine(assignor)
        first = Member(side, group, "m1", topics, server_assignor=assignor)
        second = Member(side, group, "m2", topics, server_assignor=assignor)
        first.beat(f"{assignor}: the first joins", 1, 6)
        second.beat(f"{assignor}: the second waits", 1, 0)
        first.beat(f"{assignor}: the first gives back", 1, 3)
        first.beat(f"{assignor}: the first goes on", 1, 3)
        second.beat(f"{assignor}: the second has its own", 1, 3)
        describe(side, f"{assignor}: both", group, "Stable")
        side.ask(
            f"{assignor}: the second leaves", CONSUMER_GROUP_HEARTBEAT, 1, beat(group, "m2", -1)
        )
        first.beat(f"{assignor}: the first has all again", 1, 6)


def static_members(side: Side) -> None:
    side.create("t", 2)
    topics, v, group = [side.mine("t")], 1, side.mine("g")
    first = Member(side, group, "m1", topics, instance_id="i")
    first.beat("joins", v, 2)
    other = joining(group, "m2", topics, instance_id="i")
    side.ask("another one of the name", CONSUMER_GROUP_HEARTBEAT, v, other)
    side.ask(
        "as another member", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m2", 1, instance_id="i")
    )
    side.ask(
        "as another instance", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m1", 1, instance_id="x")
    )
    side.ask(
        "goes for a while", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m1", -2, instance_id="i")
    )
    describe(side, "while it is away", group)
    second = Member(side, group, "m2", topics, instance_id="i")
    second.beat("is back as another member", v, 2)
    describe(side, "when it is back", group, "Stable")
    side.ask("the old one", CONSUMER_GROUP_HEARTBEAT, v,
             beat(group, "m1", first.epoch, instance_id="i"))  # fmt: skip
    side.ask("leaves for good", CONSUMER_GROUP_HEARTBEAT, v, beat(group, "m2", -1, instance_id="i"))
    describe(side, "when it has left", group)


def patterns(side: Side) -> None:
    side.create("a1", 1)
    side.create("a2", 2)
    side.create("b1", 4)
    group = side.mine("g")
    pattern = f"{side.prefix}-a.*"
    member = Member(side, group, "m", [], subscribed_topic_regex=pattern)
    member.beat("by a pattern", 1, 3)
    describe(side, "described", group, "Stable")
    member.fields["subscribed_topic_names"] = [side.mine("b1")]
    member.beat("and by name", 1, 7)
    member.fields["subscribed_topic_regex"] = ""
    member.beat("by name alone", 1, 4)


def subscription(topics: list[str], owned: dict[str, list[int]] | None = None) -> bytes:
    """A classic consumer's, version 1."""

    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    data = struct.pack(">hi", 1, len(topics)) + b"".join(map(text, topics)) + struct.pack(">i", -1)
    data += struct.pack(">i", len(owned or {}))
    for name, indexes in (owned or {}).items():
        data += text(name) + struct.pack(f">i{len(indexes)}i", len(indexes), *indexes)
    return data


def migrating(side: Side) -> None:
    side.create("t", 4)
    topic, group = side.mine("t"), side.mine("g")

    def join(member: str, owned: list[int] | None = None) -> dict[str, Any]:
        metadata = subscription([topic], {topic: owned} if owned else None)
        return {"group_id": group, "session_timeout_ms": 30_000, "rebalance_timeout_ms": 60_000,
                "member_id": member, "protocol_type": "consumer",
                "protocols": [{"name": "range", "metadata": metadata}]}  # fmt: skip

    line = {"line": "classic"}
    joined = side.ask("a classic member asks", JOIN_GROUP, 9, join(""), **line)
    old = joined.member_id
    side.ask("a classic member joins", JOIN_GROUP, 9, join(old), **line)
    share = struct.pack(">hi", 0, 1) + struct.pack(">h", len(topic)) + topic.encode()
    share += struct.pack(">i4ii", 4, 0, 1, 2, 3, -1)

    def sync(generation: int) -> dict[str, Any]:
        shares = [{"member_id": old, "assignment": share}] if generation == 1 else []
        return {"group_id": group, "generation_id": generation, "member_id": old,
                "protocol_type": "consumer", "protocol_name": "range",
                "assignments": shares}  # fmt: skip

    def pulse(generation: int) -> dict[str, Any]:
        return {"group_id": group, "generation_id": generation, "member_id": old}

    side.ask("it assigns", SYNC_GROUP, 5, sync(1), **line)
    new = Member(side, group, "new", [topic])
    new.beat("a new member joins", 1, 0)
    describe(side, "mixed", group)
    side.ask("listed", LIST_GROUPS, 5, {}, mine=True)
    side.ask("the classic one is told", HEARTBEAT, 4, pulse(1), **line)
    joined = side.ask("it keeps half", JOIN_GROUP, 9, join(old, [0, 1, 2, 3]), **line)
    side.ask("what it keeps", SYNC_GROUP, 5, sync(joined.generation_id), **line)
    side.ask("it must say so", HEARTBEAT, 4, pulse(joined.generation_id), **line)
    kept = [0, 1]
    joined = side.ask("it has given back", JOIN_GROUP, 9, join(old, kept), **line)
    side.ask("what it has", SYNC_GROUP, 5, sync(joined.generation_id), **line)
    side.ask("it goes on", HEARTBEAT, 4, pulse(joined.generation_id), **line)
    new.beat("the new one has the rest", 1, 2)
    describe(side, "both", group, "Stable")
    side.ask("in a wrong generation", HEARTBEAT, 4, pulse(77), **line)
    side.ask("the new one by the old request", LEAVE_GROUP, 5, {
        "group_id": group, "members": [{"member_id": "new"}]}, **line)  # fmt: skip
    side.ask("the new one leaves", CONSUMER_GROUP_HEARTBEAT, 1, beat(group, "new", -1))
    side.ask("listed again", LIST_GROUPS, 5, {}, mine=True)
    describe(side, "no more", group)
    side.ask("it is told once more", HEARTBEAT, 4, pulse(joined.generation_id), **line)
    side.ask(
        "it leaves", LEAVE_GROUP, 5, {"group_id": group, "members": [{"member_id": old}]}, **line
    )
    Member(side, group, "later", [topic]).beat("an empty group is taken over", 1, 4)


def opaque_group(side: Side) -> None:
    """A classic group that is none of consumers stays what it is."""
    side.create("t", 1)
    group = side.mine("g")
    join = {"group_id": group, "session_timeout_ms": 30_000, "rebalance_timeout_ms": 60_000,
            "member_id": "", "protocol_type": "connect",
            "protocols": [{"name": "x", "metadata": b"y"}]}  # fmt: skip
    side.ask("a worker joins", JOIN_GROUP, 2, join)
    side.ask("a consumer", CONSUMER_GROUP_HEARTBEAT, 1, joining(group, "m", [side.mine("t")]))
    describe(side, "described", group)


SCENARIOS = {
    "consumers one member": one_member,
    "consumers bad requests": bad_requests,
    "consumers two members": two_members,
    "consumers static members": static_members,
    "consumers patterns": patterns,
    "consumers migrating": migrating,
    "consumers opaque group": opaque_group,
}
