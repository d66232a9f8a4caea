"""`anomaly` of a metric: how its values are judged, group by group, and the alert that comes of it.

anomaly: auto                               every anomaly is an alert; true = auto
anomaly: {method: mad, threshold: 5, alert: {severity: high, title: "${metric} of ${country}"}}
anomaly: {method: zscore, alert: false}     it stands in the results only
"""

from __future__ import annotations

import math
from typing import Any, Final

from summit.base import limits
from summit.documents.query_plan import AnomalyAlertPlan, AnomalyPlan
from summit.documents.section import Section, kind_name
from summit.documents.templates import read_text_template

METHODS: Final = (
    "auto", "zscore", "iqr", "moving-average", "mad", "seasonal", "holt-winters", "ewma", "cusum",
    "page-hinkley", "adwin", "spot", "dspot", "half-space-trees", "random-cut-forest",
)  # fmt: skip
SEVERITIES: Final = ("low", "medium", "high", "critical")
"""What a deviation's size may be called; `alert.severity` may say `info` too."""

_SEASONED: Final = ("auto", "seasonal", "holt-winters")
_FIELDS: Final = ("method", "sensitivity", "threshold", "windowSize", "period", "alert")
_ALERT_FIELDS: Final = (
    "severity", "minSeverity", "title", "description", "notify", "runbook", "suppress",
)  # fmt: skip


def read_anomaly(metric: Section) -> AnomalyPlan | None:
    """How a metric is watched; None where it is not."""
    given = metric.values.get("anomaly")
    if given is None or given is False:
        return None
    value: Any = {"method": METHODS[0] if given is True else given}
    if given is not True and not isinstance(given, str):
        value = metric.mapping("anomaly")
        if value is None:
            return None
    mine = Section(value, metric.at("anomaly"), metric.problems, names=_FIELDS, noun="anomaly")
    method = mine.choice("method", METHODS)
    if not mine.has("method"):
        mine.note("method", f"an anomaly needs 'method': {', '.join(METHODS)}")
    if method is not None and mine.has("period") and method not in _SEASONED:
        mine.note("period", f"belongs to {', '.join(_SEASONED)}, not to {method}")
    return AnomalyPlan(
        method or METHODS[0],
        read_number(mine, "sensitivity", 0, 1e6, above=True),
        read_number(mine, "threshold", 0, 1e6, above=True),
        mine.whole("windowSize", least=3, most=10_000),
        mine.whole("period", least=2, most=10_000),
        _alert(mine),
    )


def read_number(
    inner: Section, name: str, least: float, most: float, *, above: bool = False
) -> float | None:
    """A number within bounds; None where there is none, or with a problem, which is noted."""
    value: Any = inner.values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        inner.note(name, f"must be a number, not {kind_name(value)}")
    elif value < least or value > most or (above and value == least):
        inner.note(name, f"must be {'above' if above else 'from'} {least} to {most}, not {value}")
    else:
        return value
    return None


def _alert(anomaly: Section) -> AnomalyAlertPlan | None:
    """The alert; None with `alert: false`."""
    value = anomaly.values.get("alert")
    if value is None or value is True:
        return AnomalyAlertPlan()
    if value is False:
        return None
    if not hasattr(value, "items"):
        anomaly.note("alert", f"must be true, false or a map, not {kind_name(value)}")
        return None
    mine = Section(value, anomaly.at("alert"), anomaly.problems, names=_ALERT_FIELDS, noun="alert")
    return AnomalyAlertPlan(
        severity=mine.choice("severity", ("info", *SEVERITIES)),
        severity_min=mine.choice("minSeverity", SEVERITIES) or "low",
        title=read_text_template(mine, "title"),
        description=read_text_template(mine, "description"),
        notify=mine.texts("notify"),
        runbook=mine.text("runbook", chars_max=limits.PATTERN_TEXT_CHARS_MAX),
        suppress_ms=mine.duration_ms("suppress") or 0,
    )
