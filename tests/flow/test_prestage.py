"""`Prestage`, pure: what is hidden never comes out, what came in stays, batches do not matter."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from summit.enrich.enriching import Found
from summit.flow.prestage import Prestage, StagedBatch
from summit.flow.stage_plans import StagePlans, stage_of
from summit.keyed.chunks import Chunk

SECRET = "s3cr3t-value"
HIDE = {
    "kind": "transformation", "id": "hide", "eventType": "*", "onError": "tag",
    "transformations": [
        {"field": "user.name", "operation": "mask", "config": {}},
        {"field": "token", "operation": "hash", "config": {"key": "${KEY}"}},
        {"field": "n", "operation": "convert", "config": {"type": "number"}},
    ],
}  # fmt: skip
ASK = {
    "kind": "enrichment", "id": "ask", "eventType": "*", "enrichmentType": "api", "onError": "tag",
    "config": {"apiUrl": "http://h/", "keyField": "user.name"},
}  # fmt: skip
SOME = {"kind": "filter", "id": "some", "action": "exclude", "where": "n == 3"}
COPY = {"kind": "route", "id": "copy", "default": True, "topic": "out"}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just(SECRET) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "token", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
events = st.fixed_dictionaries(
    {"eventType": st.just("login")},
    optional={
        "user": st.dictionaries(st.sampled_from(["name", "other"]), values, max_size=2) | values,
        "token": values, "n": values, "data": values, "metadata": values, "enrichedData": values,
    },
)  # fmt: skip


def stage(*documents: dict[str, Any]) -> Prestage:
    made = Prestage(secrets=lambda _: b"key")
    faulty: dict[str, str] = {}
    made.go_by(stage_of(documents, faulty))
    assert faulty == {}
    return made


def chunk(raw: list[bytes | None], first: int = 0) -> Chunk:
    offsets = range(first, first + len(raw))
    return Chunk("t", 0, offsets, [1_000] * len(raw), raw, keys=[b"k"] * len(raw))


def answer(_: Any, asked: Any) -> list[Found]:
    """Depends on the key alone; every third one fails."""
    return [
        Found("error", reason="away") if len(json.dumps(key)) % 3 == 0
        else Found("found", {"length": len(json.dumps(key))})
        for key in asked.keys
    ]  # fmt: skip


def hidden_everywhere(event: Any) -> bool:
    """Whether the secret stands only where no rule was to hide it."""
    if not isinstance(event, dict):
        return True
    for name in ("metadata", "data", "enrichedData"):
        if isinstance(event.get(name), dict) and not hidden_everywhere(event[name]):
            return False
    user = event.get("user")
    seen = user.get("name") if isinstance(user, dict) else None
    return SECRET not in json.dumps([seen, event.get("token")])


@settings(deadline=None)
@given(st.lists(events, min_size=1, max_size=6), st.integers(1, 5))
def test_masks_hold_inputs_stay_and_batches_do_not_matter(
    given_events: list[dict[str, Any]], size: int
) -> None:
    raw: list[bytes | None] = [json.dumps(event).encode() for event in given_events]
    before = copy.deepcopy(raw)
    made = stage(HIDE, ASK, SOME, COPY)
    whole = made.apply([chunk(raw)], answer)
    assert raw == before
    for record in whole.routed:
        assert hidden_everywhere(json.loads(record.value or b""))
    seen = [value for each in whole.chunks for value in each.values]
    assert seen == [record.value for record in whole.routed]
    parts = StagedBatch([], [], [])
    for at in range(0, len(raw), size):
        part = made.apply([chunk(raw[at : at + size], at)], answer)
        for total, some in zip(parts, part, strict=True):
            total.extend(some)  # type: ignore[arg-type]
    assert [v for each in parts.chunks for v in each.values] == seen
    assert [n for each in parts.chunks for n in each.offsets] == [
        n for each in whole.chunks for n in each.offsets
    ]
    assert parts.routed == whole.routed
    assert parts.refused == whole.refused


def test_what_nothing_concerns_passes_as_it_is() -> None:
    made = stage({**SOME, "topics": ["other"]}, {**COPY, "topics": ["a*"]})
    same = chunk([b"{not even json"])
    assert not made.concerns([same])
    assert made.apply([same], answer).chunks[0] is same
    assert not Prestage().concerns([same])
    untouched = chunk([b'{ "a" : 1 }', b'{"n": 4}'])
    (passed,) = stage(SOME).apply([untouched], answer).chunks
    assert passed is untouched
    (left,) = stage(SOME).apply([chunk([b'{ "a" : 1 }', b'{"n": 3}'])], answer).chunks
    assert (list(left.offsets), left.values, left.keys) == ([0], [b'{ "a" : 1 }'], [b"k"])


def test_what_is_no_event_is_refused() -> None:
    batch = stage(SOME).apply([chunk([b"{", b"[]", None, b"", b'{"n": 1}', b"\xff"])], answer)
    assert [(each.offset, each.error.code) for each in batch.refused] == [
        (0, "event.not_json"), (1, "event.not_object"), (2, "event.empty"), (3, "event.empty"),
        (5, "event.not_json"),
    ]  # fmt: skip
    assert [list(each.offsets) for each in batch.chunks] == [[4]]


def test_bad_times_are_no_hindrance_before_they_are_converted() -> None:
    convert = {
        "kind": "transformation", "id": "c", "eventType": "*",
        "transformations": [
            {"field": "at", "operation": "rename", "config": {"newName": "timestamp"}}
        ],
    }  # fmt: skip
    rule = {**SOME, "where": "timestamp > 5000"}
    raw: list[bytes | None] = [b'{"timestamp": "soon", "at": 7}', b'{"timestamp": 6000}']
    (left,) = stage(rule, convert).apply([chunk(raw)], answer).chunks
    assert [json.loads(value or b"") for value in left.values] == [{"timestamp": 7}]


def test_routes_that_read_their_own_outputs() -> None:
    def route(name: str, topics: list[str], topic: str) -> dict[str, Any]:
        return {"kind": "route", "id": name, "topics": topics, "default": True, "topic": topic}

    def faults(*routes: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        stage_of(routes, found)
        return found

    assert faults(route("a", ["x"], "y"), route("b", ["y"], "z")) == {}
    circle = faults(route("a", ["x"], "y"), route("b", ["y"], "z"), route("c", ["z"], "x"))
    assert list(circle) == ["route/c"]
    assert "x → y → z → x" in circle["route/c"]
    # A glob that covers the target, and no topics at all, are no circles: outputs are left out.
    assert faults(route("a", ["s*"], "soc"), {**COPY, "id": "d"}) == {}
    plans: StagePlans = stage_of([route("a", ["s*"], "soc"), {**COPY, "id": "d"}])
    assert plans.of("soc").is_empty
    assert {plan.id for plan in plans.of("sales").routes} == {"a", "d"}
    assert plans.of("out").is_empty


def test_what_becomes_too_long_is_put_aside() -> None:
    long = Found("found", "x" * 1_000_000)
    grown = stage({**ASK, "config": {**ASK["config"], "keyField": "k"}})
    batch = grown.apply([chunk([b'{"k": 1}', b'{"n": 1}'])], lambda _, __: [long])
    assert [(each.offset, each.error.code) for each in batch.refused] == [(0, "event.too_long")]
    assert [list(each.offsets) for each in batch.chunks] == [[1]]
