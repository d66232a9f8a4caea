"""The severity of an alert, and the check of a severity that someone asks for."""

from __future__ import annotations

from collections.abc import Iterable

from summit.base.errors import Invalid
from summit.events.severities import SEVERITIES
from summit.events.severities import severity_rank as rank_of


def severity_rank(name: str) -> int:
    """The rank of a severity, info 0 to critical 4. Raises Invalid("alert.severity_unknown")."""
    rank = rank_of(name)
    if rank is None:
        raise Invalid("alert.severity_unknown", severity=name, known=", ".join(SEVERITIES))
    return rank


def alert_severity(configured: str | None, of_events: Iterable[object]) -> str:
    """The severity of an alert: the configured one, else the highest among the events, else info.

    Events may carry anything under `severity`; what is none of ours does not count.
    """
    if configured is not None:
        return configured
    ranks = [rank for value in of_events if (rank := rank_of(value)) is not None]
    return SEVERITIES[max(ranks, default=0)]
