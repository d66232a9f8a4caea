"""State of a key that is larger than a record may be: it is cut and counted, nothing loops."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.flow.world import T0, failure, five_failures, until, world

from summit.base.clock import SystemClock
from summit.base.limits import STATE_BYTES_MAX, STATE_BYTES_MIN, WAIT_BYTES_MAX
from summit.client.admin import Admin
from summit.client.settings import ProducerConfig
from summit.documents import validate_correlation, validate_pattern
from summit.flow.metrics import WorkerMetrics
from summit.flow.runtime import Cut, Runtime
from summit.flow.state_cutting import StateCutting
from summit.journal.state_log import Content, wait_record
from summit.journal.topics import STATE_TOPIC
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.waiting import WaitKey
from summit.records import Record, build_batch

MOST = 20_000
PAD = "x" * 900
LOOP = {
    "kind": "pattern", "id": "p", "groupBy": ["user"], "action": {"type": "alert"},
    "afterMatch": "noSkip", "steps": [
        {"name": "a", "where": "eventType == 'a'"},
        {"name": "b", "where": "eventType == 'b'", "relation": "followedByAny"},
    ],
}  # fmt: skip
GROUP = {"id": "c", "correlationKey": "user", "timeWindow": "1h", "minEvents": 50}


def runtime_of(plan: Any) -> Runtime:
    made = Runtime(state_bytes_max=lambda: MOST)
    made.set_rules([plan], [], ())
    groups = dict.fromkeys(range(KEY_GROUPS), 0)
    made.hold(groups, Content({}, {}, {}, {}, {}))
    made.begin("t/0", 0)
    return made


def take(runtime: Runtime, count: int, kind: str = "a", first: int = 0, pad: str = PAD) -> Cut:
    values = [
        json.dumps({"eventType": kind, "timestamp": T0 + n, "user": "u", "pad": pad}).encode()
        for n in range(first, first + count)
    ]
    stamps = [T0] * count
    runtime.take([Chunk("t", 0, range(first, first + count), stamps, values)])
    return runtime.cut()


def sizes(cut: Cut) -> list[int]:
    return [
        len(name) + len(value or b"") for records in cut.state.values() for name, value in records
    ]


def test_the_older_runs_end_and_the_others_go_on() -> None:
    runtime = runtime_of(validate_pattern(LOOP).plan)
    cut = take(runtime, 40)
    assert cut.state_cut == {"p": 1}
    assert max(sizes(cut)) <= MOST
    assert runtime.engine.processor.rule_stats()["p"]["runs_dropped"] > 0
    found = take(runtime, 1, "b", 40)
    starts = [each.match.captures[0][1].offset for each in found.made if each.match]
    assert starts == list(range(40 - len(starts), 40))
    assert 10 <= len(starts) < 25


def test_the_values_of_a_group_go_and_the_group_stays() -> None:
    runtime = runtime_of(validate_correlation(GROUP).plan)
    cut = take(runtime, 49)
    assert cut.state_cut == {"correlation:c": 1}
    assert max(sizes(cut)) <= MOST
    (told,) = take(runtime, 1, first=49).records
    group = json.loads(told.value or b"")
    assert group["count"] == 50


def test_what_cannot_be_made_smaller_goes_whole() -> None:
    runtime = runtime_of(validate_pattern(LOOP).plan)
    cut = take(runtime, 1, pad="x" * 15_000)
    assert not cut.state_cut
    runtime = runtime_of(validate_pattern({**LOOP, "groupBy": ["pad"]}).plan)
    cut = take(runtime, 2, pad="x" * 12_000)
    assert cut.state_cut == {"p": 1}
    assert max(sizes(cut)) <= MOST
    assert not runtime.engine.processor.state_keys()


def test_what_brokers_refuse_is_half_as_large_the_next_time() -> None:
    metrics = WorkerMetrics(SystemClock())
    assert not metrics.state_refused(STATE_BYTES_MIN)
    assert metrics.state_bytes_max == STATE_BYTES_MAX
    sizes = []
    while metrics.state_refused(metrics.state_bytes_max):
        sizes.append(metrics.state_bytes_max)
    assert sizes[:3] == [450_000, 225_000, 112_500]
    assert sizes[-1] == STATE_BYTES_MIN


@pytest.mark.parametrize(("most", "size", "fits"), [
    (STATE_BYTES_MAX, WAIT_BYTES_MAX, True), (STATE_BYTES_MAX, WAIT_BYTES_MAX + 1, False),
    (MOST, MOST, True), (MOST, MOST + 1, False),
])  # fmt: skip
def test_an_event_that_waits_may_fill_a_record(most: int, size: int, *, fits: bool) -> None:
    cutting = StateCutting(lambda: most)
    for offset in (100, 101):
        name = WaitKey(1, "t", 0, offset)
        data = bytes(size - len(wait_record(name, None)[0]))
        record = cutting.wait(name, data)
        assert record == wait_record(name, data if fits else None)
        assert cutting.wait(name, None) == wait_record(name, None)
    assert cutting.take_counts() == ({} if fits else {"waiting events of t": 2})
    batch_max = ProducerConfig(bootstrap_servers=["h:1"]).max_request_size
    assert len(build_batch([Record(0, T0, *record)])) <= batch_max


@pytest.mark.slow
def test_a_worker_goes_on_where_a_topic_takes_less_than_the_state(servers: list[str]) -> None:
    rule = five_failures(steps=[{"name": "f", "where": "eventType == 'failed'", "times": 500}])

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply({**rule, "id": "large"}, five_failures())
            async with Admin({"bootstrapServers": servers}) as admin:
                await admin.alter_topic(STATE_TOPIC, {"max.message.bytes": "100000"})
            events = [failure(n / 100, pad=f"{n}" * 2_000) for n in range(40)]
            await w.settle(await w.send(*events))
            last = await w.send(*(failure(10 + n, "other") for n in range(5)))
            alerts = await w.settle(last)
            assert {alert.key["ip"] for alert in alerts} == {"a", "other"}
            await until(lambda: worker.metrics.state_cut["large"] > 0)
            assert 0 < worker.metrics.restarts < 6

    asyncio.run(run())
