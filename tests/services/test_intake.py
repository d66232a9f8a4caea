"""A posted event is answered when its alerts are readable, whatever the service knew before."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.flow.conftest import each_backend, servers  # noqa: F401
from tests.flow.world import until, world

from summit.alerts import AlertQuery
from summit.services.intake import EventIntake
from summit.services.node import Node

RULE = {
    "kind": "pattern", "id": "seen", "groupBy": ["user"],
    "steps": [{"name": "seen", "where": 'eventType == "seen"'}],
    "action": {"type": "alert", "config": {"severity": "low", "title": "Saw ${user}"}},
}  # fmt: skip


def test_a_rule_that_acts_already_counts_though_the_service_reads_of_it_later(
    each_backend: list[str],  # noqa: F811
) -> None:
    """Others have been told that it is in force; what they know, the answer must not pass over."""

    async def run() -> None:
        node = Node(each_backend, runs_collectors=False)
        async with world(each_backend) as w:
            await node.start()
            intake = EventIntake(node, 30_000)
            try:
                await intake.start()
                await w.start_worker()
                await until(lambda: node.alerts.progress.is_whole, 60)
                slow, held = asyncio.Event(), asyncio.Event()
                consumer = node.alerts._follower._consumer
                assert consumer is not None
                poll = consumer.poll_batch

                async def late(*how: Any) -> Any:
                    held.set()
                    await slow.wait()
                    return await poll(*how)

                consumer.poll_batch = late  # type: ignore[method-assign]
                await held.wait()
                await w.apply(RULE)
                posted = asyncio.ensure_future(
                    intake.take({"eventType": "seen", "user": "eve"}, wait=True)
                )
                await until(lambda: bool(intake._places))  # it is written
                await asyncio.wait([posted], timeout=0.5)
                slow.set()
                assert (await posted)["status"] == "processed"
                assert [a.title for a in node.alerts.view.query(AlertQuery()).alerts] == ["Saw eve"]
            finally:
                await intake.stop()
                await node.stop()

    asyncio.run(run())
