"""Guide, "Pattern Matching": failed logins, then a successful one, within a minute."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from summit.event_processing import CEPEngine, EventPattern

FAILED, SUCCESS = "auth.login.failed", "auth.login.success"


def run(*events: tuple[str, int]) -> tuple[list[Any], list[Any]]:
    """The guide's own lines; what was matched, and the alerts."""

    async def go() -> tuple[list[Any], list[Any]]:
        matched: list[Any] = []
        alerts: list[Any] = []

        cep_engine = CEPEngine()

        suspicious_activity_pattern = EventPattern.from_dict(
            {
                "id": "suspicious-activity-pattern",
                "name": "Suspicious Activity Detection",
                "description": (
                    "Detects multiple failed login attempts followed by successful login"
                ),
                "conditions": [
                    {
                        "field": "eventType",
                        "operator": "eq",
                        "value": "auth.login.failed",
                        "eventType": "auth.login.failed",
                    },
                    {
                        "field": "eventType",
                        "operator": "eq",
                        "value": "auth.login.success",
                        "eventType": "auth.login.success",
                    },
                ],
                "windowConfig": {
                    "type": "sliding",
                    "size": 60000,  # 1 minute
                },
                "action": {
                    "type": "alert",
                    "config": {"severity": "high", "notify": ["security-team"]},
                },
            }
        )

        cep_engine.register_pattern(suspicious_activity_pattern)

        def on_match(match: Any) -> None:
            print(f"Pattern matched: {match.pattern.name}")
            print(f"Events: {len(match.sequence.events)}")
            matched.append(match)

        def on_alert(alert: Any) -> None:
            print(f"ALERT: {alert.title} [{alert.severity}]")
            alerts.append(alert)

        cep_engine.on("pattern:matched", on_match)
        cep_engine.on("alert:generated", on_alert)

        for n, (event_type, timestamp) in enumerate(events):
            await cep_engine.process_event(
                {"eventId": f"e{n}", "eventType": event_type, "timestamp": timestamp}
            )
        return matched, alerts

    return asyncio.run(go())


def test_failed_then_successful_is_one_alert_of_severity_high(
    capsys: pytest.CaptureFixture[str],
) -> None:
    matched, alerts = run((FAILED, 1_000), (SUCCESS, 60_999))
    assert [match.pattern.id for match in matched] == ["suspicious-activity-pattern"]
    assert len(matched[0].sequence.events) == 2
    (alert,) = alerts
    assert (alert.severity, list(alert.notify)) == ("high", ["security-team"])
    assert alert.title == "Pattern Match: Suspicious Activity Detection"
    assert capsys.readouterr().out.splitlines() == [
        "Pattern matched: Suspicious Activity Detection",
        "Events: 2",
        "ALERT: Pattern Match: Suspicious Activity Detection [high]",
    ]


def test_success_before_failure_is_none() -> None:
    assert run((SUCCESS, 1_000), (FAILED, 2_000)) == ([], [])


def test_a_failure_without_success_is_none() -> None:
    assert run((FAILED, 1_000), (FAILED, 2_000)) == ([], [])


def test_a_whole_minute_apart_is_none() -> None:
    assert run((FAILED, 1_000), (SUCCESS, 61_000)) == ([], [])
