"""However records are cut into batches, and wherever a task is replaced, the same comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operators.running import Row, Running

from summit.operators.processes import Context, Process
from summit.operators.windows import hopping, session, tumbling
from summit.streams.app import StreamApp

INPUTS = [("a", 0), ("a", 1), ("b", 0)]


class Reminder(Process[str, int, Any]):
    """Reminds of every value later, and twice of odd ones; sets timers that are due already."""

    def process(self, ctx: Context[str, Any], value: int) -> None:
        ctx.state["n"] = ctx.state.get("n", 0) + 1
        ctx.emit(("took", value, ctx.state["n"], ctx.is_late))
        ctx.timer(ctx.time_ms + value % 5 - 1)
        if value % 7 == 0:
            ctx.cancel_timer(ctx.time_ms + 2)

    def on_timer(self, ctx: Context[str, Any], at_ms: int) -> None:
        ctx.emit(("reminded", at_ms, ctx.state.get("n", 0)))
        if at_ms % 2:
            ctx.timer(at_ms + 3)
        if at_ms % 5 == 0:
            ctx.state.clear()


def chains(app: StreamApp) -> None:
    """Records keep apart: batches go through whole."""
    first = app.stream("a", name="a", delay=1).key_by()
    first.process(Reminder, ttl=9).to("process")
    first.filter(lambda v: v % 3).window(tumbling(4), late_to="late").collect().to("tumbling")
    first.window(hopping(6, every=2)).sum(lambda v: v).map(lambda w: w.value).to("hopping")
    first.window(session(2), updates=True).collect().to("updates")
    sessions = first.window(session(2)).collect()
    sessions.to("sessions")
    sessions.map(lambda w: len(w.value)).window(tumbling(8)).max(lambda n: n).to("behind")
    sessions.map(lambda w: w.start_ms).process(Reminder).to("behind process")
    first.map(lambda vs: [v % 3 for v in vs], batch=True).reduce(lambda a, b: a + b).to("running")
    first.flat_map(lambda v: range(v % 3)).count().to("counts")


def joins(app: StreamApp) -> None:
    """Two streams meet in joins."""
    first = app.stream("a", name="a", delay=1).key_by()
    second = app.stream("b", name="b").key_by()
    first.join(second, (-2, 3), how="outer", late_to="late").to("outer")
    first.join(second, (1, 3)).window(tumbling(5)).count().to("inner")
    first.merge(second).process(Reminder).to("merged")
    first.join_table(second.table(), how="left").to("table")


def meetings(app: StreamApp) -> None:
    """What was apart meets again: only one by one keeps the order."""
    first = app.stream("a", name="a", delay=1).key_by()
    second = app.stream("b", name="b").key_by()
    first.map(lambda v: -v).join(first, (0, 0)).to("itself")
    counts = first.window(tumbling(4)).count().map(lambda w: w.value)
    counts.merge(first).process(Reminder).to("both")
    counts.join(second, (-5, 5), how="left").to("counted")
    counts.merge(second).window(session(1)).collect().to("sessions")


rows = st.lists(
    st.tuples(
        st.sampled_from(INPUTS), st.sampled_from("xyz"), st.integers(0, 9), st.integers(0, 30)
    ),
    max_size=40,
).map(lambda found: [(*place, key, value, at) for place, key, value, at in found])


@pytest.mark.parametrize("declare", [chains, joins, meetings])
@given(rows, st.lists(st.sampled_from(["go on", "cut", "restart"]), min_size=41, max_size=41))
def test_neither_batches_nor_restarts_change_anything(
    declare: Any, rows: list[Row], marks: list[str]
) -> None:
    inputs = [place for place in INPUTS if declare is not chains or place[0] == "a"]
    one_by_one, in_batches = Running(declare, inputs), Running(declare, inputs)
    assert one_by_one.part.one_by_one == (declare is meetings)
    rows = [row for row in rows if row[:2] in inputs]
    for row in rows:
        one_by_one.take([row])
    batch: list[Row] = []
    for row, mark in zip(rows, marks, strict=False):
        batch.append(row)
        if mark != "go on":
            in_batches.take(batch)
            batch = []
        if mark == "restart":
            in_batches.restart()
    in_batches.take(batch)
    for topic in {out[0] for out in one_by_one.out + in_batches.out}:
        mine = [shown(out) for out in in_batches.out if out[0] == topic]
        assert mine == [shown(out) for out in one_by_one.out if out[0] == topic], topic
    one_by_one.save()
    in_batches.save()
    assert one_by_one.state == in_batches.state


def shown(out: Any) -> str:
    """What came out, with tuples that have become lists on their way through state as such."""
    return repr(out).replace("(", "[").replace(")", "]").replace(",]", "]")
