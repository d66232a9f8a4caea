"""Backtests: a rule over the log finds what a replay finds; two versions are told apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flow.test_replay import fives, replayed
from tests.flow.world import World, failure, five_failures, world

from summit.alerts import Alert, Evidence, encode_alert
from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.documents import validate_pattern
from summit.flow import comparing
from summit.flow.backtest import Backtest, Backtested, BacktestSettings
from summit.flow.comparing import Comparison, Difference
from summit.flow.explaining import explain_range
from summit.flow.over_time import STEPS_MAX, CountsOverTime
from summit.flow.past_findings import Finding, of_alert
from summit.flow.spans import Range


async def backtested(
    w: World, rule: dict[str, Any], against: dict[str, Any] | None = None, **wanted: Any
) -> tuple[list[Difference], Backtested]:
    found: list[Difference] = []
    settings = BacktestSettings(
        servers=w.servers, plan=validate_pattern(rule).plan, range=Range(**wanted),
        against=None if against is None else validate_pattern(against).plan,
    )  # fmt: skip
    return found, await Backtest(settings, found.append).run()


def alert_of(difference: Difference) -> Alert:
    found = difference.a or difference.b
    assert found is not None
    assert found.alert is not None
    return found.alert


async def ends(w: World) -> dict[str, Any]:
    """The ends of all topics: what a write would move."""
    async with Admin({"bootstrapServers": w.servers}) as admin:
        return {name: await admin.offsets(name) for name in await admin.list_topics()}


def test_it_finds_what_a_replay_finds_and_writes_nothing(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.apply(five_failures(), active=False)
            await w.send(*fives(100))
            await w.send(*(failure(n, "far") for n in range(0, 200, 20)), topic="other")
            expected, _ = await replayed(w, rules="current")
            ends_before = await ends(w)
            found, done = await backtested(w, five_failures())
            assert [d.a.record.value for d in found if d.a] == [encode_alert(a) for a in expected]
            assert (done.records, done.a.alerts, done.b) == (110, len(expected), None)
            assert sum(count for _, count in done.a.over_time) == len(expected) > 8
            assert done.a.severities == {"high": len(expected)}
            assert await ends(w) == ends_before
            # A rule that nobody has applied, on a topic that it does not read by itself.
            elsewhere = five_failures("new", topics=["nowhere"], within="1h")
            found, done = await backtested(w, elsewhere, topics=["other"])
            assert (done.records, done.a.alerts) == (10, 2)
            assert (await backtested(w, elsewhere))[1].records == 0
            with pytest.raises(Invalid, match="missing"):
                await backtested(w, elsewhere, topics=["missing"])

    asyncio.run(run())


def test_two_versions_side_by_side(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.send(*(failure(n, "early") for n in range(5)), timestamp=86_400_000)
            await w.send(*(failure(n, "quick") for n in range(5)))
            await w.send(*(failure(n * 14, "slow") for n in range(5)))
            await w.send(*(failure(n, "four") for n in range(4)))
            wide, narrow = five_failures(), five_failures(within="30s")
            narrow["steps"] = [{**narrow["steps"][0], "times": 4}]
            found, done = await backtested(w, wide, narrow, since_ms=86_400_001)
            assert (done.both, done.only_a, done.only_b) == (1, 1, 1)
            assert [(d.kind, alert_of(d).key["ip"]) for d in found] == [
                ("both", "quick"), ("onlyA", "slow"), ("onlyB", "four"),
            ]  # fmt: skip
            same, again = await backtested(w, wide, wide)
            assert (again.both, again.only_a, again.only_b) == (3, 0, 0)
            assert {d.kind for d in same} == {"both"}

    asyncio.run(run())


def test_a_topic_is_explained(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.send(*(failure(n, "four") for n in range(4)))
            await w.send(failure(60, "four"))
            plan = validate_pattern(five_failures()).plan
            found = await explain_range(w.servers, plan, Range(topics=["auth"]))
            near = found["nearMisses"][0]
            assert (found["records"], near["kind"], near["lateMs"]) == (5, "outsideWindow", 1)
            assert [(e["topic"], e["offset"]) for e in near["taken"]] == [
                ("auth", n) for n in range(4)
            ]
            assert near["event"]["offset"] == 4
            other = await explain_range(w.servers, plan, Range(topics=["auth"]), keys=["b"])
            assert [near["kind"] for near in other["nearMisses"]] == ["missing"]

    asyncio.run(run())


# ---- without a broker ----


def alert(key: str, at_ms: int, *offsets: int) -> Finding:
    return of_alert(Alert(
        id=f"{key}-{at_ms}", timestamp=at_ms, severity="low", title="t", description="", events=[],
        key={"k": key}, evidence=[
            Evidence(step="s", topic="t", partition=0, offset=n, timestamp=0) for n in offsets
        ],
    ))  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1]), st.integers(0, 5), st.sets(st.integers(0, 20), max_size=4)
        ),
        max_size=30,
    )
)  # fmt: skip
def test_counterparts_share_an_event_or_key_and_time(
    rows: list[tuple[int, int, set[int]]],
) -> None:
    """Against the obvious way: every pair is looked at."""
    told: list[Difference] = []
    comparison = Comparison(told.append)
    sides: tuple[list[Finding], list[Finding]] = ([], [])
    for number, (side, key, offsets) in enumerate(rows):
        made = alert(str(key), number % 3, *sorted(offsets))
        sides[side].append(made)
        comparison.add(side, made)  # type: ignore[arg-type]
    comparison.finish()

    def alike(first: Finding, second: Finding) -> bool:
        one, two = first.alert, second.alert
        assert one is not None
        assert two is not None
        places = [{e.offset for e in each.evidence} for each in (one, two)]
        return bool(places[0] & places[1]) or (one.key, one.timestamp) == (two.key, two.timestamp)

    a, b = sides
    only_a = [one.record.key for one in a if not any(alike(one, two) for two in b)]
    only_b = [two.record.key for two in b if not any(alike(one, two) for one in a)]
    assert [d.a.record.key for d in told if d.kind == "onlyA" and d.a] == only_a
    assert [d.b.record.key for d in told if d.kind == "onlyB" and d.b] == only_b
    assert comparison.both + len(only_a) == len(a)


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "ALERTS_HELD", 10)
    told: list[Difference] = []
    comparison = Comparison(told.append)
    for number in range(100):
        comparison.add(0, alert("a", number, number))
    assert (len(told), comparison.only_a) == (90, 90)
    comparison.add(1, alert("a", 99, 99))
    comparison.add(1, alert("a", 5, 5))  # its counterpart has been let go
    comparison.finish()
    assert (comparison.both, comparison.only_a, comparison.only_b) == (1, 99, 1)


@given(st.lists(st.integers(-(10**13), 10**13), max_size=200))
def test_counts_over_time_lose_nothing(times_ms: list[int]) -> None:
    counts = CountsOverTime()
    for at_ms in times_ms:
        counts.add(at_ms)
    rows = counts.rows()
    assert sum(count for _, count in rows) == len(times_ms)
    assert len(rows) <= STEPS_MAX + 5
    for begin, count in rows:
        within = [t for t in times_ms if begin <= t < begin + counts.width_ms]
        assert len(within) == count
