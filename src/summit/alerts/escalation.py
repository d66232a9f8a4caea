"""When an alert is told to the next people. Pure: a function of its state and the policy."""

from __future__ import annotations

from collections.abc import Sequence

from summit.alerts.desk_state import AlertState


def escalation_due_ms(
    delays_ms: Sequence[int], repeat_ms: int | None, alert: AlertState
) -> int | None:
    """When the next level of an alert is due, while nobody has acknowledged it.

    Args:
        delays_ms: Of each level, from the firing on.
        repeat_ms: Behind the last level, it is told again so often; None = never.
    Returns: Milliseconds since 1970 UTC; None = no further level.
    """
    if alert.state != "firing" or not delays_ms:
        return None
    reached = alert.escalation_level
    if reached < len(delays_ms):
        return alert.fired_at + delays_ms[reached]
    if repeat_ms is None:
        return None
    return (alert.escalated_at or alert.fired_at) + repeat_ms
