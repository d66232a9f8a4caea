"""Risk of entities: what their alerts add up to, half of it gone after a half-life. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from summit.alerts.desk_state import DeskSettings, DeskState, Risk
from summit.base.limits import DESK_ENTITIES_MAX
from summit.events.severities import severity_rank


def risk_score(risk: Risk | None, at_ms: int, settings: DeskSettings) -> float:
    """The risk at a time: its points, decayed, and more for each further tactic.

    Example:
        >>> calm = Risk(points=40.0, at=0, alerts=2, tactics=["discovery", "exfiltration"])
        >>> risk_score(calm, 86_400_000, DeskSettings())
        25.0
    """
    if risk is None:
        return 0.0
    tactics = max(0, len(risk.tactics) - 1)
    share = 1.0 + settings.tactic_share * tactics
    return _decayed(risk, at_ms, settings) * share


def add_risk(
    state: DeskState,
    settings: DeskSettings,
    entity: str,
    severity: str,
    at_ms: int,
    tactics: Iterable[str],
) -> float:
    """Count an alert for an entity; the risk it has then.

    An alert that is older than the entity's latest adds what is left of it by then. Beyond
    `DESK_ENTITIES_MAX` the entity that was unheard of longest is forgotten, and counted.
    """
    points = float(settings.risk_points[severity_rank(severity) or 0])
    known = state.risks.pop(entity, None)
    if known is None:
        known = Risk(points=0.0, at=at_ms, alerts=0, tactics=[])
    at = max(known.at, at_ms)
    new = Risk(points=points, at=at_ms, alerts=1, tactics=[])
    known.points = _decayed(known, at, settings) + _decayed(new, at, settings)
    known.at = at
    known.alerts += 1
    known.tactics = sorted({*known.tactics, *tactics})
    state.risks[entity] = known  # behind all others: the latest heard of
    if len(state.risks) > DESK_ENTITIES_MAX:
        del state.risks[next(iter(state.risks))]
        state.counters["risksEvicted"] = state.counters.get("risksEvicted", 0) + 1
    return risk_score(known, at, settings)


def _decayed(risk: Risk, at_ms: int, settings: DeskSettings) -> float:
    age = (at_ms - risk.at) / settings.risk_half_life_ms
    if age <= 0:
        return risk.points
    return float(risk.points * 0.5**age) if age < 1_000 else 0.0
