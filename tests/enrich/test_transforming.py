"""`Transformer`: order of rules, errors and their policies, nothing of the input altered."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enrich.transforms import operation, rule, transformer

from summit.base.errors import Invalid
from summit.documents.transformation import validate_transformation
from summit.enrich.transforming import Transformer
from summit.events.fields import compile_path

NAMES = ("a", "b", "user", "email", "timestamp", "metadata", "data")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
events = st.dictionaries(st.sampled_from((*NAMES, "eventType")), values, max_size=6)
fields = st.sampled_from(
    ("a", "user.email", "a.b", "data.user", "a.0", "timestamp", "a.*", "b.*.a", "*")
)
places = st.sampled_from(("a", "user.email", "b.a", "data.user", "a.0", "timestamp"))


def ops(name: str, field: Any = fields, **config: Any) -> Any:
    return st.builds(
        lambda field, config: {"field": field, "operation": name, "config": config},
        field, st.fixed_dictionaries(config),
    )  # fmt: skip


operations = st.one_of(
    ops("rename", places, newName=st.just("c.d")),
    ops("copy", places, outputField=st.sampled_from(("c", "a.e", "b.0"))),
    ops("add", places, value=values),
    ops("remove"),
    ops("flatten"),
    ops("mask", preserveStart=st.integers(0, 3), preserveDomain=st.booleans()),
    ops("hash", key=st.just("${KEY}")),
    ops("truncateIp"),
    ops("convert", type=st.sampled_from(("string", "number", "boolean", "json", "timestamp"))),
    ops("timestamp", to=st.sampled_from(("ms", "iso", "seconds"))),
    ops("extract", pattern=st.just("(.).")),
    ops("parse", format=st.sampled_from(("json", "keyValue", "syslog"))),
)


@settings(max_examples=300)
@given(st.lists(events, max_size=3), st.lists(operations, min_size=1, max_size=6))
def test_inputs_stay_as_they_are_and_results_are_json(
    given_events: list[dict[str, Any]], steps: list[dict[str, Any]]
) -> None:
    before = copy.deepcopy(given_events)
    engine = transformer(rule(*steps, onError="tag"))
    first = engine.apply(given_events)
    assert given_events == before
    assert engine.apply(given_events) == first  # nothing is kept from event to event
    json.dumps([done.value for done in first], allow_nan=False)
    for done, old in zip(first, given_events, strict=True):
        if done.changed or done.faults:
            continue
        assert done.value == old
        assert done.value is not old


@settings(max_examples=200)
@given(events, operations)
def test_an_operation_that_tells_no_change_made_none(
    event: dict[str, Any], step: dict[str, Any]
) -> None:
    done = transformer(rule(step)).apply([event])[0]
    if not done.changed:
        assert done.value == event


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from((*NAMES, "eventType", "a.b", "user.email")), values),
    st.sampled_from(("a", "a.b", "user.email", "data.user", "a.b.email")),
)
def test_rules_find_nothing_where_a_field_was_removed(event: dict[str, Any], field: str) -> None:
    done = transformer(rule(operation("remove", field))).apply([event])[0]
    assert compile_path(field)(done.value) is None
    masked = transformer(rule(operation("mask", field))).apply([event])[0].value
    found, old = compile_path(field)(masked), compile_path(field)(event)
    assert (found is None) == (old is None)
    if type(old) is str:
        assert found == "*" * len(old)


SECRET = "s3cr3t-of-eve"


@settings(max_examples=200)
@given(operations, st.sampled_from(["pass", "tag", "drop"]))
def test_no_error_and_no_tag_holds_a_value(step: dict[str, Any], on_error: str) -> None:
    event = {
        "a": SECRET, "b": [{"a": SECRET}], "user": {"email": SECRET}, "timestamp": SECRET,
        "data": {"user": [SECRET, {"x": SECRET}]},
    }  # fmt: skip
    hide = [operation("mask", name) for name in ("a", "b", "c", "user", "timestamp", "data")]
    engine = transformer(rule(step, id="first", onError=on_error), rule(*hide, id="hide"))
    done = engine.apply([event])[0]
    told = [str(fault.error) + repr(fault) + repr(fault.error.details) for fault in done.faults]
    assert SECRET not in json.dumps(done.value) + "".join(told)


def test_rules_for_the_type_come_before_those_for_all() -> None:
    def note(name: str) -> dict[str, Any]:
        return operation("copy", "trace", outputField=f"seen.{name}")

    engine = transformer(
        rule(operation("add", "trace", value=1), note("all"), id="all"),
        rule(operation("add", "trace", value=2), note("one"), id="one", eventType="x"),
        rule(operation("add", "trace", value=3), note("two"), id="two", eventType=["y", "x"]),
    )
    x, y, z = engine.apply([{"eventType": "x"}, {"eventType": "y"}, {}])
    assert list(x.value["seen"].items()) == [("one", 2), ("two", 3), ("all", 1)]
    assert list(y.value["seen"].items()) == [("two", 3), ("all", 1)]
    assert z.value["seen"] == {"all": 1}
    assert (x.rules, y.rules, z.rules) == (("one", "two", "all"), ("two", "all"), ("all",))


def test_operations_go_in_their_order() -> None:
    steps = [
        operation("rename", "a", newName="b"),
        operation("convert", "b", type="number"),
        operation("add", "a", value=0),
    ]
    assert transformer(rule(*steps)).apply([{"a": "5"}])[0].value == {"b": 5, "a": 0}


def test_the_type_is_that_of_the_event_as_it_came() -> None:
    engine = transformer(
        rule(operation("add", "eventType", value="y"), id="one", eventType="x"),
        rule(operation("add", "seen", value=True), id="two", eventType="y"),
    )
    assert engine.apply([{"eventType": "x"}])[0].value == {"eventType": "y"}


BAD = operation("convert", "n", type="number")
THEN = operation("add", "after", value=True)


def test_a_fault_leaves_the_field_and_the_rest_goes_on() -> None:
    done = transformer(rule(BAD, THEN)).apply([{"n": "many"}])[0]
    assert done.value == {"n": "many", "after": True}
    assert not done.is_dropped
    error = done.faults[0].error
    assert error.code == "transformation.failed"
    assert str(error) == "rule 'r': 'convert' of 'n' could not be done: it is no number"


def test_drop_refuses_only_the_event_that_failed() -> None:
    bad, good = transformer(rule(BAD, THEN, onError="drop")).apply([{"n": "many"}, {"n": "1"}])
    assert bad.is_dropped
    assert bad.value["after"] is True
    assert not good.is_dropped
    assert good.value["n"] == 1


def test_tag_notes_the_fault_in_the_event() -> None:
    note = {"rule": "r", "operation": "convert", "field": "n", "reason": "it is no number"}
    engine = transformer(rule(BAD, onError="tag"))
    assert engine.apply([{"n": "x"}])[0].value["enrichedData"] == {"_meta": {"errors": [note]}}
    given_data = {"geo": 1, "_meta": {"errors": [1]}}
    done = engine.apply([{"n": "x", "enrichedData": given_data}])[0]
    assert done.value["enrichedData"] == {"geo": 1, "_meta": {"errors": [1, note]}}
    assert engine.apply([{"n": "x", "enrichedData": 5}])[0].value["enrichedData"] == 5
    assert "enrichedData" not in engine.apply([{"n": "1"}])[0].value


def test_an_event_nested_without_end_is_refused_whole() -> None:
    deep: Any = "secret"
    for _ in range(100_000):
        deep = [deep]
    done = transformer(rule(operation("mask", "a"))).apply([{"a": deep}])[0]
    assert (done.value, done.is_dropped) == ({}, True)
    assert "nested" in done.faults[0].reason
    while type(deep) is list:  # freed level by level
        deep = deep[0]


def test_a_secret_that_is_not_there_is_refused_when_compiling() -> None:
    def no_secret(name: str) -> bytes:
        raise Invalid("secret.missing", name=name, reason="it is not set")

    plan = validate_transformation(rule(operation("hash", "a", key="${NONE}"))).plan
    with pytest.raises(Invalid, match="NONE"):
        Transformer([plan], no_secret)
