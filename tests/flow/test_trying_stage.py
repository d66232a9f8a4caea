"""`summit rules test`: what stands beside a pattern acts on the events of its tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from summit.cli.rules import rules
from summit.event_processing import run_document_tests
from summit.flow.stage_plans import stage_of

PATTERN: dict[str, Any] = {
    "kind": "pattern", "id": "office-probe", "topics": ["auth"],
    "steps": [{"name": "one", "where": 'enrichedData.assets.site == "office" && user == "***"'}],
    "action": {"type": "alert", "config": {"severity": "low"}},
    "tests": [{
        "name": "an event of the office",
        "events": [{"at": "0s", "eventType": "x", "ip": "10.1.2.3", "user": "eve", "noise": False},
                   {"at": "1s", "eventType": "x", "ip": "10.1.2.3", "user": "eve", "noise": True}],
        "expect": {"alerts": 1},
    }],
}  # fmt: skip
STAGE: list[dict[str, Any]] = [
    {"kind": "enrichment", "id": "assets", "eventType": "*", "enrichmentType": "lookup",
     "config": {"keyField": "ip", "match": "cidr", "table": {"10.0.0.0/8": {"site": "office"}}}},
    {"kind": "transformation", "id": "hide", "topics": ["auth"], "eventType": "*",
     "transformations": [{"field": "user", "operation": "mask", "config": {}}]},
    {"kind": "filter", "id": "noise", "action": "exclude", "where": "noise == true"},
    {"kind": "filter", "id": "elsewhere", "topics": ["web"], "action": "exclude", "where": "true"},
    {"kind": "enrichment", "id": "asked", "eventType": "*", "enrichmentType": "api",
     "onError": "drop", "config": {"apiUrl": "http://127.0.0.1:1/", "keyField": "ip"}},
]  # fmt: skip


def test_the_stage_acts_on_the_events_of_tests() -> None:
    (result,) = run_document_tests(PATTERN, stage_of(STAGE))
    assert result.passed, result.failures
    assert result.alerts[0]["events"][0]["user"] == "***"
    (without,) = run_document_tests(PATTERN)
    assert not without.passed


@pytest.mark.parametrize("left_out", [None, 0, 2])
def test_the_command_takes_what_stands_beside(tmp_path: Path, left_out: int | None) -> None:
    documents = [each for number, each in enumerate(STAGE) if number != left_out]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump_all([PATTERN, *documents]))
    done = CliRunner().invoke(rules, ["test", str(tmp_path), "-o", "json"])
    (line,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert line["passed"] is (left_out is None)
    assert done.exit_code == (0 if left_out is None else 1)


def test_explaining_goes_through_the_same_as_the_test(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump_all([PATTERN, *STAGE[:-1]]))
    words = ["explain", f"{file}#office-probe", "--test", "an event of the office", "-o", "json"]
    result = CliRunner().invoke(rules, words, catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (len(found["matches"]), found["nearMisses"]) == (1, [])
    assert found["alerts"][0]["events"][0]["user"] == "***"


def test_what_events_hold_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    evil = "eve\x1b]52;c;AAAA\x07\x1b[2J\n\u202eok"
    events = [{"eventType": "a", "user": evil, "times": 2, "every": "1s"}]
    pattern = {
        "kind": "pattern", "id": "p", "groupBy": ["user"], "suppress": {"for": "1h"},
        "steps": [{"name": "a", "where": 'eventType == "a"'}],
        "action": {"type": "alert", "config": {"title": "login of ${user}"}},
        "tests": [{"name": "t", "events": events, "expect": {"alerts": 2, "title": "x"}}],
    }  # fmt: skip
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(pattern))
    for words in (["test", str(file)], ["explain", str(file), "--test", "t"]):
        shown = CliRunner().invoke(rules, words, color=True).stdout
        assert "\\x1b]52;c;AAAA\\x07\\x1b[2J\\n\\u202eok" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
        assert "suppressed" in shown
