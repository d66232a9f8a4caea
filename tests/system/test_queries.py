"""Analytics queries in a running system: registered, run by a worker, their results read back."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running, run

PATH = "/api/analytics/queries"
NOON = 1_760_000_100_000  # the beginning of a window of five minutes
QUERY = {
    "id": "login-metrics", "name": "Login Metrics by Country", "eventTypes": ["user.login"],
    "topics": ["events"], "window": {"type": "tumbling", "size": 300000}, "topic": "login-metrics",
    "metrics": [
        {"name": "login_count", "field": "eventId", "function": "count"},
        {"name": "avg_duration", "field": "duration", "function": "avg"},
        {"name": "p95_duration", "field": "duration", "function": "percentile", "percentile": 95},
    ],
    "groupBy": ["country", "deviceType"],
}  # fmt: skip


def test_round_trip(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    status, body = rest("POST", PATH, QUERY)
    assert (status, body["status"], body["query"], body["warnings"]) == (
        200, "registered", "login-metrics", [],
    )  # fmt: skip
    one = rest("GET", f"{PATH}/login-metrics")[1]
    assert {name: one[name] for name in QUERY} == QUERY
    assert one in rest("GET", PATH)[1]["queries"]
    assert rest("GET", f"{PATH}/login-metrics/results")[1] == {
        "queryId": "login-metrics", "results": [], "count": 0,
    }  # fmt: skip
    wrong = problem(rest("POST", PATH, {**QUERY, "metrics": []}), 400, "document.invalid")
    assert wrong["errors"][0]["pointer"] == "/metrics"
    problem(rest("GET", f"{PATH}/none"), 404, "definition.unknown")
    problem(rest("GET", f"{PATH}/none/results"), 404, "definition.unknown")


def test_a_worker_runs_it_and_its_results_are_read(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    assert rest("POST", PATH, QUERY)[0] == 200
    for n in range(21):
        event = {
            "eventType": "user.login", "timestamp": NOON + n * 1_000, "duration": 10 * n,
            "country": "NL" if n < 20 else None, "deviceType": "phone",
        }  # fmt: skip
        assert rest("POST", "/api/events", event)[0] == 200
    for n in range(40):  # one at least for each partition
        later = {"eventType": "tick", "timestamp": NOON + 300_000 + n}
        rest("POST", "/api/events?wait=false", later)
    results = _results(rest, "login-metrics", groups=2)
    (result,) = results
    assert result["window"] == {"start": NOON, "end": NOON + 300_000}
    assert (result["queryId"], result["timestamp"], result["final"], result["late"]) == (
        "login-metrics", NOON + 300_000, True, False,
    )  # fmt: skip
    groups = {group["keys"]["country"]: group for group in result["groups"]}
    assert groups["NL"]["keys"] == {"country": "NL", "deviceType": "phone"}
    assert groups["NL"]["count"] == 20
    metrics = groups["NL"]["metrics"]
    assert (metrics["login_count"], metrics["avg_duration"]) == (20, 95)
    assert metrics["p95_duration"] == pytest.approx(180.5)
    assert groups[None]["metrics"]["login_count"] == 1
    rows = _own_topic(system, "login-metrics", 2)
    assert {row["keys"]["country"]: row["metrics"]["login_count"] for row in rows} == {
        "NL": 20, None: 1,
    }  # fmt: skip
    servers = ("-b", system.ready["broker"])
    shown = json.loads(run("query", "results", "login-metrics", "-o", "json", *servers).stdout)
    assert shown == results
    listed = json.loads(run("query", "list", "-o", "json", *servers).stdout)
    assert [row["id"] for row in listed] == ["login-metrics"]
    assert rest("DELETE", f"{PATH}/login-metrics")[1]["status"] == "removed"
    problem(rest("GET", f"{PATH}/login-metrics/results"), 404, "definition.unknown")


def test_an_anomaly_is_an_alert_and_results_are_seen_as_they_come(
    system: Running, tmp_path: Path
) -> None:
    rest, url = Rest(system.ready["correlation"]), system.ready["correlation"]
    begin = NOON + 10 * 300_000
    watched = {"method": "zscore", "threshold": 6, "windowSize": 12}
    query = {
        "id": "visits", "topics": ["events"], "eventTypes": ["visit"], "groupBy": ["page"],
        "window": {"type": "tumbling", "size": "1m"},
        "metrics": [{"name": "n", "function": "count", "anomaly": watched}],
    }  # fmt: skip
    assert rest("POST", PATH, query)[0] == 200
    with _live(url, "visits") as events:
        for minute in range(25):
            for n in range(60 if minute == 22 else 5 + minute % 2):
                visit = {
                    "eventType": "visit",
                    "timestamp": begin + minute * 60_000 + n,
                    "page": "/",
                }
                rest("POST", "/api/events?wait=false", visit)
        for n in range(40):  # one at least for each partition
            tick = {"eventType": "tick", "timestamp": begin + 30 * 60_000 + n}
            rest("POST", "/api/events?wait=false", tick)
        told = [next(events) for _ in range(2)]
        while sum(name == "result" for name, _, _ in told) < 25:
            told.append(next(events))
    assert any(name == "early" and not data["final"] for name, _, data in told)
    results = [(place, data) for name, place, data in told if name == "result"]
    assert [data["groups"][0]["metrics"]["n"] for _, data in results][20:24] == [5, 6, 60, 6]
    with _live(url, "visits", after=results[19][0]) as events:
        assert [next(events) for _ in range(5)] == [("result", *each) for each in results[20:]]
    (alert,) = _alerts(rest, "query:visits")
    anomaly = alert["metadata"]["anomaly"]
    assert (alert["key"], alert["severity"], anomaly["value"]) == ({"page": "/"}, "critical", 60)
    assert 5 <= anomaly["expected"] <= 6
    assert alert["description"] == anomaly["explanation"]
    servers = ("-b", system.ready["broker"])
    path = tmp_path / "visits.svg"
    run("query", "chart", "visits", "-o", str(path), *servers)
    with urllib.request.urlopen(f"{url}{PATH}/visits/chart.svg?metric=n", timeout=30) as answer:
        drawn = answer.read().decode()
    assert path.read_text().count('class="anomaly"') == drawn.count('class="anomaly"') == 1
    problem(rest("GET", f"{PATH}/visits/chart.svg?metric=m"), 400, "web.parameter")
    lines = run("query", "watch", "visits", "--history", "3", "-n", "3", "--url", url).stdout
    said = lines.decode().splitlines()
    assert [line.rpartition("count=")[2] for line in said if "count=" in line] == ["60", "6", "5"]
    assert said[1].startswith("  ! critical: n: 60 where ")
    shown = run("query", "watch", "visits", "--chart", "-n", "25", "--url", url).stdout
    assert "●" in shown.decode()
    assert rest("DELETE", f"{PATH}/visits")[0] == 200


@contextmanager
def _live(
    url: str, query: str, after: int | None = None
) -> Iterator[Iterator[tuple[str, int | None, Any]]]:
    """Name, id and data of the events of a query's stream; each waits at most a minute."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    request = urllib.request.Request(f"{url}{PATH}/{query}/live", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:

        def events() -> Iterator[tuple[str, int | None, Any]]:
            fields: dict[str, str] = {}
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                fields[name] = value
                if not name and "data" in fields:
                    place = int(fields["id"]) if "id" in fields else None
                    yield fields["event"], place, json.loads(fields["data"])
                if not name:
                    fields = {}

        yield events()


def _alerts(rest: Rest, rule: str) -> list[dict[str, Any]]:
    """The alerts of a rule, as soon as there are any; at most 30 s."""
    for _ in range(150):
        found: list[dict[str, Any]] = rest("GET", f"/api/alerts?pattern={rule}")[1]["alerts"]
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"no alert of {rule}")


def _results(rest: Rest, query: str, groups: int) -> list[dict[str, Any]]:
    """The results, as soon as they hold so many groups; at most 30 s."""
    for _ in range(150):
        found: list[dict[str, Any]] = rest("GET", f"{PATH}/{query}/results?history=10")[1][
            "results"
        ]
        if sum(len(result["groups"]) for result in found) >= groups:
            return found
        time.sleep(0.2)
    raise AssertionError(f"no {groups} groups in {found}")


def _own_topic(system: Running, topic: str, count: int) -> list[dict[str, Any]]:
    """The values of a topic, as soon as there are so many; at most 20 s."""
    rest = Rest(system.ready["streaming"])
    for _ in range(100):
        values: list[Any] = []
        for partition in range(20):
            status, body = rest("GET", f"/api/consume/{topic}/{partition}")
            values += [message["value"] for message in body["messages"]] if status == 200 else []
        if len(values) >= count:
            return [json.loads(value) if isinstance(value, str) else value for value in values]
        time.sleep(0.2)
    raise AssertionError(f"no {count} records in {topic}: {values}")
