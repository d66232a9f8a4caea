"""Rules of every kind replayed and tried on the past: what workers told, and sums made by hand."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest
from tests.flow.test_stage import OFFICE
from tests.flow.test_stage_sources import intel
from tests.flow.world import World, failure, five_failures, read_topic, until, world
from tests.sources.services import service

from summit.base.errors import Invalid
from summit.documents import validate_pattern
from summit.flow.backtest import Backtest, Backtested, BacktestSettings
from summit.flow.comparing import Difference
from summit.flow.kinds import RULE_KINDS
from summit.flow.past_findings import Finding
from summit.flow.replay import Replay, ReplaySettings
from summit.flow.replay_output import ReplayOutput
from summit.flow.replay_shards import ShardedReplay
from summit.flow.spans import Range

COMMITTED = {"isolationLevel": "read_committed"}
TOPICS = ("alerts", "correlations", "_summit.results", "sums")
WINDOW = {
    "kind": "pattern", "id": "many", "name": "Many", "groupBy": ["ip"], "topics": ["auth"],
    "where": "enrichedData.intel.score > 5", "window": {"type": "tumbling", "size": "10s"},
    "having": "count() >= 5", "action": {"type": "alert", "config": {"severity": "low"}},
}  # fmt: skip
GROUPS = {
    "kind": "correlation", "id": "same", "name": "Same", "topics": ["auth"],
    "correlationKeys": ["enrichedData.intel.team"], "timeWindow": "10s", "minEvents": 3,
}  # fmt: skip
SUMS = {
    "kind": "query", "id": "sums", "name": "Sums", "topics": ["auth"], "groupBy": ["ip"],
    "window": {"type": "tumbling", "size": "10s"}, "topic": "sums",
    "metrics": [{"name": "score", "field": "enrichedData.intel.score", "function": "sum"}],
}  # fmt: skip


EVENTS = [failure(n / 4, f"ip{n % 3}") for n in range(120)]  # 30 s
SCORES = {"ip0": 1, "ip1": 6, "ip2": 8}


async def replay(w: World, output: ReplayOutput | None = None, **more: Any) -> list[Finding]:
    found: list[Finding] = []
    await Replay(ReplaySettings(servers=w.servers, **more), found.extend).run(output)
    return found


def by_topic(found: list[Finding]) -> dict[str, list[bytes]]:
    return {
        topic: _in_order(
            topic, [one.record.value or b"" for one in found if one.record.topic == topic]
        )
        for topic in TOPICS
    }


async def told(w: World, counts: dict[str, int]) -> dict[str, list[bytes]]:
    """At least so many records of what workers wrote."""
    records = {t: await read_topic(w.servers, t, counts[t], **COMMITTED) for t in TOPICS}
    return {t: _in_order(t, [record.value or b"" for record in records[t]]) for t in TOPICS}


def _in_order(topic: str, values: list[bytes]) -> list[bytes]:
    """As they stand; the queries' own topic has several partitions."""
    return sorted(values) if topic == "sums" else values


def test_each_kind_finds_what_workers_told_and_asks_nobody(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, service() as made:
            made.rows = {ip: {"score": n, "team": ip[-1]} for ip, n in SCORES.items()}
            worker = await w.start_worker()
            await w.apply(intel(made), WINDOW, GROUPS, SUMS)
            await w.settle(await w.send(*EVENTS[:60]))
            made.rows = {
                ip: {"score": 0, "team": "late"} for ip in SCORES
            }  # known: not asked again
            await w.apply({**SUMS, "name": "Renamed"})
            await w.settle(await w.send(*EVENTS[60:]))
            # Time goes on in both partitions: what is open is over.
            for partition in (0, 1):
                await w.settle(await w.send(failure(1_000, "ip0"), partition=partition))
            await until(lambda: worker.metrics.lag == 0)
            await worker.stop()
            asked = len(made.asked)
            found = await replay(w)
            again = by_topic(found)
            assert await told(w, {topic: len(again[topic]) for topic in TOPICS}) == again
            assert len(made.asked) == asked
            by_hand(found, again)
            await beside(w, found)
            await backtests(w, found)

    asyncio.run(run())


def by_hand(found: list[Finding], again: dict[str, list[bytes]]) -> None:
    """In each 10 s forty events, every third of one address."""
    sums: Counter[str] = Counter()
    for value in again["sums"]:
        row = json.loads(value)
        if row["window"]["start"] < EVENTS[-1]["timestamp"]:
            sums[row["keys"]["ip"]] += row["metrics"]["score"]
    assert sums == {ip: 40 * n for ip, n in SCORES.items()}
    assert Counter(one.alert.key["ip"] for one in found if one.alert) == {
        "ip1": 3,
        "ip2": 3,
    }
    groups = [json.loads(value) for value in again["correlations"]]
    counts = {g["key"][0]: 0 for g in groups}
    for group in groups:
        if group["final"]:
            counts[group["key"][0]] += group["count"]
    assert counts == {"0": 40, "1": 40, "2": 40}


async def beside(w: World, found: list[Finding]) -> None:
    """What is written beside is written once, however often it is tried."""
    for expected in ((len(found), 0), (0, len(found))):
        async with ReplayOutput(w.servers, "_again") as output:
            await replay(w, output)
            assert (output.written, output.known) == expected
    async with ReplayOutput(w.servers, "alerts") as output:
        await replay(w, output)
        assert (output.written, output.known) == (0, len(found))
    one = await replay(w, rules="current", rule_ids=["query:sums"])
    assert {each.kind for each in one} == {"result", "published"}


async def backtests(w: World, found: list[Finding]) -> None:
    for document in (WINDOW, GROUPS, SUMS):
        tried, done = await backtest(w, document)
        kinds = {"pattern": "alert", "correlation": "correlation", "query": "result"}
        kind = kinds[str(document["kind"])]
        expected = [one.record.value for one in found if one.kind == kind]
        assert [d.a.record.value for d in tried if d.a] == expected
        counts = {"alert": done.a.alerts, "correlation": done.a.correlations}
        assert counts.get(kind, done.a.results) == sum(
            one.count for one in found if one.kind == kind
        )
    fewer = {**SUMS, "eventTypes": ["failed"], "filters": [
        {"field": "ip", "operator": "ne", "value": "ip0"}]}  # fmt: skip
    _, compared = await backtest(w, SUMS, fewer)
    assert (compared.only_a, compared.only_b) != (0, 0) or compared.both
    assert compared.b is not None
    assert compared.b.results < compared.a.results


async def backtest(
    w: World, rule: dict[str, Any], against: dict[str, Any] | None = None, **wanted: Any
) -> tuple[list[Difference], Backtested]:
    found: list[Difference] = []
    plan = RULE_KINDS[rule["kind"]].validate(rule).plan
    other = None if against is None else RULE_KINDS[against["kind"]].validate(against).plan
    settings = BacktestSettings(
        servers=w.servers, plan=plan, against=other, range=Range(**wanted)
    )  # fmt: skip
    return found, await Backtest(settings, found.append).run()


def test_a_trial_reads_nothing_that_rules_write(servers: list[str]) -> None:
    forward = five_failures("copies", action={"type": "forward", "config": {"topic": "copied"}})

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply({**OFFICE, "where": 'eventType == "failed"'}, forward)
            await w.settle(await w.send(*(failure(n) for n in range(5))))
            await until(lambda: worker.metrics.published == 5)
            await w.settle(await w.send(failure(100)))
            await worker.stop()
            # Neither what the route sent nor what the other pattern forwarded is read again.
            _, done = await backtest(w, five_failures())
            assert (done.records, done.a.alerts) == (6, 1)
            # Nor what the tried one would write itself; but what it names.
            assert (await backtest(w, forward))[1].records == 6
            named = five_failures(topics=["copied"])
            assert (await backtest(w, named))[1].a.alerts == 1
            assert validate_pattern(named).plan.topics == ("copied",)

    asyncio.run(run())


def test_however_many_processes_find_the_same(servers: list[str]) -> None:
    """All kinds, over keys in both partitions, by rules of two days; against one process."""
    silent = {
        "kind": "pattern", "id": "silent", "topics": ["auth"], "groupBy": ["ip"], "within": "3s",
        "steps": [
            {"name": "seen", "where": 'eventType == "failed"'},
            {"name": "none", "relation": "notFollowedBy", "where": 'eventType == "failed"'},
        ],
        "action": {"type": "alert", "config": {"severity": "low"}},
    }  # fmt: skip
    groups = {**GROUPS, "correlationKeys": ["ip"]}
    sums = {**SUMS, "metrics": [{"name": "n", "function": "count"}]}
    rand = random.Random(3)
    events = [failure(n / 4, f"ip{rand.randint(0, 30)}") for n in range(800)]

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(five_failures(topics=["auth"]), silent, groups, sums)
            for part in (events[:400], events[400:]):
                for partition in (0, 1):
                    mine = [e for e in part if int(e["ip"][2:]) % 2 == partition]
                    place = await w.send(*mine, partition=partition)
                    await w.settle(place)
                await w.apply({**five_failures(topics=["auth"]), "name": "Renamed"})
            await worker.stop()
            one: list[Finding] = []
            expected = await Replay(ReplaySettings(servers=servers), one.extend).run()
            settings = ReplaySettings(servers=servers)
            orders = []
            for processes in (1, 2, 5):
                found: list[Finding] = []
                result = await ShardedReplay(settings, processes, found.extend).run()
                orders.append([each.record for each in found])
                assert sorted(record[:3] for record in orders[-1]) == sorted(
                    each.record[:3] for each in one
                )
                assert result == expected
            assert orders[0] == orders[1] == orders[2]
            assert {each.kind for each in one} == {"alert", "correlation", "result", "published"}
            assert min(result.alerts, result.correlations, result.results) > 30
            wrong = ReplaySettings(servers=servers, rule_ids=["nope"])
            with pytest.raises(Invalid, match="nope"):
                await ShardedReplay(wrong, 2, found.extend).run()

    asyncio.run(run())
