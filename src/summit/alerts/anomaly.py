"""From an anomaly in a query's results to its alert. Pure: the same anomaly gives the same bytes.

The id is a hash of query, group, metric and window: it does not depend on who found it, nor when.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from summit.alerts.alert import Alert
from summit.alerts.attack import techniques_of
from summit.alerts.identity import Coordinate, alert_id
from summit.alerts.severity import severity_rank
from summit.alerts.templates import render_template
from summit.documents.plan import TemplatePlan
from summit.documents.query_plan import MetricPlan, QueryPlan
from summit.events.expressions.ir import Path

_TOLD: Final = ("expected", "deviation", "limit", "explanation")


class Anomalous(NamedTuple):
    """One metric of one group in one window that its detector flags.

    Attributes:
        key: Values of the query's `group_by`, in its order.
        events: How many there were.
        nth: How many results of the group before it, one after the other, had the same times.
        metrics: All metrics of the group in the window, by name.
        said: What the detector said: `expected`, `deviation`, `limit`, `severity`, `explanation`.
    """

    metric: MetricPlan
    key: tuple[Any, ...]
    start_ms: int
    end_ms: int
    events: int
    metrics: Mapping[str, Any]
    said: Mapping[str, Any]
    nth: int = 0


def anomaly_alert(plan: QueryPlan, found: Anomalous) -> Alert | None:
    """The alert of an anomaly; None where the query wants none of it."""
    assert found.metric.anomaly is not None
    wanted = found.metric.anomaly.alert
    if wanted is None or severity_rank(found.said["severity"]) < severity_rank(wanted.severity_min):
        return None
    name = found.metric.name
    source = _Source(plan, found)
    anomaly = {
        "query": plan.id, "metric": name, "method": found.metric.anomaly.method,
        "value": found.metrics[name], **{each: found.said.get(each) for each in _TOLD},
    }  # fmt: skip
    _, _, meaning = plan.state_id.rpartition("/")
    return Alert(
        id=_id(plan, found, meaning),
        timestamp=found.end_ms,
        severity=wanted.severity or found.said["severity"],
        title=_text(wanted.title, source) or f"Anomaly: {name} of {plan.name}",
        description=_text(wanted.description, source) or found.said["explanation"],
        events=[],
        pattern=f"query:{plan.id}",
        metadata={
            "anomaly": anomaly, "window": {"start": found.start_ms, "end": found.end_ms},
            "metrics": dict(found.metrics),
        },
        key={".".join(path): value for path, value in zip(plan.group_by, found.key, strict=True)},
        count=found.events,
        first_seen=found.start_ms,
        last_seen=found.end_ms,
        rule_version=meaning if plan.version is None else str(plan.version),
        tags=list(plan.tags),
        attack=techniques_of(plan.tags),
        notify=list(wanted.notify),
        runbook=wanted.runbook,
    )  # fmt: skip


def _id(plan: QueryPlan, found: Anomalous, meaning: str) -> str:
    window: Coordinate = ("window", found.start_ms, found.end_ms)
    identity = [(found.metric.name, window)]
    if found.nth:
        identity.append(("nth", str(found.nth)))
    return alert_id("anomaly", f"query:{plan.id}", meaning, found.key, identity)


def _text(template: TemplatePlan | None, source: _Source) -> str:
    return "" if template is None else render_template(template, source)


class _Source:
    """What the holes of texts are filled from: the group, the anomaly, then other metrics."""

    def __init__(self, plan: QueryPlan, found: Anomalous) -> None:
        name, said = found.metric.name, found.said
        window = {"window.start": found.start_ms, "window.end": found.end_ms}
        own = {"query": plan.id, "metric": name, "value": found.metrics[name],
               "count": found.events, "severity": said["severity"], **window,
               **{each: said.get(each) for each in _TOLD}}  # fmt: skip
        groups = {".".join(path): each for path, each in zip(plan.group_by, found.key, strict=True)}
        self._values: dict[str, Any] = {**found.metrics, **own, **groups}

    def field(self, path: Path) -> object:
        value = self._values.get(".".join(path))
        return float(f"{value:.6g}") if isinstance(value, float) else value

    def step_field(self, step: str, which: str, path: Path) -> object:
        del step, which, path
        return None

    def aggregate(self, function: str, step: str, path: Path | None) -> object:
        del function, step, path
        return None
