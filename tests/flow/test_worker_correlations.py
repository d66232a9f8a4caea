"""Correlation rules on real workers: groups over keys, workers and restarts, exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.flow.world import T0, read_topic, until, world

from summit.journal.correlation_log import CorrelatedGroup, decode_group

COMMITTED = {"isolationLevel": "read_committed"}


def sessions(**members: Any) -> dict[str, Any]:
    return {
        "kind": "correlation", "id": "sessions", "name": "Sessions", "topics": ["auth"],
        "eventTypes": ["login", "action", "logout"],
        "correlationKeys": [{"login": "session.id", "*": "sessionId"}],
        "timeWindow": "60s", "minEvents": 2, "maxEvents": 3, **members,
    }  # fmt: skip


def step(at_s: float, kind: str, session: str) -> dict[str, Any]:
    event: dict[str, Any] = {"eventType": kind, "timestamp": T0 + int(at_s * 1000)}
    return event | ({"session": {"id": session}} if kind == "login" else {"sessionId": session})


def shown(groups: list[CorrelatedGroup]) -> list[tuple[Any, ...]]:
    return [
        (g.key, g.count, g.close_reason, [(e.partition, e.offset) for e in g.events])
        for g in groups
    ]


async def told(servers: list[str], count: int) -> list[CorrelatedGroup]:
    """The last word about each of `count` groups that are closed."""
    records = await read_topic(servers, "correlations", 1, **COMMITTED)
    found: dict[str, CorrelatedGroup] = {}
    async with asyncio.timeout(60):
        while True:
            for record in records:
                assert record.value is not None
                group = decode_group(record.value)
                found[group.id] = group
            closed = [group for group in found.values() if group.final]
            if len(closed) >= count:
                return sorted(closed, key=lambda group: (group.start_time, str(group.key)))
            records = await read_topic(servers, "correlations", len(records) + 1, **COMMITTED)


def test_a_group_is_told_when_it_has_enough_and_when_it_is_closed(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await w.start_worker()
            await w.apply(sessions(timeWindow="20s"))
            await w.settle(await w.send(step(0, "login", "s1"), step(1, "action", "s1")))
            (first,) = [
                decode_group(record.value)
                for record in await read_topic(each_backend, "correlations", 1, **COMMITTED)
                if record.value is not None
            ]
            assert (first.key, first.count, first.final) == (["s1"], 2, False)
            assert first.events[0].event == step(0, "login", "s1")
            await w.send(step(2, "logout", "s1"), step(3, "login", "s2"), step(4, "logout", "s2"))
            # Nothing more comes: the clock closes the second group.
            groups = await told(each_backend, 2)
            assert shown(groups) == [
                (["s1"], 3, "max", [(0, 0), (0, 1), (0, 2)]),
                (["s2"], 2, "window", [(0, 3), (0, 4)]),
            ]
            assert groups[0].id == first.id
            assert (groups[1].start_time, groups[1].end_time) == (T0 + 3_000, T0 + 4_000)

    asyncio.run(run())


def test_open_groups_outlive_workers_and_move_between_them(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            first = await w.start_worker()
            await w.apply(sessions(maxEvents=4))
            names = [f"s{n}" for n in range(12)]
            await w.settle(await w.send(*(step(0, "login", name) for name in names)))
            second = await w.start_worker()
            await until(lambda: second.key_groups > 0, 30)
            for partition in (0, 1):  # each session in both, so that keys go over the exchange
                events = [step(1 + partition, "action", name) for name in names]
                await w.settle(await w.send(*events, partition=partition))
            await first.stop()
            await w.settle(await w.send(*(step(3, "logout", name) for name in names)))
            groups = await told(each_backend, 12)
            assert [(group.count, group.close_reason) for group in groups] == [(4, "max")] * 12
            assert sorted(group.key[0] for group in groups) == sorted(names)

    asyncio.run(run())


def test_linked_groups_merge_on_whichever_worker_has_them(servers: list[str]) -> None:
    """The owner of all groups goes away; the next one links what the first has begun."""
    rule = {
        "kind": "correlation", "id": "incidents", "topics": ["auth"], "eventTypes": ["*"],
        "linkedBy": {"user": "user", "host": ["host", "to"]}, "window": "session", "gap": "60s",
        "minEvents": 2, "maxEvents": 6,
    }  # fmt: skip

    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(rule)

            def seen(at_s: float, **members: str) -> dict[str, Any]:
                return {"eventType": "seen", "timestamp": T0 + int(at_s * 1000), **members}

            await w.settle(await w.send(seen(0, user="ann", host="a"), seen(1, host="a")))
            await w.settle(await w.send(seen(2, user="bob"), seen(3, user="bob", to="b")))
            second = await w.start_worker()
            await until(lambda: second.key_groups > 0, 30)
            await first.stop()
            await w.settle(await w.send(seen(4, user="ann", to="b"), partition=1))
            await w.settle(await w.send(seen(5, user="bob"), partition=1))
            merged, whole = sorted(await told(servers, 2), key=lambda group: group.count)
            assert (merged.close_reason, merged.merged_into) == ("merged", whole.id)
            assert (whole.count, whole.close_reason) == (6, "max")
            assert isinstance(whole.links, list)
            assert isinstance(whole.entities, list)
            assert [(link.type, link.value, link.target.offset) for link in whole.links] == [
                ("host", "a", 1), ("user", "bob", 3), ("user", "ann", 0), ("host", "b", 0),
                ("user", "bob", 1),
            ]  # fmt: skip
            shared = {(entity.type, entity.value): entity.count for entity in whole.entities}
            assert shared == {("user", "ann"): 2, ("host", "a"): 2, ("user", "bob"): 3,
                              ("host", "b"): 2}  # fmt: skip

    asyncio.run(run())
