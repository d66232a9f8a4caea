"""Guide, "Event Correlation": login, action and logout of one session within an hour."""

from __future__ import annotations

import asyncio
from typing import Any

from summit.cep_engine import CorrelationRule, EventCorrelator


def test_sessions_are_correlated() -> None:
    async def go() -> list[Any]:
        groups: list[Any] = []
        correlator = EventCorrelator()

        session_correlation_rule = CorrelationRule.from_dict(
            {
                "id": "user-session-correlation",
                "name": "User Session Correlation",
                "eventTypes": ["user.login", "user.action", "user.logout"],
                "correlationKey": "sessionId",
                "timeWindow": 3600000,  # 1 hour
                "minEvents": 2,
                "maxEvents": 1000,
            }
        )

        correlator.register_correlation_rule(session_correlation_rule)

        def on_correlated(found: Any) -> None:
            print(f"Correlated {len(found.events)} events for rule: {found.rule.name}")
            groups.append([event["eventId"] for event in found.events])

        correlator.on("events:correlated", on_correlated)

        def event(number: int, kind: str, session: str | None) -> dict[str, Any]:
            return {
                "eventId": f"e{number}",
                "eventType": kind,
                "sessionId": session,
                "timestamp": number * 1_000,
            }

        await correlator.correlate_events(
            [
                event(1, "user.login", "s-1"),
                event(2, "user.login", "s-2"),
                event(3, "user.action", "s-1"),
                event(4, "page.viewed", "s-2"),
                event(5, "user.logout", None),
                event(6, "user.logout", "s-1"),
            ]
        )
        return groups

    groups = asyncio.run(go())
    assert groups[-1] == ["e1", "e3", "e6"]
    assert all("e2" not in group for group in groups)  # one event is no group
