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


def runtime_of(plan: Any, most: int = MOST) -> Runtime:
    made = Runtime(state_bytes_max=lambda: most)
    made.set_rules([plan], [], ())
    groups = dict.fromkeys(range(KEY_GROUPS), 0)
    made.hold(groups, Content({}, {}, {}, {}, {}))
    made.begin("t/0", 0)
    return made


def take(runtime: Runtime, count: int, kind: str = "a", first: int = 0, pad: str = PAD) -> Cut:
    return send(runtime, [{"eventType": kind, "pad": pad}] * count, first)


def send(runtime: Runtime, events: list[dict[str, Any]], first: int = 0) -> Cut:
    """Events a millisecond apart, as those from an offset on."""
    offsets = range(first, first + len(events))
    values = [
        json.dumps({"eventType": "a", "timestamp": T0 + n, "user": "u", **fields}).encode()
        for n, fields in zip(offsets, events, strict=True)
    ]
    runtime.take([Chunk("t", 0, offsets, [T0] * len(events), values)])
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


def window_rule(having: str, **fields: Any) -> Any:
    document = {
        "kind": "pattern", "id": "w", "groupBy": ["user"], "where": "eventType == 'a'",
        "having": having, "action": {"type": "alert"},
        "window": {"type": "tumbling", "size": "10s"}, **fields,
    }  # fmt: skip
    return validate_pattern(document).plan


def test_groups_that_are_compared_stay_and_no_more_come() -> None:
    plan = window_rule("zscore(sum(q), groups) > 8")
    runtime = runtime_of(plan)
    names = [n % 400 for n in range(1_200)]
    events = [{"user": f"g{n}", "q": 1 + n % 3} for n in names]
    events[5]["q"] = 100_000
    cuts = [send(runtime, events[n : n + 100], n) for n in range(0, 1_200, 100)]
    assert sum(cut.state_cut.get("w", 0) for cut in cuts) > 0
    assert max(size for cut in cuts for size in sizes(cut)) <= MOST
    stats = runtime.engine.processor.rule_stats()["w"]
    kept = stats["live_runs"]
    assert 40 < kept < 400
    assert stats["keys_dropped"] >= 2 * (400 - kept)
    # Who takes the state over lets no others in, too.
    heir = runtime_of(plan)
    (key,) = runtime.engine.processor.state_keys()
    data = runtime.engine.processor.dump(key)
    assert data is not None
    assert heir.engine.processor.load(key, data, runtime.engine.processor.state_version(key))
    for each in (runtime, heir):
        send(each, [{"user": "new", "q": 1}], 1_200)
        assert each.engine.processor.rule_stats()["w"]["live_runs"] == kept
        (made,) = send(each, [{"eventType": "z", "timestamp": T0 + 60_000}], 1_201).made
        assert made.match is not None
        assert made.match.key == ("g5",)
        assert made.match.values["groups"] == kept
        assert not each.engine.processor.state_keys()


@pytest.mark.parametrize(
    "window",
    [
        {"type": "tumbling", "size": "10s"},
        {"type": "sliding", "size": "10s", "slide": "100ms"},
        {"type": "session", "gap": "5s"},
        {"type": "sliding", "size": "10s"},
    ],
    ids=["tumbling", "hops", "session", "trailing"],
)
def test_figures_of_windows_that_are_cut_are_at_least_what_fits(window: dict[str, Any]) -> None:
    runtime = runtime_of(window_rule("distinct(p) >= 400", window=window))
    events = [{"p": f"host-{n:06}.example.com"} for n in range(2_000)]
    cuts = [send(runtime, events[n : n + 200], n) for n in range(0, 2_000, 200)]
    assert sum(cut.state_cut.get("w", 0) for cut in cuts) > 0
    assert max(size for cut in cuts for size in sizes(cut)) <= MOST
    cuts.append(send(runtime, [{"eventType": "z", "timestamp": T0 + 60_000}], 2_000))
    found = [made.match for cut in cuts for made in cut.made if made.match is not None]
    assert found
    assert all(400 <= match.values["distinct(p)"] < 1_000 for match in found)
    assert runtime.engine.processor.rule_stats()["w"]["captures_dropped"] > 500


def test_percentiles_stay_about_where_they_are() -> None:
    runtime = runtime_of(window_rule("percentile(q, 90) > 0"))
    for n in range(0, 4_000, 500):
        send(runtime, [{"q": (i * 1_237) % 4_000 + 100_000} for i in range(n, n + 500)], n)
    (made,) = send(runtime, [{"eventType": "z", "timestamp": T0 + 60_000}], 4_000).made
    assert made.match is not None
    assert made.match.values["percentile(q, 90)"] == pytest.approx(103_600, abs=100)


@pytest.mark.parametrize(("count", "most", "shown"), [(1, 8_000, 0), (12, 20_000, 5)])
def test_events_that_are_only_shown_go_first(count: int, most: int, shown: int) -> None:
    runtime = runtime_of(window_rule("count() > 0"), most)
    cut = send(runtime, [{"pad": "x" * (36_000 // (count + 2))}] * count)
    assert cut.state_cut == {"w": 1}
    assert max(sizes(cut)) <= most
    (made,) = send(runtime, [{"eventType": "z", "timestamp": T0 + 60_000}], count).made
    assert made.match is not None
    assert made.match.count == count
    assert len(made.match.captures) == shown


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
