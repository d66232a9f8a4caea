"""Severities by rank; the configured one wins."""

from __future__ import annotations

import pytest

from summit.alerts.severity import alert_severity, severity_rank
from summit.base.errors import Invalid


@pytest.mark.parametrize(
    ("configured", "of_events", "expected"),
    [
        ("low", ["critical"], "low"),
        (None, ["low", "critical", "high"], "critical"),
        (None, ["low", "HIGH", 7, None, {"a": 1}, "no such"], "high"),
        (None, [], "info"),
        (None, [None], "info"),
    ],
)
def test_alert_severity(configured: str | None, of_events: list, expected: str) -> None:
    assert alert_severity(configured, of_events) == expected


def test_ranks() -> None:
    names = sorted(["low", "critical", "info", "high", "medium"], key=severity_rank)
    assert names == ["info", "low", "medium", "high", "critical"]
    with pytest.raises(Invalid, match="unknown severity 'urgent'"):
        severity_rank("urgent")
