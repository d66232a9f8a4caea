"""The shipped pattern examples over REST, as JSON alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.system.rest import Rest
from tests.system.running import Running

from summit.documents import expand_test_events, parse_documents, validate_pattern

DIRECTORY = Path(__file__).resolve().parents[2] / "examples" / "patterns"
DOCUMENTS = {
    parsed.id: parsed.values
    for path in sorted(DIRECTORY.glob("*.yaml"))
    for parsed in parse_documents(path.read_bytes(), path.name)
}
TOLD_AT_ONCE = (
    "suspicious-activity-pattern", "account-takeover", "coordinated-attack", "insider-threat",
    "lateral-movement", "performance-degradation",
)  # fmt: skip


def test_all_examples_are_accepted_and_alert(system: Running) -> None:
    correlation, streaming = Rest(system.ready["correlation"]), Rest(system.ready["streaming"])
    for name, document in DOCUMENTS.items():
        status, reply = correlation("POST", "/api/patterns", document)
        assert (status, reply["pattern"]) == (200, name), reply
    status, reply = streaming("POST", "/api/cep/patterns", DOCUMENTS["network-recon"])
    assert status == 200, reply
    for name in TOLD_AT_ONCE:
        test = next(t for t in validate_pattern(DOCUMENTS[name]).tests if t.alerts)
        for event in expand_test_events(test):
            body: dict[str, Any] = {**event, "eventId": f"{name}-{event['eventId']}"}
            assert correlation("POST", "/api/events", body)[0] == 200
        # The answer to an event comes when its alerts are readable.
        found = correlation("GET", f"/api/alerts?pattern={name}")[1]["alerts"]
        assert [alert["severity"] for alert in found] == [test.severity], name
