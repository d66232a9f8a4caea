"""What actions really do, in the engine of one process: each to its effect."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.webhook import Webhook

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.client.types import ConsumerRecord
from summit.event_processing import (
    AggregationConfig,
    CEPEngine,
    EventAction,
    EventPattern,
    calculate_percentile,
    calculate_risk_score,
    generate_alert,
)
from summit.flow.calling import sign
from summit.stream_processing import EmbeddedBroker, StreamConsumer, StreamProducer

T0 = 1_700_000_000_000
STEPS = [
    {"name": "a", "where": 'eventType == "a"', "times": 2},
    {"name": "b", "where": 'eventType == "b"'},
]


def pattern(action: Any, pattern_id: str = "p", **fields: Any) -> dict[str, Any]:
    return {
        "id": pattern_id, "groupBy": ["user"], "steps": STEPS, "within": "60s", "action": action,
        **fields,
    }  # fmt: skip


def events(user: str = "u") -> list[dict[str, Any]]:
    return [
        {"eventType": kind, "timestamp": T0 + n * 1000, "user": user, "eventId": f"{user}{n}",
         "bytes": 10 * (n + 1), "host": "h1" if n < 2 else "h2"}
        for n, kind in enumerate(("a", "a", "b"))
    ]  # fmt: skip


class Told:
    """All that an engine tells, in order."""

    NAMES = (
        "pattern:matched", "pattern:timeout", "alert:generated", "action:forward",
        "action:trigger", "events:aggregated", "state:evicted", "error",
    )  # fmt: skip

    def __init__(self, engine: CEPEngine) -> None:
        self.events: list[tuple[str, Any]] = []
        for name in self.NAMES:
            engine.on(name, lambda payload, name=name: self.events.append((name, payload)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def only(self, name: str) -> Any:
        (found,) = [payload for told, payload in self.events if told == name]
        return found


def engine_of(*patterns: Any, **settings: Any) -> tuple[CEPEngine, Told]:
    engine = CEPEngine(clock=ManualClock(T0), **settings)
    told = Told(engine)
    for each in patterns:
        engine.register_pattern(each)
    return engine, told


def test_forward_tells_and_publishes_the_events_as_they_were() -> None:
    action = {"type": "forward", "config": {"topic": "found", "key": "user"}}

    async def go(servers: str) -> tuple[Told, list[ConsumerRecord], int]:
        async with StreamProducer({"bootstrapServers": servers}) as producer:
            engine, told = engine_of(pattern(action), producer=producer)
            raw = [json.dumps(event, indent=1) for event in events()]
            assert await engine.process_events(raw) == [], "no alert"
            forwarded = engine.stats["forwarded"]
        records: list[ConsumerRecord] = []
        config = {"bootstrapServers": servers, "groupId": "g", "autoOffsetReset": "earliest"}
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe("found")
            async with asyncio.timeout(30):
                while len(records) < 3:
                    records += await consumer.poll(500)
        assert [record.value for record in records] == [text.encode() for text in raw]
        return told, records, forwarded

    with EmbeddedBroker.in_memory(num_partitions=1, auto_create_topics=True) as broker:
        told, records, forwarded = asyncio.run(go(broker.address))
    assert told.names == ["pattern:matched", "action:forward"]
    payload = told.only("action:forward")
    assert (payload.topic, payload.record_keys, forwarded) == ("found", [b"u"] * 3, 3)
    assert [event.event_id for event in payload.events] == ["u0", "u1", "u2"]
    assert [record.key for record in records] == [b"u"] * 3
    assert [record.timestamp for record in records] == [T0, T0 + 1000, T0 + 2000]
    headers = dict(records[0].headers.pairs)
    assert headers["summit.match"] == payload.sequence.id.encode()
    assert headers["summit.src"] == b"log:events:0:0"


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        (None, [None] * 3),
        ("host", [b"h1", b"h1", b"h2"]),
        ("bytes", [b"10", b"20", b"30"]),
        ("${user}/${count(a)}", [b"u/2"] * 3),
        ("missing", [None] * 3),
        ("${user}-${missing}", [None] * 3),
    ],
)
def test_the_key_of_forwarded_events(key: str | None, keys: list[Any]) -> None:
    config = {"topic": "found"} if key is None else {"topic": "found", "key": key}
    engine, told = engine_of(pattern({"type": "forward", "config": config}))
    asyncio.run(engine.process_events(events()))
    assert told.only("action:forward").record_keys == keys


def test_aggregate_computes_and_tells() -> None:
    aggregations = [
        {"function": "count"},
        {"function": "sum", "field": "bytes"},
        {"function": "avg", "field": "bytes", "name": "mean"},
        {"function": "percentile", "field": "bytes", "percentile": 50},
        {"function": "distinct", "field": "eventType"},
        {"function": "stddev", "field": "bytes"},
        {"function": "max", "field": "missing"},
    ]
    config = {"groupBy": ["host"], "aggregations": aggregations}
    engine, told = engine_of(pattern({"type": "aggregate", "config": config}))
    asyncio.run(engine.process_events(events()))
    assert told.names == ["pattern:matched", "events:aggregated"]
    payload = told.only("events:aggregated")
    assert (payload.key, payload.timestamp) == ({"user": "u"}, T0 + 2000)
    assert payload.window == {"start": T0, "end": T0 + 2000}
    first, second = payload.groups
    assert (first["keys"], first["count"]) == ({"host": "h1"}, 2)
    assert first["metrics"] == {
        "count()": 2, "sum(bytes)": 30, "mean": 15.0, "percentile(bytes, 50)": 15.0,
        "distinct(eventType)": 1, "stddev(bytes)": 5.0, "max(missing)": None,
    }  # fmt: skip
    assert (second["keys"], second["metrics"]["sum(bytes)"]) == ({"host": "h2"}, 30)


def test_a_trigger_calls_its_webhook_signed_and_again_until_it_answers() -> None:
    async def go() -> tuple[Told, Webhook, dict[str, int]]:
        async with Webhook([503, 503, 204]) as hook:
            config = {"url": f"{hook.url}/on?x=1", "secret": "${HOOK}"}
            engine, told = engine_of(
                pattern({"type": "trigger", "config": config}),
                secrets={"HOOK": "s3cret"}, allow_internal_addresses=True,
            )  # fmt: skip
            async with engine, asyncio.timeout(30):
                await engine.process_events(events())
                await engine.flush()
            return told, hook, engine.stats

    told, hook, stats = asyncio.run(go())
    assert told.names == ["pattern:matched", "action:trigger"]
    match_id = told.only("action:trigger").sequence.id
    assert len(hook.requests) == 3
    for request in hook.requests:
        assert (request.method, request.path) == ("POST", "/on?x=1")
        assert request.headers["idempotency-key"] == match_id
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-summit-signature"] == sign(b"s3cret", request.body, T0 // 1000)
    body = json.loads(hook.requests[-1].body)
    assert (body["id"], body["pattern"], body["key"]) == (match_id, "p", {"user": "u"})
    assert [each["step"] for each in body["events"]] == ["a", "a", "b"]
    assert [each["event"] for each in body["events"]] == events()
    assert (stats["calls"], stats["calls_failed"]) == (1, 0)


@pytest.mark.parametrize(
    ("statuses", "settings", "code"),
    [
        ([404], {"allow_internal_addresses": True}, "call.refused"),
        ([200], {}, "http.internal"),
        ([200], {"allow_internal_addresses": True, "secrets": {"X": "y"}}, "secret.missing"),
    ],
)
def test_a_call_that_cannot_succeed_is_told_and_counted(
    statuses: list[int], settings: dict[str, Any], code: str
) -> None:
    async def go() -> tuple[Told, int]:
        async with Webhook(statuses) as hook:
            config = {"url": hook.url}
            if "secrets" in settings:
                config["secret"] = "${HOOK}"
            engine, told = engine_of(pattern({"type": "trigger", "config": config}), **settings)
            async with engine, asyncio.timeout(30):
                await engine.process_events(events())
                await engine.flush()
            return told, engine.stats["calls_failed"]

    told, failed = asyncio.run(go())
    error = told.only("error")
    assert (error.error.code, error.pattern.id, failed) == (code, "p", 1)


def started(pattern_id: str, by: str, action: Any = None) -> dict[str, Any]:
    where = f'eventType == "pattern.matched" && pattern == "{by}"'
    return {
        "id": pattern_id, "groupBy": ["user"], "within": "10m",
        "steps": [{"name": "start", "where": where}, {"name": "x", "where": 'eventType == "x"'}],
        "action": action or {"type": "alert", "config": {"title": "${start.last.host} ${user}"}},
    }  # fmt: skip


def trigger(target: str) -> dict[str, Any]:
    return {"type": "trigger", "config": {"pattern": target}}


def test_a_trigger_starts_another_pattern_and_no_other_sees_it() -> None:
    other = started("other", "p")
    engine, told = engine_of(pattern(trigger("next")), started("next", "p"), other)
    x = {"eventType": "x", "timestamp": T0 + 5000, "user": "u"}
    assert asyncio.run(engine.process_event(x)) == [], "not started yet"
    alerts = asyncio.run(engine.process_events([*events(), {**x, "timestamp": T0 + 9000}]))
    assert [(alert.pattern, alert.title) for alert in alerts] == [("next", "h2 u")]
    assert told.only("action:trigger").target == "next"
    assert alerts[0].evidence[0].src == f"match:{told.only('action:trigger').sequence.id}"


def test_patterns_that_start_one_another_come_to_an_end() -> None:
    def loop(pattern_id: str, by: str) -> dict[str, Any]:
        where = f'eventType == "pattern.matched" && pattern == "{by}" || eventType == "go"'
        return {"id": pattern_id, "steps": [{"where": where}], "action": trigger(by)}

    engine, told = engine_of(loop("one", "two"), loop("two", "one"))
    asyncio.run(engine.process_event({"eventType": "go", "timestamp": T0, "user": "u"}))
    assert engine.stats["not_started"] == 2
    assert told.names.count("action:trigger") == 18
    assert [p.error.code for name, p in told.events if name == "error"] == ["action.failed"] * 2


def custom(handler: Any, **fields: Any) -> EventPattern:
    return EventPattern(
        id="p", steps=STEPS, group_by=["user"], within="60s",
        action=EventAction(type="custom", handler=handler), **fields,
    )  # fmt: skip


def test_a_handler_gets_the_events_and_raises_alerts() -> None:
    seen: list[Any] = []

    async def handle(matched: list[Any], ctx: Any) -> None:
        seen.extend(matched)
        total = sum(event.bytes for event in matched)
        ctx.alert({"severity": "high", "title": f"{ctx.sequence.key[0]}: {total}", "volume": total})

    engine, told = engine_of(custom(handle))
    (alert,) = asyncio.run(engine.process_events(events()))
    assert [event["eventId"] for event in seen] == ["u0", "u1", "u2"]
    assert (alert.title, alert.severity, alert.metadata) == ("u: 60", "high", {"volume": 60})
    assert (alert.key, alert.count, alert.evidence[2].step) == ({"user": "u"}, 3, "b")
    assert told.names == ["pattern:matched", "alert:generated"]
    assert alert.id == told.only("pattern:matched").sequence.id


def test_a_plain_handler_of_the_guides_form() -> None:
    def handle(matched: list[Any]) -> None:
        p95 = calculate_percentile([event["bytes"] for event in matched], 95)
        score = calculate_risk_score(matched, {"a": 20, "b": 40, "c": 80})
        generate_alert({"severity": "critical", "title": "Risk", "p95": p95, "score": score})

    engine, _ = engine_of(custom(handle))
    (alert,) = asyncio.run(engine.process_events(events()))
    assert alert.metadata == {"p95": 29.0, "score": 60.0}
    with pytest.raises(Invalid, match="handler"):
        generate_alert(title="outside")


def test_a_handler_that_fails_is_called_again_and_its_window_is_told() -> None:
    calls: list[int] = []

    def handle(matched: list[Any]) -> None:
        calls.append(len(matched))
        if len(calls) < 3:
            raise ValueError("not now")
        generate_alert(title="at last")

    engine, _ = engine_of(custom(handle))
    assert [alert.title for alert in asyncio.run(engine.process_events(events()))] == ["at last"]
    assert calls == [3, 3, 3]

    def never(_: list[Any]) -> None:
        generate_alert(title="half done")
        raise ValueError("never")

    engine, told = engine_of(custom(never))
    assert asyncio.run(engine.process_events(events())) == []
    error = told.only("error")
    assert error.error.code == "action.failed"
    assert [event.event_id for event in error.sequence.events] == ["u0", "u1", "u2"]
    assert engine.stats["handlers_failed"] == 1


def test_custom_needs_its_handler() -> None:
    with pytest.raises(Invalid, match="handler"):
        CEPEngine().register_pattern(pattern({"type": "custom"}))


def test_time_outs_have_actions_of_their_own() -> None:
    action = {"type": "forward", "config": {"topic": "begun"}}
    engine, told = engine_of(pattern({"type": "alert"}, onTimeout={"action": action}))
    asyncio.run(engine.process_events(events()[:2]))
    asyncio.run(engine.advance_time(T0 + 60_000))
    assert told.names == ["pattern:timeout", "action:forward"]
    assert told.only("action:forward").topic == "begun"


def test_what_limits_cut_is_told() -> None:
    limits = {"runsPerKey": 2, "keys": 3}
    engine, told = engine_of(pattern({"type": "alert"}, limits=limits))
    one = events()[0]
    asyncio.run(engine.process_events([{**one, "timestamp": T0 + n} for n in range(5)]))
    assert told.names == ["state:evicted"] * 3
    assert {(payload.what, payload["count"]) for _, payload in told.events} == {("runs", 1)}
    assert engine.stats["runs_dropped"] == 3
    told.events.clear()
    asyncio.run(engine.process_events([{**one, "user": f"k{n}"} for n in range(6)]))
    evicted = [payload["count"] for _, payload in told.events if payload.what == "keys"]
    assert sum(evicted) == engine.stats["keys_dropped"] == 4


def test_an_aggregation_config_is_the_config_of_an_aggregate() -> None:
    config = AggregationConfig(
        group_by=["host"], aggregations=[{"function": "sum", "field": "bytes", "name": "sent"}]
    )
    assert config.to_dict() == {
        "groupBy": ["host"],
        "aggregations": [{"function": "sum", "field": "bytes", "name": "sent"}],
    }
    engine, told = engine_of(pattern({"type": "aggregate", "config": config.to_dict()}))
    asyncio.run(engine.process_events(events()))
    groups = told.only("events:aggregated").groups
    assert [(group["keys"], group["metrics"]) for group in groups] == [
        ({"host": "h1"}, {"sent": 30}), ({"host": "h2"}, {"sent": 30})
    ]  # fmt: skip
    with pytest.raises(Invalid, match="the window is the pattern's"):
        AggregationConfig.from_dict(
            {"aggregations": [], "window": {"type": "sliding", "size": 1000}}
        )
