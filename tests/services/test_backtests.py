"""Backtests over REST: what is found comes as it is certain; one at a time; who goes ends it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.services.running import Services, services

from summit.services import backtests
from summit.services.security import SecuritySettings

WAIT_S = 60
RULE = {
    "id": "p", "topics": ["past"], "groupBy": ["user"],
    "steps": [{"name": "a", "where": 'eventType == "seen" && n >= 5'}],
    "action": {"type": "alert", "config": {"severity": "high"}},
}  # fmt: skip
WIDER = {**RULE, "steps": [{"name": "a", "where": 'eventType == "seen" && n >= 3'}]}
ADMIN_KEY = "the-admin-key-of-these-tests-is-long-enough"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    patch = pytest.MonkeyPatch()
    patch.setattr("summit.services.definition_routes.ACTIVE_TIMEOUT_MS", 1)
    patch.setenv("SUMMIT_ADMIN_KEY", ADMIN_KEY)
    security = SecuritySettings(admin_key="${SUMMIT_ADMIN_KEY}")
    with services(tmp_path_factory.mktemp("backtests") / "data", security) as found:
        found.ask("streaming", "POST", "/api/topics", ADMIN_KEY, {"name": "past", "partitions": 1})
        values = [{"eventType": "seen", "user": "ann", "n": n, "timestamp": n} for n in range(8)]
        records = [{"topic": "past", "value": value} for value in values]
        body = {"records": records}
        assert found.ask("streaming", "POST", "/api/produce/batch", ADMIN_KEY, body)[0] == 200
        assert found.ask("correlation", "POST", "/api/patterns", ADMIN_KEY, RULE)[0] == 200
        yield found
    patch.undo()


def backtest(running: Services, path: str, body: Any) -> list[tuple[str, Any]]:
    """Every event of one, without the heartbeats."""
    place = urlsplit(running.urls["correlation"])
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=WAIT_S)
    try:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        blocks = answer.read().decode().split("\n\n")
    finally:
        connection.close()
    found = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line[:1].isalpha())
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_what_a_rule_would_have_found_is_told(running: Services) -> None:
    told = backtest(running, "/api/patterns/backtest", {"pattern": WIDER, "findings": 2})
    found = [data for name, data in told if name == "found"]
    assert [each["a"]["events"][0]["n"] for each in found] == [3, 4]
    name, done = told[-1]
    assert (name, done["a"]["alerts"], done["records"]) == ("done", 5, 8)
    # Nothing of it came about.
    assert running.ask("correlation", "GET", "/api/alerts", ADMIN_KEY)[1]["count"] == 0


def test_two_versions_are_compared_and_a_part_of_the_past_is_enough(running: Services) -> None:
    told = backtest(running, "/api/v1/patterns/p/backtest", {"against": WIDER})
    assert told[-1][1] | {"both": 3, "onlyA": 0, "onlyB": 2} == told[-1][1]
    kinds = [data["kind"] for name, data in told if name == "found"]
    assert sorted(kinds) == ["both", "both", "both", "onlyB", "onlyB"]
    late = backtest(running, "/api/patterns/p/backtest", {"since": "2099-01-01T00:00:00Z"})
    assert late[-1][1]["records"] == 0


def test_what_cannot_be_is_refused(running: Services) -> None:
    for path, body, status in (
        ("/api/patterns/none/backtest", {}, 404),
        ("/api/patterns/p/backtest", {"since": "x"}, 400),
        ("/api/patterns/p/backtest", {"findings": -1}, 400),
        ("/api/patterns/backtest", {}, 400),
        ("/api/patterns/backtest", {"pattern": {"id": "x"}}, 400),
    ):  # fmt: skip
        got, problem, _ = running.ask("correlation", "POST", path, ADMIN_KEY, body)
        assert got == status, problem
    told = backtest(running, "/api/patterns/p/backtest", {"topics": ["none"]})
    assert told[-1][0] == "failed"
    assert told[-1][1]["status"] in (400, 404)
    body = {"name": "b", "role": "analyst", "grants": ["read:other."]}
    key = running.ask("streaming", "POST", "/api/keys", ADMIN_KEY, body)[1]["key"]
    got, problem, _ = running.ask("correlation", "POST", "/api/patterns/p/backtest", key, {})
    assert (got, problem["code"]) == (403, "auth.forbidden")


def test_one_runs_at_a_time_and_ends_with_its_client(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, going = backtests._Run._work, []

    def slow(self: Any) -> Any:
        going.append(self)
        while not self._is_left:
            time.sleep(0.01)
        return original(self)

    monkeypatch.setattr(backtests._Run, "_work", slow)
    monkeypatch.setattr(backtests, "PROGRESS_S", 0.05)
    place = urlsplit(running.urls["correlation"])
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=WAIT_S)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
    connection.request("POST", "/api/patterns/p/backtest", "{}", headers)
    assert connection.getresponse().readline()
    deadline = time.monotonic() + WAIT_S
    while not going:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    busy = backtest(running, "/api/patterns/p/backtest", {})
    assert [(name, data["code"]) for name, data in busy] == [("failed", "service.busy")]
    connection.close()
    while backtests._Run._under_way:
        assert time.monotonic() < deadline
        time.sleep(0.01)
