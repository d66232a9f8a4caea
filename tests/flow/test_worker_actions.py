"""What actions do in workers: records in the transaction of the match, calls after it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.flow.world import T0, World, failure, five_failures, read_topic, until, world
from tests.webhook import Webhook

from summit.base.clock import SystemClock
from summit.client.admin import Admin, ClusterAdmin
from summit.client.topics import TopicConfig
from summit.flow.calling import sign
from summit.flow.watching import FlowWatch


def rule(kind: str, rule_id: str = "brute", **config: Any) -> dict[str, Any]:
    return five_failures(rule_id, action={"type": kind, "config": config})


async def started(w: World) -> list[int]:
    """The partitions of `starts.follow` that hold a record."""
    async with Admin({"bootstrapServers": w.servers}) as admin:
        bounds = await admin.offsets("starts.follow", committed=True)
    return [partition for partition, (_, end) in bounds.items() if end > 0]


def test_forwarded_events_come_once_although_the_worker_ends_in_between(
    each_backend: list[str],
) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            first = await w.start_worker()
            await w.apply(rule("forward", topic="found", key="ip"), five_failures("reads"))
            raw = [json.dumps(failure(n), indent=2) for n in range(5)]
            await w.settle(await w.send(*raw[:3]))
            await first.stop()
            second = await w.start_worker()
            alerts = await w.settle(await w.send(*raw[3:]))
            assert [alert.pattern for alert in alerts] == ["reads"]
            await until(lambda: second.status()["published"] == 5)  # counted a moment later
            records = await read_topic(w.servers, "found", 5, isolationLevel="read_committed")
            assert [record.value for record in records] == [text.encode() for text in raw]
            assert {record.key for record in records} == {b"a"}
            assert [record.timestamp for record in records] == [T0 + n * 1000 for n in range(5)]
            sources = [dict(record.headers.pairs)["summit.src"] or b"" for record in records]
            assert [int(source.rpartition(b":")[2]) for source in sources] == [0, 1, 2, 3, 4]
            # What is written by a rule is read by nobody who does not name it.
            await asyncio.sleep(0.5)
            await w.settle(await w.send(failure(50, ip="other")))
            assert len(w.all_alerts()) == 1
            assert len(await read_topic(w.servers, "found", 5)) == 5

    asyncio.run(run())


def test_a_record_that_a_topic_refuses_ends_nothing_and_takes_no_other_along(
    each_backend: list[str],
) -> None:
    """A compacted topic takes no record without a key; the broker refuses its whole batch."""

    async def run() -> None:
        async with world(each_backend) as w:
            async with Admin({"bootstrapServers": w.servers}) as admin:
                compacted = TopicConfig(name="seen", partitions=1, cleanup_policy="compact")
                await admin.create_topic(compacted)
            worker = await w.start_worker()
            seen = rule("forward", topic="seen", key="user")
            seen |= {"steps": [{"name": "seen", "where": 'eventType == "seen"'}], "within": None}
            await w.apply(seen, five_failures("reads"))
            events = [failure(n, eventType="seen", **who) for n, who in
                      enumerate(({"user": "ann"}, {}, {"user": "bob"}))]  # fmt: skip
            alerts = await w.settle(await w.send(*events, *(failure(n) for n in range(5))))
            assert [alert.pattern for alert in alerts] == ["reads"]
            records = await read_topic(w.servers, "seen", 2, isolationLevel="read_committed")
            assert [record.key for record in records] == [b"ann", b"bob"]
            await until(lambda: worker.metrics.undeliverable == {"seen": 1})

    asyncio.run(run())


@pytest.mark.parametrize(
    "guarantee", ["exactly-once", pytest.param("at-least-once", marks=pytest.mark.slow)]
)
def test_of_a_batch_that_a_broker_refuses_only_those_at_fault_are_lost(
    each_backend: list[str], guarantee: Any
) -> None:
    """It does not say which: one is too large, some are too old; the first ones are neither.

    Those for the small topic fit into it each, and not all into one batch.
    """

    async def run() -> None:
        async with world(each_backend) as w:
            async with ClusterAdmin({"bootstrapServers": w.servers}) as admin:
                small = TopicConfig(name="small", partitions=1, max_message_bytes=2_000)
                await admin.create_topic(small)
                await admin.create_topic(TopicConfig(name="recent", partitions=1))
                await admin.alter_topic("recent", {"message.timestamp.before.max.ms": "86400000"})
            worker = await w.start_worker(guarantee=guarantee)
            rules = [rule("forward", name, topic=name, key="n") for name in ("small", "recent")]
            for each in rules:
                each |= {
                    "steps": [{"name": "one", "where": f'eventType == "{each["id"]}"'}],
                    "within": None,
                }
            await w.apply(*rules, five_failures("reads"))
            now_s = (SystemClock().now_ms() - T0) / 1000
            events = [
                failure(n, eventType="small", n=n, text="x" * (3_000 if n == 7 else 300))
                for n in range(12)
            ]
            events += [
                failure(0 if n in (3, 8) else now_s, eventType="recent", n=n) for n in range(10)
            ]
            await w.settle(await w.send(*events))
            alerts = await w.settle(await w.send(*(failure(now_s) for _ in range(5))))
            assert [alert.pattern for alert in alerts] == ["reads"]
            for topic, lost, count in (("small", {7}, 12), ("recent", {3, 8}, 10)):
                wanted = {b"%d" % n for n in range(count) if n not in lost}
                found = await read_topic(
                    w.servers, topic, len(wanted), isolationLevel="read_committed"
                )
                assert {record.key for record in found} == wanted
            await until(lambda: worker.metrics.undeliverable == {"small": 1, "recent": 2})
            async with FlowWatch(w.servers, clock=SystemClock()) as watch:
                async with asyncio.timeout(60):
                    while not (warnings := (await watch.describe())["warnings"]):
                        await asyncio.sleep(0.1)
            assert "2 for 'recent', 1 for 'small'" in warnings[0]

    asyncio.run(run())


def test_a_rule_reads_what_another_one_writes_when_it_names_it(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            second = five_failures("second", topics=["found"], steps=[
                {"name": "f", "where": 'eventType == "failed"', "times": 10}])  # fmt: skip
            await w.apply(rule("forward", topic="found"), second)
            await w.settle(await w.send(*(failure(n) for n in range(10))))
            await until(lambda: bool(w.all_alerts()))
            (alert,) = w.all_alerts()
            assert (alert.pattern, alert.count) == ("second", 10)
            assert all((each.src or "").startswith("log:") for each in alert.evidence)

    asyncio.run(run())


def test_aggregates_are_published(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            figures = [{"function": "sum", "field": "size"}, {"function": "count"}]
            await w.apply(rule("aggregate", aggregations=figures))
            await w.settle(await w.send(*(failure(n, size=n) for n in range(5))))
            (record,) = await read_topic(w.servers, "aggregates", 1)
            value = json.loads(record.value or b"")
            assert (record.key or b"").decode() == value["id"]
            assert (value["pattern"], value["key"]) == ("brute", {"ip": "a"})
            (group,) = value["groups"]
            assert group["metrics"] == {"sum(size)": 10, "count()": 5}
            assert w.all_alerts() == []

    asyncio.run(run())


def test_a_webhook_is_called_once_the_match_is_committed(
    each_backend: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUMMIT_TEST_HOOK", "s3cret")

    async def run() -> None:
        async with world(each_backend) as w, Webhook([503, 503, 503, 200]) as hook:
            worker = await w.start_worker(allow_internal_addresses=True)
            await w.apply(rule("trigger", url=f"{hook.url}/x", secret="${SUMMIT_TEST_HOOK}"))
            await w.settle(await w.send(*(failure(n) for n in range(5))))
            await until(lambda: worker.metrics.calls == 1, 60)
            ids = {request.headers["idempotency-key"] for request in hook.requests}
            body = json.loads(hook.requests[-1].body)
            assert ids == {body["id"]}
            assert (body["pattern"], body["count"]) == ("brute", 5)
            last = hook.requests[-1]
            time_s = int(last.headers["x-summit-signature"].partition(",")[0][2:])
            assert last.headers["x-summit-signature"] == sign(b"s3cret", last.body, time_s)

    asyncio.run(run())


def test_a_call_that_nobody_could_make_is_made_by_the_next_worker(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, Webhook() as hook:
            first = await w.start_worker()  # may not call internal addresses
            await w.apply(rule("trigger", url=hook.url))
            await w.settle(await w.send(*(failure(n) for n in range(5))))
            await until(lambda: first.metrics.calls_failed > 0, 60)
            await first.stop()
            await w.definitions.delete("pattern", "brute")
            await w.start_worker(allow_internal_addresses=True)
            await hook.wait(1, 60)
            assert json.loads(hook.requests[0].body)["pattern"] == "brute"

    asyncio.run(run())


def test_a_match_starts_another_pattern(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            where = 'eventType == "pattern.matched" && pattern == "brute"'
            follow = {
                "kind": "pattern", "id": "follow", "groupBy": ["ip"], "within": "10m",
                "steps": [{"name": "start", "where": where},
                          {"name": "got", "where": 'eventType == "success"'}],
            }  # fmt: skip
            await w.apply(rule("trigger", pattern="follow"), follow)
            await w.settle(await w.send(*(failure(n) for n in range(5))))
            await w.alerts.wait_readable("starts.follow", (await started(w))[0], 0, 20_000)
            await w.settle(await w.send(failure(60, eventType="success")))
            (alert,) = w.all_alerts()
            assert (alert.pattern, alert.key) == ("follow", {"ip": "a"})
            assert (alert.evidence[0].src or "").startswith("match:")

    asyncio.run(run())
