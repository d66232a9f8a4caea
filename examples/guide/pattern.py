"""Failed logins, then one that works, within a minute."""

import asyncio

from summit.event_processing import (
    CEPEngine,
    EventAction,
    EventCondition,
    EventPattern,
    WindowConfig,
)

engine = CEPEngine()
warnings = engine.register_pattern(
    EventPattern(
        id="suspicious-activity-pattern",
        name="Suspicious Activity Detection",
        description="Detects multiple failed login attempts followed by successful login",
        conditions=[
            EventCondition(field="eventType", operator="eq", value=kind, event_type=kind)
            for kind in ("auth.login.failed", "auth.login.success")
        ],
        window_config=WindowConfig(type="sliding", size=60_000),
        action=EventAction(type="alert", config={"severity": "high", "notify": ["security-team"]}),
    )
)
print(*warnings, sep="\n")  # without groupBy all users are one; and who is security-team?
engine.on("pattern:matched", lambda found: print(f"Pattern matched: {found.pattern.name}"))
engine.on("pattern:matched", lambda found: print(f"Events: {len(found.sequence.events)}"))
engine.on("alert:generated", lambda alert: print(f"ALERT: {alert.title} [{alert.severity}]"))


async def main() -> None:
    await engine.process_event({"eventType": "auth.login.failed", "timestamp": 1_000})
    for sequence in engine.get_active_sequences():
        print(f"Waits for {sequence.waits_for[0]} until {sequence.expires_at}")
    await engine.process_event({"eventType": "auth.login.success", "timestamp": 5_000})


asyncio.run(main())
