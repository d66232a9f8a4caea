"""Events that belong together: by a key, and by what they share."""

import asyncio

from summit.cep_engine import CorrelationRule, EventCorrelator

correlator = EventCorrelator()
correlator.register_correlation_rule(
    CorrelationRule(
        id="user-session-correlation",
        name="User Session Correlation",
        event_types=["user.login", "user.action", "user.logout"],
        correlation_key="sessionId",
        time_window=3_600_000,
        min_events=2,
        max_events=1000,
    )
)
correlator.register_correlation_rule(
    CorrelationRule(
        id="incident",
        name="Around one intruder",
        event_types=["scan", "malware", "exfiltration"],
        linked_by={"address": ["sourceIP", "destinationIP"], "host": ["host"]},
        window="session",
        gap="30m",
        min_events=3,
    )
)


def show(found) -> None:
    print(f"Correlated {len(found.events)} events for rule: {found.rule.name}")
    for link in found.get("links", ()):
        target = found.events[link.target]["eventType"]
        print(f"  {target} by {link.type} {link.value}")


correlator.on("events:correlated", show)


async def main() -> None:
    await correlator.correlate_events(
        [
            {"eventType": "user.login", "sessionId": "s-1", "timestamp": 1_000},
            {"eventType": "user.logout", "sessionId": "s-1", "timestamp": 9_000},
            {"eventType": "scan", "sourceIP": "203.0.113.7", "host": "web1", "timestamp": 10_000},
            {"eventType": "malware", "host": "web1", "timestamp": 20_000},
            {"eventType": "exfiltration", "destinationIP": "203.0.113.7", "timestamp": 30_000},
        ]
    )


asyncio.run(main())
