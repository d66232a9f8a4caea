"""Window rules in workers that are killed: counts go on, silence is told, each alert once."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from tests.flow.test_worker_kills import started
from tests.flow.world import T0, failure, world

from summit.alerts import Alert
from summit.documents import validate_pattern
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk

pytestmark = pytest.mark.slow


def rule(rule_id: str, **members: Any) -> dict[str, Any]:
    return {
        "kind": "pattern", "id": rule_id, "groupBy": ["ip"], "where": 'eventType == "failed"',
        "action": {"type": "alert", "config": {"severity": "high", "title": "${ip} ${count()}"}},
        **members,
    }  # fmt: skip


RULES = (
    rule("often", window={"type": "sliding", "size": "60s"}, having="count() >= 5"),
    rule("minute", window={"type": "tumbling", "size": "60s"}, having="distinct(user) > 2"),
    rule("compared", window={"type": "tumbling", "size": "60s"},
         having="zscore(count(), groups) > 2"),
    rule("silent", window={"type": "session", "gap": "30s"}, expectedKeys=["never"]),
)  # fmt: skip


def test_a_count_that_a_kill_interrupts_goes_on(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            with await started(servers) as first:
                await w.apply(RULES[0])
                assert await w.settle(await w.send(*(failure(n) for n in range(4)))) == []
                first.kill()
            with await started(servers):
                (alert,) = await w.settle(await w.send(failure(4)))
                assert (alert.title, alert.count) == ("a 5", 5)
                assert [e.offset for e in alert.evidence] == [0, 1, 2, 3, 4]

    asyncio.run(run())


def expected_of(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What one engine makes of the events that a single partition holds."""
    engine = Engine()
    engine.set_rules([validate_pattern(document).plan for document in RULES])
    values = [json.dumps(event).encode() for event in events]
    chunk = Chunk("auth", 0, range(len(values)), [T0 + 10**9] * len(values), values)
    return shown([alert for made in engine.apply([chunk]).made if (alert := made.alert)])


def shown(alerts: list[Alert]) -> list[tuple[Any, ...]]:
    return sorted(
        (str(a.pattern), str(a.key), a.timestamp - T0, a.count, str(a.metadata["aggregates"]))
        for a in alerts
    )


@pytest.mark.parametrize("seed", range(2))
def test_kills_at_any_moment_change_no_alert(servers: list[str], seed: int) -> None:
    rand = random.Random(seed)
    bursts = [
        [
            failure(20 * burst + n, ip=rand.choice("abcdeeeef"), user=rand.randint(0, 4))
            for n in range(15)
        ]
        for burst in range(10)
    ]
    begin, end = {**failure(0), "eventType": "other"}, {**failure(600), "eventType": "other"}
    expected = expected_of([begin, *(event for burst in bursts for event in burst), end])
    assert {pattern for pattern, *_ in expected} == {document["id"] for document in RULES}

    async def play() -> list[Alert]:
        async with world(servers) as w:
            process = await started(servers)
            try:
                await w.apply(*RULES)
                await w.settle(await w.send(begin, partition=1))
                for burst in bursts:
                    await w.send(*burst)
                    if rand.random() < 0.4:
                        await asyncio.sleep(rand.random() * 0.3)
                        process.kill()
                        process = await started(servers)
                await w.settle(await w.send(end))
                return await w.settle(await w.send(end, partition=1))
            finally:
                process.kill()

    alerts = asyncio.run(play())
    assert shown(alerts) == expected
    assert len({alert.id for alert in alerts}) == len(alerts)
