"""Severities, by rank: critical 4 > high 3 > medium 2 > low 1 > info 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from summit.base.errors import Invalid

SEVERITIES: Final = ("info", "low", "medium", "high", "critical")
_RANKS: Final = {name: rank for rank, name in enumerate(SEVERITIES)}


def severity_rank(name: str) -> int:
    """The rank of a severity. Raises Invalid("alert.severity_unknown")."""
    rank = _RANKS.get(name)
    if rank is None:
        raise Invalid("alert.severity_unknown", severity=name, known=", ".join(SEVERITIES))
    return rank


def alert_severity(configured: str | None, of_events: Iterable[object]) -> str:
    """The severity of an alert: the configured one, else the highest among the events, else info.

    Events may carry anything under `severity`; what is none of ours does not count.
    """
    if configured is not None:
        return configured
    ranks = [
        _RANKS[name.lower()]
        for name in of_events
        if isinstance(name, str) and name.lower() in _RANKS
    ]
    return SEVERITIES[max(ranks, default=0)]
