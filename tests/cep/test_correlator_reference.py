"""Random events under random rules: the correlator tells what the plainest one does.

However the events are cut into batches and chunks, and wherever its state is saved and loaded.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, groupby, pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cep.correlations import Plain, Sent, chunks, correlator_of, rule, told

from summit.cep.group_state import GROUP_STATE_VERSION
from summit.documents.correlation import CorrelationPlan
from summit.keyed.chunks import Chunk
from summit.keyed.outputs import StateKey

END_MS = 10_000
KINDS = ("a", "b", "c")
KEYS: list[Any] = ["x", "y", 1, 1.0, True, None, ["list"]]

kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True)
times = st.one_of(
    st.fixed_dictionaries({"timeWindow": st.integers(1, 12)}),
    st.fixed_dictionaries(
        {"window": st.just("session"), "gap": st.integers(1, 6)},
        optional={"timeWindow": st.integers(1, 12)},
    ),
)
keys = st.sampled_from(
    [
        {"correlationKey": "k"},
        {"correlationKey": None, "correlationKeys": ["k", "l"]},
        {"correlationKey": None, "correlationKeys": [{"a": "k", "*": "l"}]},
        {"correlationKey": None, "correlationKeys": [{"a": "k", "b": "l", "c": "l"}, "k"]},
    ]
)


@st.composite
def plans(draw: st.DrawFn) -> CorrelationPlan:
    fields: dict[str, Any] = {**draw(times), **draw(keys)}
    if draw(st.booleans()):
        fields["eventTypes"] = list(KINDS) if fields["correlationKey"] is None else draw(kinds)
    fields["onMax"] = draw(st.sampled_from(["close", "cap"]))
    fields["maxEvents"] = draw(st.integers(1, 5))
    caps = fields["onMax"] == "cap"
    fields["minEvents"] = draw(st.integers(1, 6 if caps else fields["maxEvents"]))
    if draw(st.booleans()):
        wanted = draw(kinds)[: fields["maxEvents"]]
        fields["requireTypes"] = [k for k in wanted if k in fields.get("eventTypes", KINDS)]
    if draw(st.booleans()):
        fields["limits"] = {"groups": draw(st.integers(1, 4)), "events": draw(st.integers(1, 8))}
    return rule(**fields)


@st.composite
def streams(draw: st.DrawFn) -> list[Sent]:
    """Events of two partitions whose times go on, jump, and now and then go back."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, 1), st.sampled_from([0, 0, 1, 1, 2, 3, 5, 9, 20, -1, -4, -15]),
                st.sampled_from(KINDS), st.sampled_from(KEYS), st.sampled_from(KEYS[:2]),
            ),
            max_size=40,
        )
    )  # fmt: skip
    at = [100, 100]
    sent: list[Sent] = []
    for partition, step, kind, k, l in steps:  # noqa: E741 - the name of the field
        at[partition] += step
        sent.append((partition, at[partition], kind, {"k": k, "l": l}))
    return sent


def joined(parts: list[Chunk]) -> list[Chunk]:
    """Neighbours of one partition as one chunk."""
    return [
        Chunk("t", partition, *(list(chain(*column)) for column in zip(*columns, strict=True)))
        for partition, run in groupby(parts, key=lambda part: part.partition)
        if (columns := [part[2:5] for part in run])
    ]


@settings(max_examples=300, deadline=None)
@given(plans(), streams())
def test_it_tells_what_the_plainest_correlator_tells(
    plan: CorrelationPlan, sent: list[Sent]
) -> None:
    plain = Plain(plan)
    for offset, one in enumerate(sent):
        plain.take(offset, one)
    plain.close_until(END_MS)
    correlator = correlator_of([plan])
    done = correlator.apply(joined(chunks(sent)), END_MS)
    assert told(done.outputs.found) == plain.told
    counts = correlator.rule_stats()["correlation:r"]
    assert {name: counts[name] for name in plain.counts} == plain.counts
    if sent:
        assert correlator.state_keys() == []
        assert (counts["live_runs"], counts["keys"]) == (0, 0)
        assert correlator.next_timer_ms is None
    assert counts["opened"] == counts["completed"] + counts["incomplete"]


@settings(max_examples=300, deadline=None)
@given(plans(), streams(), st.data())
def test_splits_and_saved_state_change_nothing(
    plan: CorrelationPlan, sent: list[Sent], data: st.DataObject
) -> None:
    whole = correlator_of([plan])
    expected = whole.apply(chunks(sent))
    cuts = data.draw(st.sets(st.integers(0, len(sent)), max_size=6))
    saved: dict[StateKey, bytes] = {}  # a changelog: only what is dirty is written
    correlator, found, counts = correlator_of([plan]), [], Counter[str]()
    edges = sorted({0, *cuts, len(sent)})
    for begin, end in pairwise(edges):
        done = correlator.apply(joined(chunks(sent[begin:end], first=begin)))
        found += told(done.outputs.found)
        for key in done.dirty:
            state = correlator.dump(key)
            if state is None:
                saved.pop(key, None)
            else:
                saved[key] = state
        if data.draw(st.booleans()):
            counts.update(correlator.stats())
            watermarks = correlator.watermarks()
            correlator = correlator_of([plan])
            correlator.set_watermarks(watermarks)
            for key in data.draw(st.permutations(list(saved))):
                assert correlator.load(key, saved[key], GROUP_STATE_VERSION)
    assert found == told(expected.outputs.found)
    assert {key: whole.dump(key) for key in whole.state_keys()} == saved
    again = correlator.apply([])
    assert correlator.next_timer_ms == whole.next_timer_ms
    assert again.dirty == set()
    counts.update(correlator.stats())
    for name in ("events", "clamped", "taken", "without_key", "opened", "incomplete", "evicted"):
        assert counts[name] == whole.stats()[name]
    assert told(correlator.apply([], END_MS).outputs.found) == told(
        whole.apply([], END_MS).outputs.found
    )
