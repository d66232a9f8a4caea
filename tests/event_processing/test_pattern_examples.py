"""The shipped pattern examples over `CEPEngine`: each does at its boundaries what it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from summit.documents import parse_documents
from summit.event_processing import CEPEngine, run_document_tests

DIRECTORY = Path(__file__).resolve().parents[2] / "examples" / "patterns"
T0 = 1_700_000_040_000  # begins a minute, and five
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
DOCUMENTS = {
    parsed.id: parsed.values
    for path in sorted(DIRECTORY.glob("*.yaml"))
    for parsed in parse_documents(path.read_bytes(), path.name)
}


def event(kind: str, at: int, **fields: Any) -> dict[str, Any]:
    return {"eventType": kind, "timestamp": T0 + at, **fields}


def alerts_of(
    pattern: str | dict[str, Any], events: Iterable[dict[str, Any]], until: int = 0
) -> list[Any]:
    """The alerts of an engine that has this pattern only; time goes on to `until`."""
    document = DOCUMENTS[pattern] if isinstance(pattern, str) else pattern

    async def go() -> list[Any]:
        engine = CEPEngine()
        engine.register_pattern(document)
        alerts = await engine.process_events(events)
        return alerts + (await engine.advance_time(T0 + until) if until else [])

    return asyncio.run(go())


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_documents_pass_their_own_tests(name: str) -> None:
    results = run_document_tests(DOCUMENTS[name])
    assert results
    assert [(result.name, result.failures) for result in results if not result.passed] == []


def requests(count: int, at: int = 0) -> list[dict[str, Any]]:
    return [event("http.request", at + n, sourceIP="203.0.113.7") for n in range(count)]


@pytest.mark.parametrize(("count", "alerts"), [(1_000, 0), (1_001, 1), (2_500, 1)])
def test_ddos_one_alert_for_each_window_above_a_thousand(count: int, alerts: int) -> None:
    assert alerts_of("ddos-detection", requests(count)) == []  # not before the window ends
    found = alerts_of("ddos-detection", requests(count), MINUTE)
    assert len(found) == alerts
    for alert in found:
        assert (alert.severity, alert.count, alert.timestamp) == ("high", count, T0 + MINUTE)
        assert alert.metadata["fields"] == {"sourceIP": "203.0.113.7"}
        assert alert.metadata["aggregates"] == {"count()": count}
        assert (alert.first_seen, alert.last_seen) == (T0, T0 + count - 1)
        assert alert.metadata["window"] == {"start": T0, "end": T0 + MINUTE}
    split = requests(600, MINUTE - 600) + requests(600, MINUTE)
    assert alerts_of("ddos-detection", split, 3 * MINUTE) == []


def beats(count: int, host: str = "db-1") -> list[dict[str, Any]]:
    return [event("system.heartbeat", n * MINUTE, host=host) for n in range(count)]


def test_heartbeat_silence_is_told_at_its_end_without_an_event() -> None:
    steady = beats(61)
    last = steady[-1]["timestamp"] - T0
    assert alerts_of("heartbeat-missing", steady, last + MINUTE) == []
    (alert,) = alerts_of("heartbeat-missing", steady, last + MINUTE + 1)
    assert (alert.timestamp, alert.severity) == (T0 + last + MINUTE, "critical")
    assert (alert.runbook, alert.key) == ("ops/system-down-runbook", {"host": "db-1"})
    assert len(alerts_of("heartbeat-missing", steady, last + 10 * HOUR)) == 1


def test_heartbeat_of_a_host_that_was_never_heard() -> None:
    named = {**DOCUMENTS["heartbeat-missing"], "expectedKeys": ["db-1"]}
    found = alerts_of(named, beats(3, "web-1"))
    (alert,) = found
    assert (alert.key, alert.timestamp) == ({"host": "db-1"}, T0 + MINUTE)
    assert (alert.count, alert.events, alert.evidence) == (0, [], [])
    assert alert.title == "No heartbeat of db-1"


def finding(kind: str, severity: str, at: int = 0) -> dict[str, Any]:
    return event(kind, at, target="web-1", severity=severity)


def test_coordinated_attack() -> None:
    intrusion, malware = "intrusion.detected", "malware.detected"
    for severity, alerts in (("high", 1), ("critical", 1), ("medium", 0)):
        events = [finding(intrusion, "high"), finding(malware, severity, 9 * MINUTE)]
        found = alerts_of("coordinated-attack", events)
        assert len(found) == alerts
        for alert in found:
            assert alert.severity == "critical"
            assert alert.metadata["fields"] == {"types": [intrusion, malware], "target": "web-1"}
    assert alerts_of("coordinated-attack", [finding(malware, "high", n) for n in range(2)]) == []


def egress(*volumes: int) -> list[dict[str, Any]]:
    return [
        event("network.egress", n, userId=f"u{n}", bytes=volume) for n, volume in enumerate(volumes)
    ]


def test_exfiltration_is_measured_against_the_others() -> None:
    end = 10 * MINUTE
    (alert,) = alerts_of("data-exfiltration", egress(1_000, 1_050, 980, 100_000), end)
    assert alert.key == {"userId": "u3"}
    fields = alert.metadata["fields"]
    assert (fields["userId"], fields["volume"]) == ("u3", 100_000)
    others = [1_000, 1_050, 980]
    mean = sum(others) / 3
    sample = (sum((value - mean) ** 2 for value in others) / 2) ** 0.5
    assert fields["z"] == pytest.approx((100_000 - mean) / (sample * (4 / 3) ** 0.5))
    assert alert.metadata["aggregates"]["groups"] == 4
    assert alerts_of("data-exfiltration", egress(1_000, 1_050, 100_000), end) == []  # too few
    assert alerts_of("data-exfiltration", egress(1_000, 1_050, 980, 1_100), end) == []


BEHAVIOURS = (
    "file.access.sensitive", "database.query.bulk", "email.external.attachment",
    "login.after.hours",
)  # fmt: skip


def test_insider_threat_counts_each_behaviour_once() -> None:
    three = [event(kind, n * HOUR, userId="eve") for n, kind in enumerate(BEHAVIOURS[:3])]
    (alert,) = alerts_of("insider-threat", three)
    assert alert.severity == "critical"
    assert alert.metadata["aggregates"]["score()"] == 85
    assert alert.metadata["aggregates"]["values(eventType)"] == sorted(BEHAVIOURS[:3])
    repeats = [event(kind, n, userId="eve") for kind in BEHAVIOURS[:2] for n in range(9)]
    assert alerts_of("insider-threat", repeats) == []
    late = [*three[:2], event(BEHAVIOURS[2], 24 * HOUR, userId="eve")]
    assert alerts_of("insider-threat", late) == []


@pytest.mark.parametrize(("ports", "alerts"), [(20, 0), (21, 1)])
def test_reconnaissance(ports: int, alerts: int) -> None:
    events = [
        event("network.connection.new", n, sourceIP="a", destinationPort=n % ports)
        for n in range(100)
    ]
    found = alerts_of("network-recon", events, MINUTE)
    assert [(alert.severity, alert.technique) for alert in found] == [
        ("high", "Port Scanning")
    ] * alerts


def hops(*at: int) -> list[dict[str, Any]]:
    kinds = ("ssh.connection", "rdp.connection", "smb.connection", "psexec.execution")
    return [
        event(kinds[n % 4], when, sourceHost="a", destinationHost=f"h{n}")
        for n, when in enumerate(at)
    ]


@pytest.mark.parametrize(
    ("at", "alerts"),
    [((0, 1, 2, 3), 0), ((0, 1, 2, 3, HOUR - 1), 1), ((0, 1, 2, 3, HOUR), 0)],
)
def test_lateral_movement(at: tuple[int, ...], alerts: int) -> None:
    found = alerts_of("lateral-movement", hops(*at))
    assert len(found) == alerts
    for alert in found:
        assert alert.severity == "critical"
        assert alert.metadata["fields"] == {
            "hosts": ["h0", "h1", "h2", "h3", "h4"], "hopCount": 5
        }  # fmt: skip


def slow(*durations: int) -> list[dict[str, Any]]:
    return [
        event("app.request.completed", n, service="cart", duration=duration)
        for n, duration in enumerate(durations)
    ]


@pytest.mark.parametrize(
    ("durations", "severities"),
    [
        ([9_000] * 9, []),
        ([3_000] * 10, ["medium"]),
        ([6_000] * 10, ["high"]),
        ([0, *[9_000] * 9], ["high"]),
        ([2_000] * 10, []),
    ],
)
def test_degradation(durations: list[int], severities: list[str]) -> None:
    found = alerts_of("performance-degradation", slow(*durations))
    assert [alert.severity for alert in found] == severities


def test_the_guides_form_with_named_aggregates() -> None:
    """JSON alone: `conditions`, `windowConfig`, `aggregates`, `having`."""
    document = {
        "id": "recon", "name": "Recon", "groupBy": ["sourceIP"],
        "conditions": [
            {"field": "sourceIP", "operator": "exists", "eventType": "network.connection.new"},
            {"field": "destinationPort", "operator": "gt", "value": 0},
        ],
        "windowConfig": {"type": "sliding", "size": MINUTE},
        "aggregates": [{"name": "ports", "field": "destinationPort", "function": "distinct"}],
        "having": [{"field": "ports", "operator": "gt", "value": 20}],
        "action": {"type": "alert", "config": {"severity": "high", "title": "${ports} ports"}},
    }  # fmt: skip
    events = [
        event("network.connection.new", n, sourceIP="a", destinationPort=n) for n in range(22)
    ]
    (alert,) = alerts_of(document, events)
    assert (alert.title, alert.timestamp) == ("21 ports", T0 + 21)
    assert alerts_of(document, events[:-1]) == []


def test_a_sliding_window_tells_once_until_it_was_false_or_is_over() -> None:
    document = {
        "id": "many", "groupBy": ["user"], "where": "eventType == 'x'",
        "window": {"type": "sliding", "size": "10s"}, "having": "count() >= 3",
    }  # fmt: skip

    def told(rearm: Any, *seconds: int) -> list[int]:
        events = [event("x", at * SECOND, user="u") for at in seconds]
        found = alerts_of({**document, "rearm": rearm}, events)
        return [(alert.timestamp - T0) // SECOND for alert in found]

    #   0  1  2  3  4 ........ 12 13 14       two of the window are left at 12, so it was false
    assert told("window", 0, 1, 2, 3, 4) == [2]
    assert told("window", 0, 1, 2, 11, 12, 13) == [2, 13]
    assert told("window", *range(25)) == [2, 12, 22]
    assert told("always", 0, 1, 2, 3, 4) == [2, 3, 4]
    assert told({"after": "2s"}, 0, 1, 2, 3, 4, 5) == [2, 4]


def test_a_custom_handler_is_given_the_whole_window() -> None:
    seen: list[int] = []
    document = {
        "id": "custom", "groupBy": ["user"],
        "conditions": [{"field": "user", "operator": "exists", "eventType": "x"}],
        "windowConfig": {"type": "tumbling", "size": MINUTE},
        "action": {"type": "custom", "handler": lambda events: seen.append(len(events))},
    }  # fmt: skip
    alerts_of(document, [event("x", n, user="u") for n in range(300)], MINUTE)
    assert seen == [300]
