"""`summit rules test | explain | backtest` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.system.running import Running, run

pytestmark = pytest.mark.slow

T0 = 1_700_000_000_000
RULE: dict[str, Any] = {
    "kind": "pattern", "id": "brute", "name": "Brute force", "groupBy": ["ip"],
    "steps": [{"name": "failed", "where": 'eventType == "failed"', "times": 3}], "within": "60s",
    "action": {"type": "alert", "config": {"severity": "high", "title": "From ${ip}"}},
    "tests": [{
        "name": "too slow",
        "events": [{"eventType": "failed", "ip": "a", "at": "0s", "times": 3, "every": "30s"}],
        "expect": {"alerts": 1, "severity": "high"},
    }],
}  # fmt: skip


def failed(ip: str, *seconds: int) -> list[dict[str, Any]]:
    return [{"eventType": "failed", "ip": ip, "timestamp": T0 + 1000 * n} for n in seconds]


def text(*arguments: str, code: int = 0, stdin: bytes = b"") -> str:
    done = run(*arguments, stdin=stdin)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def rule(tmp_path: Path) -> str:
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(RULE))
    return str(path)


def test_a_failing_test_shows_what_differs_and_why(rule: str, tmp_path: Path) -> None:
    junit = tmp_path / "found.xml"
    shown = text("rules", "test", rule, "--junit", str(junit), code=1)
    assert shown.splitlines()[:4] == [
        "FAIL brute: too slow", "     - alerts: 1", "     + alerts: 0",
        ("       near-miss: 'failed' came 1 ms too late: 60000 ms after the first event, outside"
         " the window of 60000 ms"),
    ]  # fmt: skip
    root = ElementTree.parse(junit).getroot()
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    (row,) = map(json.loads, text("rules", "test", rule, "-o", "json", code=1).splitlines())
    assert (row["passed"], row["alerts"], row["expected"]["alerts"]) == (False, 0, 1)
    assert run("rules", "test", str(tmp_path / "none.json")).returncode == 1


def test_explaining_events_that_are_given(rule: str, tmp_path: Path) -> None:
    late = failed("a", 0, 1, 60)
    lines = "\n".join(map(json.dumps, late))
    found = json.loads(text("rules", "explain", rule, "-", "-o", "json", stdin=lines.encode()))
    assert found["nearMisses"][0]["kind"] == "outsideWindow"
    file = tmp_path / "events.json"
    file.write_text(json.dumps(late))
    assert json.loads(text("rules", "explain", rule, str(file), "-o", "json")) == found
    assert json.loads(text("rules", "explain", rule, *map(json.dumps, late), "-o", "json")) == found
    shown = text("rules", "explain", rule, "--test", "too slow")
    assert shown.startswith("0 matches\n1. outsideWindow for a: 'failed' came 1 ms too late")
    assert b"no test 'x'" in run("rules", "explain", rule, "--test", "x").stderr
    assert run("rules", "explain", rule).returncode == 2


def test_the_past(rule: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Running("broker", "--port", "0", "--data-dir", str(data)) as broker:
        dial = ("-b", str(broker.ready["broker"]))
        text("rules", "apply", rule, *dial)
        changed = {**RULE, "steps": [{**RULE["steps"][0], "times": 2}]}
        Path(rule).write_text(json.dumps(changed))
        text("rules", "apply", rule, *dial)
        events = [*failed("three", 0, 1, 2), *failed("two", 3, 4), *failed("late", 5, 66)]
        lines = "\n".join(map(json.dumps, events)).encode()
        text("produce", "auth", *dial, stdin=lines)

        *alerts, done = map(
            json.loads, text("rules", "backtest", "brute", *dial, "-o", "json").splitlines()
        )
        assert sorted(alert["key"]["ip"] for alert in alerts) == ["three", "two"]
        assert done["backtested"]["rules"] == ["brute@2"]
        assert done["backtested"]["a"]["alerts"] == 2

        compared = text("rules", "backtest", rule, "--against", "1", "-t", "auth", *dial)
        assert "< " in compared
        assert compared.splitlines()[-1] == f"both 1, only {rule}#brute 1, only brute@1 0"
        assert "From two" in compared
        assert "From three" not in compared

        shown = text("rules", "explain", "brute@1", "--topic", "auth", "--key", "two", *dial)
        assert shown.startswith("1. missing for two: waits for 'failed' (2 of 3 taken)")
        unknown = run("rules", "backtest", "brute@9", *dial)
        assert (unknown.returncode, b"it has: 1, 2" in unknown.stderr) == (3, True)
