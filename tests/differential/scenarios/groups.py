"""Classic consumer groups: joining, syncing, leaving, and what is told of them."""

from __future__ import annotations

from typing import Any

from tests.differential.requests import versions
from tests.differential.side import Side

from summit.protocol.delete_groups import DELETE_GROUPS
from summit.protocol.describe_groups import DESCRIBE_GROUPS
from summit.protocol.find_coordinator import FIND_COORDINATOR
from summit.protocol.heartbeat import HEARTBEAT
from summit.protocol.join_group import JOIN_GROUP
from summit.protocol.leave_group import LEAVE_GROUP
from summit.protocol.list_groups import LIST_GROUPS
from summit.protocol.sync_group import SYNC_GROUP


def join(group: str, member: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "group_id": group, "session_timeout_ms": 30_000, "rebalance_timeout_ms": 60_000,
        "member_id": member, "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b"meta"}], **fields,
    }  # fmt: skip


def enter(side: Side, step: str, version: int, group: str, **fields: Any) -> Any:
    """Join as a new member, with a second request where the version wants it."""
    answer = side.ask(step, JOIN_GROUP, version, join(group, **fields))
    if answer.error_code == 79:  # MEMBER_ID_REQUIRED
        again = join(group, answer.member_id, **fields)
        answer = side.ask(f"{step}, with its id", JOIN_GROUP, version, again)
    return answer


def sync(group: str, joined: Any, member: str, **fields: Any) -> dict[str, Any]:
    shares = [{"member_id": m.member_id, "assignment": b"share"} for m in joined.members]
    return {
        "group_id": group, "generation_id": joined.generation_id, "member_id": member,
        "assignments": shares, "protocol_type": "consumer", "protocol_name": "range", **fields,
    }  # fmt: skip


def one_member(side: Side) -> None:
    for v in versions(JOIN_GROUP):
        group = side.mine(f"g-v{v}")
        sv, hv, lv = (min(v, api.versions.last) for api in (SYNC_GROUP, HEARTBEAT, LEAVE_GROUP))
        at = f"with JoinGroup {v}"
        joined = enter(side, "join", v, group)
        member = joined.member_id
        beat = {"group_id": group, "generation_id": 1, "member_id": member}
        side.ask(f"heartbeat before sync, {at}", HEARTBEAT, hv, beat)
        side.ask(f"sync in a wrong generation, {at}", SYNC_GROUP, sv,
                 {**sync(group, joined, member), "generation_id": 7})  # fmt: skip
        side.ask(f"sync of a stranger, {at}", SYNC_GROUP, sv, sync(group, joined, "stranger"))
        if sv >= 5:
            side.ask(f"sync of another protocol, {at}", SYNC_GROUP, sv,
                     sync(group, joined, member, protocol_type="consumer",
                          protocol_name="other"))  # fmt: skip
            side.ask(f"sync of another type, {at}", SYNC_GROUP, sv,
                     sync(group, joined, member, protocol_type="connect",
                          protocol_name="range"))  # fmt: skip
            side.ask(f"sync of no protocol, {at}", SYNC_GROUP, sv,
                     sync(group, joined, member, protocol_type=None,
                          protocol_name=None))  # fmt: skip
        side.ask(f"sync, {at}", SYNC_GROUP, sv, sync(group, joined, member))
        side.ask(f"sync again, {at}", SYNC_GROUP, sv, sync(group, joined, member))
        side.ask(f"heartbeat, {at}", HEARTBEAT, hv, beat)
        side.ask(f"heartbeat of a stranger, {at}", HEARTBEAT, hv, {**beat, "member_id": "stranger"})
        side.ask(f"heartbeat in generation 0, {at}", HEARTBEAT, hv, {**beat, "generation_id": 0})
        side.ask(f"heartbeat in generation 9, {at}", HEARTBEAT, hv, {**beat, "generation_id": 9})
        for dv in versions(DESCRIBE_GROUPS) if v in (0, 9) else ():
            side.ask(f"describe, {at}", DESCRIBE_GROUPS, dv,
                     {"groups": [group], "include_authorized_operations": True})  # fmt: skip
        side.ask(f"delete while it has a member, {at}", DELETE_GROUPS, min(v, 2),
                 {"groups_names": [group]})  # fmt: skip
        side.ask("the same member again", JOIN_GROUP, v, join(group, member))
        side.ask("of another type", JOIN_GROUP, v, join(group, member, protocol_type="connect"))
        side.ask("with another protocol", JOIN_GROUP, v,
                 join(group, member, protocols=[{"name": "other", "metadata": b""}]))  # fmt: skip
        side.ask("a stranger joins", JOIN_GROUP, v, join(group, "stranger"))
        gone = {"group_id": group, "member_id": member,
                "members": [{"member_id": member, "reason": "bye"}] if lv >= 3 else []}  # fmt: skip
        side.ask(f"leave, {at}", LEAVE_GROUP, lv, gone)
        side.ask(f"leave again, {at}", LEAVE_GROUP, lv, gone)
        side.ask(f"heartbeat after leaving, {at}", HEARTBEAT, hv, beat)
        side.ask(f"delete, {at}", DELETE_GROUPS, min(v, 2), {"groups_names": [group]})
        side.ask(f"delete again, {at}", DELETE_GROUPS, min(v, 2), {"groups_names": [group]})


def refusals(side: Side) -> None:
    for v in versions(JOIN_GROUP):
        group = side.mine(f"g-v{v}")
        for step, asked in {
            "no group": join(""),
            "session too short": join(group, session_timeout_ms=1),
            "session too long": join(group, session_timeout_ms=10_000_000),
            "no protocol type": join(group, protocol_type=""),
            "no protocols": join(group, protocols=[]),
            "an unknown member": join(group, "stranger"),
        }.items():
            side.ask(step, JOIN_GROUP, v, asked)
    for v in versions(SYNC_GROUP):
        asked = {"group_id": side.mine("none"), "generation_id": 1, "member_id": "m"}
        side.ask("sync of no group", SYNC_GROUP, v, asked)
        side.ask("sync of an empty name", SYNC_GROUP, v, {**asked, "group_id": ""})
    for v in versions(HEARTBEAT):
        asked = {"group_id": side.mine("none"), "generation_id": 1, "member_id": "m"}
        side.ask("heartbeat of no group", HEARTBEAT, v, asked)
        side.ask("heartbeat of an empty name", HEARTBEAT, v, {**asked, "group_id": ""})
    for v in versions(LEAVE_GROUP):
        asked = {"group_id": side.mine("none"), "member_id": "m",
                 "members": [{"member_id": "m"}] if v >= 3 else []}  # fmt: skip
        side.ask("leave of no group", LEAVE_GROUP, v, asked)
        side.ask("leave of an empty name", LEAVE_GROUP, v, {**asked, "group_id": ""})
        if v >= 3:
            side.ask("leave of nobody", LEAVE_GROUP, v, {"group_id": side.mine("none")})
    for v in versions(DESCRIBE_GROUPS):
        side.ask("describe no group", DESCRIBE_GROUPS, v, {"groups": [side.mine("none")]})
        side.ask("describe an empty name", DESCRIBE_GROUPS, v, {"groups": [""]})
        side.ask("describe nothing", DESCRIBE_GROUPS, v)
    for v in versions(DELETE_GROUPS):
        side.ask("delete no group", DELETE_GROUPS, v, {"groups_names": [side.mine("none")]})
        side.ask("delete an empty name", DELETE_GROUPS, v, {"groups_names": [""]})
        side.ask("delete nothing", DELETE_GROUPS, v)


def two_members(side: Side) -> None:
    for v in versions(JOIN_GROUP):
        group = side.mine(f"g-v{v}")
        sv, hv, lv = (min(v, api.versions.last) for api in (SYNC_GROUP, HEARTBEAT, LEAVE_GROUP))
        at = f"with JoinGroup {v}"
        first = enter(side, "the first", v, group)
        side.quietly(SYNC_GROUP, sv, sync(group, first, first.member_id))
        second = join(group, protocols=[{"name": "other", "metadata": b"x"},
                                        {"name": "range", "metadata": b"y"}])  # fmt: skip
        if v >= 4:
            told = side.quietly(JOIN_GROUP, v, second)
            second["member_id"] = told.member_id
        side.start(JOIN_GROUP, v, second, line="second")
        beat = {"group_id": group, "generation_id": 1, "member_id": first.member_id}
        side.ask(f"the first is told, {at}", HEARTBEAT, hv, beat, until=lambda a: a.error_code)
        side.ask(f"sync while joining, {at}", SYNC_GROUP, sv, sync(group, first, first.member_id))
        again = side.ask("the first joins again", JOIN_GROUP, v, join(group, first.member_id))
        other = side.finish("the second", JOIN_GROUP, v, line="second")
        side.start(SYNC_GROUP, sv, sync(group, other, other.member_id), line="second")
        side.ask(f"the first syncs, {at}", SYNC_GROUP, sv, sync(group, again, first.member_id))
        side.finish(f"the second syncs, {at}", SYNC_GROUP, sv, line="second")
        side.ask(f"described, {at}", DESCRIBE_GROUPS, min(v, 6), {"groups": [group]})
        gone = {"group_id": group, "member_id": other.member_id,
                "members": [{"member_id": other.member_id}] if lv >= 3 else []}  # fmt: skip
        side.ask(f"the second leaves, {at}", LEAVE_GROUP, lv, gone)
        beat["generation_id"] = 2
        side.ask(f"the first is told of it, {at}", HEARTBEAT, hv, beat)


def static_members(side: Side) -> None:
    for v in range(5, JOIN_GROUP.versions.last + 1):
        group = side.mine(f"g-v{v}")
        sv, hv = min(v, 5), min(v, 4)
        at = f"with JoinGroup {v}"
        first = enter(side, "joins", v, group, group_instance_id="one")
        side.ask(f"syncs, {at}", SYNC_GROUP, sv,
                 sync(group, first, first.member_id, group_instance_id="one"))  # fmt: skip
        side.ask(f"described, {at}", DESCRIBE_GROUPS, 5, {"groups": [group]})
        second = side.ask("comes back", JOIN_GROUP, v, join(group, group_instance_id="one"))
        beat = {"group_id": group, "generation_id": second.generation_id,
                "group_instance_id": "one"}  # fmt: skip
        side.ask(f"its former self, {at}", HEARTBEAT, hv, {**beat, "member_id": first.member_id})
        side.ask(f"itself, {at}", HEARTBEAT, hv, {**beat, "member_id": second.member_id})
        side.ask(f"another instance id, {at}", HEARTBEAT, hv,
                 {**beat, "member_id": second.member_id,
                  "group_instance_id": "two"})  # fmt: skip
        side.ask(f"its former self syncs, {at}", SYNC_GROUP, sv,
                 sync(group, first, first.member_id, group_instance_id="one"))  # fmt: skip
        side.ask("its former self joins", JOIN_GROUP, v,
                 join(group, first.member_id, group_instance_id="one"))  # fmt: skip
        for step, members in {
            "a stranger's leave": [{"member_id": "x", "group_instance_id": "two"}],
            "leave with the wrong id": [{"member_id": "x", "group_instance_id": "one"}],
            "leave by instance alone": [{"member_id": "", "group_instance_id": "one"}],
        }.items():
            side.ask(f"{step}, {at}", LEAVE_GROUP, 5, {"group_id": group, "members": members})


def lists(side: Side) -> None:
    group = side.mine("stable")
    joined = enter(side, "joins", 9, group)
    side.quietly(SYNC_GROUP, 5, sync(group, joined, joined.member_id))
    empty = enter(side, "joins and leaves", 8, side.mine("empty"))
    side.quietly(LEAVE_GROUP, 2, {"group_id": side.mine("empty"), "member_id": empty.member_id})
    enter(side, "does not sync", 7, side.mine("unfinished"))
    for v in versions(LIST_GROUPS):
        side.ask("all", LIST_GROUPS, v, mine=True)
        for states in (["Stable"], ["Empty"], ["stable"], ["Nonsense"], ["CompletingRebalance"]):
            if v >= 4:
                side.ask(f"states {states}", LIST_GROUPS, v, {"states_filter": states}, mine=True)
        for types in (["classic"], ["Consumer"], ["nonsense"], ["Classic", "share"]):
            if v >= 5:
                side.ask(f"types {types}", LIST_GROUPS, v, {"types_filter": types}, mine=True)


def coordinators(side: Side) -> None:
    for v in versions(FIND_COORDINATOR):
        for kind in (0, 1, 2, 3, -1):
            for key in (side.mine("x"), "", "a:b:0"):
                if v == 0 and kind:
                    continue
                asked = {"key": key, "coordinator_keys": [key] if v >= 4 else [], "key_type": kind}
                side.ask(f"key {key.removeprefix(side.prefix)!r} of type {kind}",
                         FIND_COORDINATOR, v, asked)  # fmt: skip
        if v >= 4:
            side.ask("several", FIND_COORDINATOR, v, {"coordinator_keys": ["a", "b", "a"]})
            side.ask("none", FIND_COORDINATOR, v)


SCENARIOS = {
    "groups one member": one_member,
    "groups refusals": refusals,
    "groups two members": two_members,
    "groups static members": static_members,
    "groups lists": lists,
    "groups coordinators": coordinators,
}
