"""`EventTransformer`, `EventFilter`, `EventRouter`: what they take, give back and tell."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from summit.base.emitter import Emitter
from summit.base.errors import Invalid
from summit.client.types import ConsumerRecord
from summit.event_processing import (
    EventCondition,
    EventFilter,
    EventRouter,
    EventTransformer,
    FilterRule,
    RouteRule,
    TransformationRule,
)
from summit.events.event import parse_event


def told(emitter: Emitter, *names: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name in names:
        emitter.on(name, lambda payload, name=name: found.append((name, payload)))
    return found


def mask(rule_id: str = "mask", **fields: Any) -> dict[str, Any]:
    step = {"field": "user", "operation": "mask", "config": {"mask_char": "#"}}
    return {"id": rule_id, "eventType": "*", "transformations": [step], **fields}


def number(**fields: Any) -> dict[str, Any]:
    step = {"field": "n", "operation": "convert", "config": {"type": "number"}}
    return {"id": "number", "eventType": "*", "transformations": [step], **fields}


def transform(transformer: EventTransformer, *events: Any) -> list[Any]:
    return asyncio.run(transformer.transform_events(events))


def test_every_form_of_an_event_is_taken_and_none_is_altered() -> None:
    transformer = EventTransformer()
    transformer.register_transformation_rule(mask())
    value = {"eventType": "x", "user": "eve", "nested": {"list": [1]}}
    plain = json.dumps(value).encode()
    parsed = parse_event(plain, topic="t", partition=1, offset=2, timestamp_ms=5)
    record = ConsumerRecord("t", 1, 2, 5, None, plain, ())
    given = [value, plain, plain.decode(), parsed, record]
    before = copy.deepcopy(given[:4])
    results = transform(transformer, *given)
    assert given[:4] == before
    assert [result.value for result in results] == [{**value, "user": "###"}] * 5
    results[0]["nested"]["list"].append(2)
    assert value["nested"] == {"list": [1]}
    assert (results[3].topic, results[3].offset, results[3].timestamp) == ("t", 2, 5)


def test_a_result_reads_as_attributes_and_as_a_mapping() -> None:
    event = {"eventType": "x", "userName": "eve", "value": 1, "enrichedData": {"a": 1}}
    result = asyncio.run(EventTransformer().transform_event(event))
    assert result is not None
    assert (result.event_type, result.user_name, result.userName) == ("x", "eve", "eve")
    assert (result["value"], "userName" in result, dict(result)) == (1, True, event)
    assert result.enriched_data == {"a": 1}
    assert result.get("a") == 1
    with pytest.raises(AttributeError):
        result.nobody  # noqa: B018 - reading it is the test
    assert copy.copy(result) == result


def test_a_time_that_is_none_stays_and_is_told() -> None:
    transformer = EventTransformer()
    heard = told(transformer, "transformation:error")
    step = {"field": "timestamp", "operation": "convert", "config": {"type": "timestamp"}}
    transformer.register_transformation_rule(number(id="time", transformations=[step]))
    result = transform(transformer, {"timestamp": "soon"})[0]
    assert (result.value, result.timestamp) == ({"timestamp": "soon"}, 0)
    assert str(heard[0][1].error) == (
        "rule 'time': 'convert' of 'timestamp' could not be done: it is no time"
    )


def test_what_is_told() -> None:
    transformer = EventTransformer()
    heard = told(transformer, "event:transformed", "transformation:error", "event:rejected")
    transformer.register_transformation_rule(number(onError="drop"))
    transformer.register_transformation_rule(mask())
    results = transform(
        transformer, {"n": "1"}, {"n": "x", "user": "eve"}, {"a": 1}, [1], b"{", {"x": object()}
    )
    assert [result.value for result in results] == [{"n": 1}, {"a": 1}]
    assert [name for name, _ in heard] == [
        "event:rejected", "event:rejected", "event:rejected", "event:transformed",
        "transformation:error",
    ]  # fmt: skip
    assert heard[3][1].rules == ("number",)
    error = heard[4][1]
    assert error.rule.id == "number"
    assert error.event.value == {"n": "x", "user": "###"}  # masked although it is dropped
    assert transformer.stats == {"transformed": 1, "errors": 1, "dropped": 1, "rejected": 3}


def test_one_event_that_is_none_raises() -> None:
    for event, code in (([1], "event.not_object"), (b"{", "event.not_json"), (b"", "event.empty")):
        with pytest.raises(Invalid) as caught:
            asyncio.run(EventTransformer().transform_event(event))
        assert caught.value.code == code


def test_rules_are_replaced_removed_and_listed() -> None:
    transformer = EventTransformer()
    transformer.register_transformation_rule(mask("one"))
    transformer.register_transformation_rule(
        TransformationRule(id="two", event_type="*", transformations=number()["transformations"])
    )
    transformer.register_transformation_rule(mask("one", enabled=False))
    assert [rule.id for rule in transformer.list_transformation_rules()] == ["one", "two"]
    assert transform(transformer, {"user": "eve", "n": "1"})[0].value == {"user": "eve", "n": 1}
    assert transformer.remove_transformation_rule("two")
    assert not transformer.remove_transformation_rule("two")
    assert transform(transformer, {"n": "1"})[0].value == {"n": "1"}


def test_a_bad_rule_changes_nothing() -> None:
    transformer = EventTransformer()
    transformer.register_transformation_rule(mask())
    with pytest.raises(Invalid) as caught:
        transformer.register_transformation_rule(mask(transformations=[{"operation": "mask"}]))
    assert caught.value.details["problems"][0].pointer == "/transformations/0/field"
    with pytest.raises(Invalid) as caught:
        transformer.register_transformation_rule(mask(event_tipe="x"))
    assert caught.value.code == "config.unknown_key"
    assert transform(transformer, {"user": "eve"})[0].value == {"user": "###"}


def hash_rule(key: str) -> dict[str, Any]:
    step = {"field": "user", "operation": "hash", "config": {"key": key}}
    return mask(transformations=[step])


def test_secrets_by_name_and_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = hmac.new(b"pepper", b"eve", hashlib.sha256).hexdigest()
    file = tmp_path / "key"
    file.write_text("pepper\n")
    monkeypatch.setenv("OF_THE_ENVIRONMENT", "pepper")
    for secrets, key in (
        ({"HASH_KEY": "pepper"}, "${HASH_KEY}"),
        (None, "${OF_THE_ENVIRONMENT}"),
        (None, f"file:{file}"),
    ):
        transformer = EventTransformer(secrets=secrets)
        transformer.register_transformation_rule(hash_rule(key))
        assert transform(transformer, {"user": "eve"})[0].user == wanted
    for secrets, key in (({}, "${HASH_KEY}"), (None, f"file:{tmp_path}/none")):
        with pytest.raises(Invalid) as caught:
            EventTransformer(secrets=secrets).register_transformation_rule(hash_rule(key))
        assert caught.value.code == "secret.missing"


def test_a_filter_chooses_and_tells() -> None:
    chooser = EventFilter()
    heard = told(chooser, "event:filtered", "event:rejected")
    condition = EventCondition(field="n", operator="gt", value=1)
    chooser.register_filter_rule(FilterRule(id="big", action="include", conditions=[condition]))
    chooser.register_filter_rule({"id": "no", "action": "exclude", "where": "n == 9"})
    events = [{"n": 1}, {"n": 2}, {"n": 9}, [3], {"n": 4, "timestamp": "soon"}]
    assert chooser.filter_events(events) == [{"n": 2}]
    assert [(name, payload.event) for name, payload in heard] == [
        ("event:rejected", [3]), ("event:rejected", {"n": 4, "timestamp": "soon"}),
        ("event:filtered", {"n": 1}), ("event:filtered", {"n": 9}),
    ]  # fmt: skip
    assert [payload.rule.id for name, payload in heard if name == "event:filtered"] == ["big", "no"]
    assert chooser.stats == {"passed": 1, "filtered": 2, "rejected": 2}
    assert chooser.filter_event({"n": 3}) is True
    assert chooser.remove_filter_rule("big")
    assert not chooser.remove_filter_rule("big")
    assert chooser.filter_event({"n": 1})
    assert [rule.id for rule in chooser.list_filter_rules()] == ["no"]


def test_one_of_several_that_include_is_enough_in_mode_any() -> None:
    chooser = EventFilter(mode="any")
    heard = told(chooser, "event:filtered")
    for n in (1, 2):
        chooser.register_filter_rule({"id": f"n{n}", "action": "include", "where": f"n == {n}"})
    assert [event["n"] for event in chooser.filter_events([{"n": n} for n in range(4)])] == [1, 2]
    assert [payload.rule for _, payload in heard] == [None, None]
    with pytest.raises(Invalid):
        EventFilter(mode="most")  # type: ignore[arg-type]


def test_a_router_names_topics_and_tells() -> None:
    router = EventRouter()
    heard = told(router, "event:routed", "event:unrouted", "event:rejected")
    router.register_route_rule(RouteRule(id="high", where='severity == "high"', topic="soc"))
    router.register_route_rule(
        {"id": "auth", "where": 'eventType.startsWith("auth.")', "topic": ["auth", "soc"]}
    )
    event = {"eventType": "auth.login", "severity": "high"}
    assert router.route_events([event, {"eventType": "x"}, 5]) == [["soc", "auth"], [], []]
    assert [name for name, _ in heard] == ["event:routed", "event:unrouted", "event:rejected"]
    assert heard[0][1].rules == ("high", "auth")
    router.register_route_rule({"id": "rest", "default": True, "topic": "rest"})
    assert router.route_event({"eventType": "x"}) == ["rest"]
    assert router.remove_route_rule("high")
    assert router.route_event(event) == ["auth", "soc"]
    assert [rule.id for rule in router.list_route_rules()] == ["auth", "rest"]
    assert router.stats == {"routed": 3, "unrouted": 1, "rejected": 1}


def test_rules_round_trip() -> None:
    for made in (
        TransformationRule.from_dict(mask(on_error="tag", topics=["a"])),
        FilterRule.from_dict({"id": "f", "action": "include", "conditions": [
            {"field": "a", "operator": "eq", "value": 1, "event_type": "x"}]}),
        RouteRule.from_dict({"id": "r", "topic": "t", "where": "a == 1", "stop": True}),
    ):  # fmt: skip
        assert type(made).from_dict(made.to_dict()) == made
        assert all("_" not in name for name in made.to_dict())
