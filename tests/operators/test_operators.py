"""What each operator does, shown with a few records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.operators.running import Row, Running

from summit.base.errors import Conflict, Corrupt, Internal, Invalid
from summit.operators.batch import Batch
from summit.operators.graph import Repartition
from summit.operators.processes import Context, Process
from summit.operators.windows import hopping, session, tumbling
from summit.streams.app import StreamApp

Declare = Callable[[StreamApp], Any]


def rows(*found: tuple[str, Any, int]) -> list[Row]:
    """Records of one partition: key, value, time."""
    return [("a", 0, key, value, at) for key, value, at in found]


def results(declare: Declare, *found: tuple[str, Any, int], idle: bool = False) -> list[Any]:
    """What comes out: topic, key, value and time."""
    running = Running(declare, [("a", 0)])
    running.take(rows(*found))
    if idle:
        running.task.rest("a", 0)
        running.fetch()
    return running.out


def stream(app: StreamApp, **how: Any) -> Any:
    return app.stream("a", name="a", **how).key_by()


def test_values_are_mapped_filtered_and_spread() -> None:
    def declare(app: StreamApp) -> None:
        a = stream(app)
        a.map(lambda v: v + 1).filter(lambda v: v % 2).to("odd")
        a.filter(lambda vs: [v > 1 for v in vs], batch=True).flat_map(range).to("many")

    assert results(declare, ("k", 1, 5), ("k", 2, 6)) == [
        ("odd", "k", 3, 6), ("many", "k", 0, 6), ("many", "k", 1, 6),
    ]  # fmt: skip


def test_a_window_comes_out_when_event_time_has_come_to_its_end() -> None:
    def declare(app: StreamApp) -> None:
        counted = stream(app, delay=2).window(tumbling(10), late_to="late").count()
        counted.map(lambda w: (w.start_ms, w.end_ms, w.value)).to("out")

    before = [("k", 0, 1), ("k", 0, 9), ("j", 0, 3), ("k", 0, 11)]
    assert results(declare, *before) == [("late", "j", 0, 3)]  # 9 less 2 lies after 3
    assert results(declare, *before, ("k", 0, 12))[1:] == [("out", "k", (0, 10, 2), 9)]


def test_windows_that_overlap_and_updates() -> None:
    def declare(app: StreamApp) -> None:
        a = stream(app)
        a.window(hopping(4, every=2)).sum(int).map(lambda w: (w.start_ms, w.value)).to("sums")
        a.window(tumbling(4), updates=True).max(int).map(lambda w: w.value).to("max")

    found = results(declare, ("k", 5, 2), ("k", 1, 3), ("k", 2, 6))
    assert sorted(found, key=lambda out: (out[0], out[3])) == [
        ("max", "k", 5, 2), ("max", "k", 5, 3), ("max", "k", 2, 6),
        ("sums", "k", (0, 6), 3), ("sums", "k", (2, 6), 5),
    ]  # fmt: skip


def test_an_event_joins_two_sessions() -> None:
    def declare(app: StreamApp) -> None:
        sessions = stream(app, delay=10).window(session(3)).collect()
        sessions.map(lambda w: (w.start_ms, w.end_ms, w.value)).to("out")

    found = [("k", "a", 1), ("k", "c", 7), ("k", "b", 4), ("k", "z", 11), ("k", "-", 99)]
    assert results(declare, *found) == [
        ("out", "k", (1, 11, ["a", "c", "b"]), 10), ("out", "k", (11, 15, ["z"]), 14),
    ]  # fmt: skip


def test_pairs_within_bounds_and_who_stays_alone() -> None:
    def declare(app: StreamApp) -> None:
        a = stream(app, delay=5)
        left, right = a.filter(lambda v: v < 10), a.filter(lambda v: v >= 10)
        left.join(right, (-1, "2ms"), how="outer").to("out")

    found = [("k", 1, 5), ("k", 10, 4), ("k", 11, 7), ("k", 12, 8), ("j", 13, 5), ("k", 2, 20)]
    assert results(declare, *found) == [
        ("out", "k", (1, 10), 5), ("out", "k", (1, 11), 7),
        ("out", "j", (None, 13), 6), ("out", "k", (None, 12), 9),
    ]  # fmt: skip


def test_timers_fire_before_later_records_and_overdue_ones_at_once() -> None:
    class Ticking(Process[str, int, Any]):
        def process(self, ctx: Context[str, Any], value: int) -> None:
            ctx.emit(("took", value))
            ctx.timer(value)

        def on_timer(self, ctx: Context[str, Any], at_ms: int) -> None:
            ctx.emit(("timer", at_ms))

    def declare(app: StreamApp) -> None:
        stream(app).process(Ticking).to("out")

    found = results(declare, ("k", 12, 1), ("j", 12, 2), ("k", 3, 20), ("k", 50, 21))
    assert [(key, value, at) for _, key, value, at in found] == [
        ("k", ("took", 12), 1), ("j", ("took", 12), 2),
        ("j", ("timer", 12), 12), ("k", ("timer", 12), 12),
        ("k", ("took", 3), 20), ("k", ("timer", 3), 20), ("k", ("took", 50), 21),
    ]  # fmt: skip


def test_state_is_forgotten_after_its_time_to_live() -> None:
    class Counting(Process[str, int, int]):
        def process(self, ctx: Context[str, int], value: int) -> None:
            ctx.state["n"] = ctx.state.get("n", 0) + 1
            ctx.emit(ctx.state["n"])

    def declare(app: StreamApp) -> None:
        stream(app).process(Counting, ttl=10).to("out")

    running = Running(declare, [("a", 0)])
    running.take(rows(("k", 0, 0), ("k", 0, 9), ("k", 0, 18), ("j", 0, 27), ("k", 0, 28)))
    assert [value for _, _, value, _ in running.out] == [1, 2, 3, 1, 1]
    running.take(rows(("j", 0, 99)))
    running.save()
    assert running.task.counts()["process-1"] == (1, 0)
    assert len(running.state) == 2  # `j`, and how far event time has come


def test_a_timer_may_not_fire_itself_again_and_again() -> None:
    class Endless(Process[str, int, int]):
        def process(self, ctx: Context[str, int], value: int) -> None:
            ctx.timer(value)

        def on_timer(self, ctx: Context[str, int], at_ms: int) -> None:
            ctx.timer(at_ms)

    with pytest.raises(Invalid) as refused:
        results(lambda app: stream(app).process(Endless).to("out"), ("k", 5, 1), ("k", 9, 9))
    assert refused.value.code == "streams.timer"


def test_what_is_silent_holds_nothing_back() -> None:
    def declare(app: StreamApp) -> None:
        a = app.stream("a", name="a").key_by().window(tumbling(10)).count()
        a.map(lambda w: w.value).to("out")

    running = Running(declare, [("a", 0), ("a", 1)])
    running.take(rows(("k", 0, 1), ("k", 0, 99)))
    assert running.out == []  # the other partition may still bring something
    running.task.rest("a", 1)
    running.fetch()
    assert running.out == [("out", "k", 1, 9)]
    running.take([("a", 1, "k", 0, 5)])  # it is in time in its own partition, but that is over
    assert running.task.counts()["count-1"] == (1, 1)


def test_a_function_that_fails_is_named() -> None:
    with pytest.raises(Internal) as failed:
        results(lambda app: stream(app).map(lambda v: 1 / v, name="odds").to("o"), ("k", 0, 1))
    assert "odds" in str(failed.value)
    assert "ZeroDivisionError" in str(failed.value)


def test_a_batch_function_must_return_as_many() -> None:
    with pytest.raises(Internal, match="a list of 1"):
        results(lambda app: stream(app).map(lambda _: [], batch=True).to("out"), ("k", 0, 1))


@dataclass
class Point:
    """Something with a type."""

    x: int


def test_types_come_back_from_state() -> None:
    def declare(app: StreamApp) -> None:
        points = stream(app).map(Point)
        points.window(tumbling(10)).collect().map(lambda w: w.value).to("out")

    running = Running(declare, [("a", 0)])
    running.take(rows(("k", 7, 1)))
    running.restart()
    running.take(rows(("k", 8, 10)))
    assert running.out == [("out", "k", [Point(7)], 9)]


def test_a_type_that_the_app_was_not_told_does_not_travel() -> None:
    def silent(value):  # type: ignore[no-untyped-def]
        return Point(value)

    app = StreamApp("test")
    node = app.stream("a").map(silent).key_by(lambda p: p.x).node
    assert isinstance(node, Repartition)
    with pytest.raises(Invalid) as refused:
        node.rekey(Batch([None], [Point(1)], [0], [0]))
    assert refused.value.code == "streams.type_needed"

    def pointed(value: Any) -> Point:
        return Point(value)

    node = app.stream("b").map(pointed).key_by(lambda p: p.x).node
    assert isinstance(node, Repartition)
    assert node.packing.decode(node.packing.encode(Point(1))) == Point(1)


def test_a_class_that_cannot_be_written_is_refused_at_once() -> None:
    class Opaque:
        pass

    with pytest.raises(Invalid) as refused:
        StreamApp("test").stream("a").map(lambda _: Opaque(), type=Opaque).key_by(str)
    assert refused.value.code == "streams.type_unknown"


def test_names_are_given_once() -> None:
    app = StreamApp("test")
    app.stream("a", name="one")
    with pytest.raises(Conflict):
        app.stream("b", name="one")
    with pytest.raises(Invalid):
        app.stream("b", name="a b")
    with pytest.raises(Invalid):
        StreamApp("other").stream("a").merge(app.stream("c"))


def test_state_of_another_meaning_is_refused() -> None:
    running = Running(lambda app: stream(app).window(tumbling(10)).count().to("o"), [("a", 0)])
    running.take(rows(("k", 0, 1)))
    running.save()
    other = Running(lambda app: stream(app).window(tumbling(20)).count().to("o"), [("a", 0)])
    with pytest.raises(Corrupt) as refused:
        other.task.restore(running.state.items())
    assert "tumbling 10ms" in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda app: stream(app).window(tumbling(0)),
        lambda app: stream(app).window(hopping(2, every=3)),
        lambda app: stream(app).window(session(3)).aggregate(int, lambda n, _: n),
        lambda app: stream(app).join(stream(app), (3, 2)),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_declared(wrong: Declare) -> None:
    with pytest.raises((Invalid, Conflict)):
        wrong(StreamApp("test"))
