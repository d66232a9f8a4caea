"""What becomes of a query's anomalies: alerts, or repetitions of one that stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from summit.alerts import Alert
from summit.alerts.anomaly import Anomalous, anomaly_alert
from summit.analytics.found import Found
from summit.documents.query_plan import QueryPlan
from summit.flow.suppressing import Alike, Suppressed, Suppressor
from summit.keyed.keys import key_values


def anomaly_alerts(
    plan: QueryPlan, found: Found, suppressor: Suppressor
) -> Iterator[Alert | Suppressed]:
    """The alerts of one result, in the order of its metrics."""
    if not found.watched:
        return
    for metric in plan.metrics:
        said = found.watched.get(metric.name, {}).get("anomaly")
        if said is None or not said["flagged"]:
            continue
        alert = anomaly_alert(
            plan,
            Anomalous(
                metric, key_values(found.key), found.start_ms, found.end_ms, found.count,
                found.metrics, said, found.nth,
            ),
        )  # fmt: skip
        if alert is None:
            continue
        assert metric.anomaly is not None
        assert metric.anomaly.alert is not None
        for_ms = metric.anomaly.alert.suppress_ms
        if for_ms:
            alike = Alike(f"query:{plan.id}", found.key, metric.name, for_ms)
            standing = suppressor.standing(alike, found.end_ms)
            if standing is not None:
                yield Suppressed(None, standing, found.end_ms)
                continue
            suppressor.stand(alike, alert.id, found.end_ms)
        yield alert
