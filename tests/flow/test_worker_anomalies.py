"""Anomalies of queries' results as alerts: by workers that are killed or join, as by one engine."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from tests.flow.test_worker_kills import started
from tests.flow.world import T0, read_topic, until, world

from summit.alerts import Alert
from summit.documents import validate_query
from summit.flow.engine import Applied, Engine
from summit.journal.desk_follower import DeskFollower
from summit.journal.topics import RESULTS_TOPIC
from summit.keyed.chunks import Chunk

MINUTE = 60_000
COMMITTED = {"isolationLevel": "read_committed"}
QUERY: dict[str, Any] = {
    "kind": "query", "id": "logins", "name": "Logins", "topics": ["auth"], "groupBy": ["country"],
    "window": {"type": "tumbling", "size": "1m"}, "tags": ["attack.t1110"],
    "metrics": [
        {"name": "n", "function": "count", "anomaly": {"method": "mad", "threshold": 8}},
        {
            "name": "total", "field": "v", "function": "sum",
            "anomaly": {
                "method": "mad", "threshold": 8,
                "alert": {
                    "severity": "high", "suppress": "10m", "notify": ["team"],
                    "title": "${metric} of ${country}: ${value}, not ${expected}",
                },
            },
        },
    ],
}  # fmt: skip


def minute(number: int, countries: str = "abcd") -> list[dict[str, Any]]:
    """The events of a minute; from the 20th to the 22nd many of country b."""
    rng = random.Random(number)
    events = []
    for country in countries:
        count = 20 + rng.randint(0, 8) + (90 if country == "b" and 20 <= number < 23 else 0)
        events += [
            {"timestamp": T0 + number * MINUTE + n, "country": country, "v": rng.randint(1, 3)}
            for n in range(count)
        ]
    return sorted(events, key=lambda event: event["timestamp"])


def of_one_engine(events: list[dict[str, Any]], **more: Any) -> Applied:
    engine = Engine()
    engine.set_rules([validate_query({**QUERY, **more}).plan])
    values = [json.dumps(event).encode() for event in events]
    return engine.apply([Chunk("auth", 0, range(len(values)), [T0 + 10**9] * len(values), values)])


def alerts_of(applied: Applied) -> list[Alert]:
    return [made.alert for made in applied.made if made.alert is not None]


def test_an_anomaly_is_an_alert_with_what_was_found_and_expected() -> None:
    applied = of_one_engine([event for n in range(30) for event in minute(n)])
    alerts = alerts_of(applied)
    assert [a.metadata["anomaly"]["metric"] for a in alerts] == ["n", "total", "n", "n"]
    first, total = alerts[:2]
    anomaly = first.metadata["anomaly"]
    begin = T0 - T0 % MINUTE + 20 * MINUTE
    assert first.metadata["window"] == {"start": first.first_seen, "end": first.timestamp}
    assert begin <= first.first_seen < begin + 2 * MINUTE
    assert (first.pattern, first.key, first.severity) == ("query:logins", {"country": "b"},
                                                          "critical")  # fmt: skip
    assert (first.title, first.count) == ("Anomaly: n of Logins", anomaly["value"])
    assert anomaly["value"] >= 110
    assert 20 <= anomaly["expected"] <= 28
    assert anomaly["deviation"] > anomaly["limit"] == 8
    assert first.description == anomaly["explanation"]
    assert first.tags == ["attack.t1110"]
    assert [technique.id for technique in first.attack] == ["T1110"]
    assert (total.severity, total.notify) == ("high", ["team"])
    value = total.metadata["anomaly"]["value"]
    assert total.title.startswith(f"total of b: {value}, not ")
    assert [each.alert_id for each in applied.suppressed] == [total.id, total.id]


def test_alerts_may_be_left_out_or_asked_for_from_a_severity_on() -> None:
    events = [event for n in range(30) for event in minute(n)]
    before = alerts_of(of_one_engine(events))[0]

    def found(alert: Any) -> list[Alert]:
        watched = {"method": "mad", "threshold": 8, "alert": alert}
        metric = {"name": "n", "function": "count", "anomaly": watched}
        return alerts_of(of_one_engine(events, metrics=[metric]))

    assert found(False) == []
    assert len(found(True)) == len(found({"minSeverity": "low"})) == 3
    assert {alert.severity for alert in found({"severity": "info"})} == {"info"}
    assert before.id not in {alert.id for alert in found(True)}  # another query: another meaning
    same = alerts_of(of_one_engine(events, name="Other", tags=[], version=7))[0]
    assert (same.id, same.rule_version) == (before.id, "7")


def test_results_of_the_same_times_have_alerts_of_their_own() -> None:
    window = {"type": "count", "count": 2}
    values = [1, 2] * 30 + [900, 900] + [1, 2] * 20 + [900, 900]
    events = [{"timestamp": T0, "country": "a", "v": value} for value in values]
    metric = {"name": "s", "field": "v", "function": "sum",
              "anomaly": {"method": "zscore", "threshold": 8}}  # fmt: skip
    alerts = alerts_of(of_one_engine(events, window=window, metrics=[metric]))
    assert len(alerts) == len({alert.id for alert in alerts}) == 2


@pytest.mark.slow
def test_kills_and_workers_that_join_change_no_alert_and_no_count(servers: list[str]) -> None:
    minutes = [minute(number) for number in range(30)]
    end = [{"timestamp": T0 + 40 * MINUTE, "country": "z", "v": 1}]
    expected = of_one_engine([event for events in [*minutes, end] for event in events])

    async def run() -> None:
        async with world(servers) as w:
            process = await started(servers)
            try:
                await w.apply(QUERY)
                for number, events in enumerate(minutes):
                    # Both partitions have each group, so that keys go over the exchange.
                    await w.send(*events[::2], partition=0)
                    place = await w.send(*events[1::2], partition=1)
                    if number in (8, 21):
                        process.kill()
                        process = await started(servers)
                    if number == 14:
                        await w.start_worker()
                        await until(lambda: w.workers[0].key_groups > 0, 30)
                    if number % 7 == 0:
                        await w.settle(place)
                await w.send(*end, partition=0)
                alerts = await w.settle(await w.send(*end, partition=1))
            finally:
                process.kill()
            want = alerts_of(expected)
            assert sorted(alerts, key=_place) == sorted(want, key=_place)
            desk = DeskFollower(servers)
            await desk.start()
            try:
                standing = expected.suppressed[0].alert_id
                await until(
                    lambda: desk.desk.state.alerts[standing].suppressed == len(expected.suppressed)
                )
            finally:
                await desk.stop()
        records = await read_topic(servers, RESULTS_TOPIC, 1, **COMMITTED)
        flagged = [
            (group["keys"]["country"], name)
            for record in records
            for group in json.loads(record.value or b"{}")["groups"]
            for name, said in group["watched"].items()
            if said["anomaly"]["flagged"]
        ]
        assert sorted(flagged) == [("b", "n")] * 3 + [("b", "total")] * 3

    asyncio.run(run())


def _place(alert: Alert) -> tuple[Any, ...]:
    return alert.timestamp, alert.metadata["anomaly"]["metric"], alert.id
