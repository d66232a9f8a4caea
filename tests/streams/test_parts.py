"""The plan, frames, and the runtime by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Conflict, Corrupt, Invalid
from summit.client.types import ConsumerRecord, TopicPartition
from summit.operators.batch import Batch, Gathered
from summit.operators.formats import packing_of
from summit.operators.windows import tumbling
from summit.streams.app import StreamApp
from summit.streams.frames import Told, decode_frame, encode_frames
from summit.streams.plan import Plan
from summit.streams.runtime import Runtime
from summit.streams.settings import StreamSettings

PACKING = packing_of(Any)
keys = st.one_of(st.text(), st.integers(-9, 9), st.tuples(st.text(), st.booleans()), st.none())


@given(
    st.lists(st.lists(st.tuples(keys, st.integers(0, 200_000), st.booleans()), min_size=1)),
    st.booleans(),
)
def test_frames_bring_what_was_sent(given: list[list[tuple[Any, int, bool]]], idle: bool) -> None:
    batches = []
    clock = 0
    for rows in given:
        gathered = Gathered()
        for key, size, late in rows:
            clock += size % 3
            gathered.add(key, "v" * size, clock - late, clock)
        batches.append(gathered.batch())
    told = Told(clock + 5, idle)
    frames = [decode_frame(f, PACKING) for f in encode_frames(7, batches, told, 0, PACKING)]
    brought = [row for frame in frames for row in frame.batch.rows()]
    assert brought == [row for batch in batches for row in batch.rows()]
    assert [(frame.clock_ms, frame.is_idle) for frame in frames[-1:]] == [told]
    assert {frame.sender for frame in frames} == {7}
    for frame in frames[:-1]:
        assert not frame.is_idle
        assert frame.clock_ms == max(frame.batch.clocks)
    assert all(sum(map(len, frame.batch.values)) < 700_000 for frame in frames)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(Corrupt):
        decode_frame(b"{}", PACKING)


def plan_of(declare: Any, counts: dict[str, int], slots: int = 2) -> Plan:
    app = StreamApp("app")
    declare(app)
    return Plan("app", app.graph, counts, slots)


def test_topics_of_different_sizes_do_not_join() -> None:
    def declare(app: StreamApp) -> None:
        app.stream("a").key_by().join(app.stream("b").key_by(), (0, 1)).to("out")

    assert plan_of(declare, {"a": 2, "b": 2}).inputs(1) == [
        TopicPartition("a", 1), TopicPartition("b", 1),
    ]  # fmt: skip
    with pytest.raises(Invalid) as refused:
        plan_of(declare, {"a": 2, "b": 3}, slots=3)
    assert "a (2), b (3)" in str(refused.value)


def test_what_travels_goes_by_the_topic_that_it_is_joined_with() -> None:
    def declare(app: StreamApp) -> None:
        app.stream("a").key_by(str, name="new").join_table(app.table("t")).to("out")

    plan = plan_of(declare, {"a": 4, "t": 2}, slots=4)
    assert [len(plan.sent(slot)) for slot in range(4)] == [1, 1, 0, 0]
    assert plan.before_inputs([0, 1])[-1] == [TopicPartition("t", 0), TopicPartition("t", 1)]


def test_a_topic_that_has_grown() -> None:
    def plain(app: StreamApp) -> None:
        app.stream("a").map(str).to("out")

    def keyed(app: StreamApp) -> None:
        app.stream("a").key_by().count().to("out")

    assert plan_of(plain, {"a": 3}).inputs(0) == [TopicPartition("a", 0), TopicPartition("a", 2)]
    with pytest.raises(Conflict) as refused:
        plan_of(keyed, {"a": 3})
    assert refused.value.code == "streams.topic_grown"


def test_an_app_must_read_something() -> None:
    with pytest.raises(Invalid):
        plan_of(lambda app: None, {})


def record(place: TopicPartition, offset: int, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(*place, offset, 1_000 + offset, b"k", value)


def test_the_runtime_counts_reads_and_puts_aside() -> None:
    def declare(app: StreamApp) -> None:
        app.stream("a", list[int]).key_by().map(sum, type=int).to("out")

    aside: list[Any] = []
    place = TopicPartition("a", 0)
    runtime = Runtime(plan_of(declare, {"a": 1}, slots=1), lambda *one: aside.append(one))
    runtime.hold(0, [], {place: 5})
    assert runtime.cut().positions == {place: 5}
    values = [b"[1,2]", b"{}", b"[3]", b"no"]
    runtime.take(place, [record(place, 4 + n, value) for n, value in enumerate(values)])
    cut = runtime.cut()
    assert cut.positions == {place: 8}
    outputs = [one for one in cut.records if one.topic == "out"]
    assert [(one.key, one.value, one.timestamp_ms) for one in outputs] == [(b"k", b"3", 1_006)]
    assert [(one.offset, error.code) for one, error in aside] == [
        (5, "streams.unreadable"), (7, "streams.unreadable"),
    ]  # fmt: skip


def test_state_of_an_operator_that_is_gone_is_refused() -> None:
    def counted(app: StreamApp) -> None:
        app.stream("a").key_by().window(tumbling(10)).count(name="mine").to("out")

    def other(app: StreamApp) -> None:
        app.stream("a").key_by().window(tumbling(10)).count(name="yours").to("out")

    place = TopicPartition("a", 0)
    runtime = Runtime(plan_of(counted, {"a": 1}, slots=1), lambda *_: None)
    runtime.hold(0, [], {place: 0})
    runtime.take(place, [record(place, 0, b"1")])
    states = [(r.key, r.value) for r in runtime.cut().records if r.topic == "_app-changelog"]
    with pytest.raises(Conflict) as refused:
        Runtime(plan_of(other, {"a": 1}, slots=1), lambda *_: None).hold(0, states, {})  # type: ignore[arg-type]
    assert "'mine'" in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [{"app_id": "a b"}, {"app_id": ""}, {"slots": 0}, {"idle_ms": 0}, {"transaction_timeout_ms": 1},
     {"bootstrap_servers": ""}, {"idle": 3}],
)  # fmt: skip
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        StreamSettings.from_dict({"app_id": "a", **wrong})


def test_batches_are_selected_and_spread() -> None:
    batch = Batch(["a", "b"], [1, 2], [10, 11], [10, 11], [False, True])
    assert list(batch.select([0, 1]).rows()) == [("b", 2, 11, 11, True)]
    assert list(batch.spread([[], [7, 8]]).rows()) == [
        ("b", 7, 11, 11, True), ("b", 8, 11, 11, True),
    ]  # fmt: skip
