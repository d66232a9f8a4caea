"""The workers' figures as Prometheus families, the same from a worker itself and from the service.

A worker's counters count from its start; `worker` is its id. How far the whole group is behind
stands per partition in `kafka_consumergroup_lag` of the group `summit-workers`, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from summit.journal.progress_record import split_partition_name
from summit.journal.worker_figures import RuleFigures, WorkerFigures
from summit.services.prometheus_text import histogram


class WorkerSample(NamedTuple):
    """One worker at one moment.

    Attributes:
        lags: By input that it reads.
        exchange_lag: Of what others have sent to it.
    """

    figures: WorkerFigures
    key_groups: int
    lags: Mapping[str, int]
    exchange_lag: int


_COUNTERS: Final = (
    ("events", "events", "Records processed"),
    ("matches", "matches", "Matches found"),
    ("alerts", "alerts", "Alerts committed"),
    ("suppressed", "suppressed", "Matches for which an earlier alert of their rule stands"),
    ("suppress_evicted", "suppress_evicted", "Alerts that stand no more: there were too many"),
    (
        "correctable_evicted",
        "correctable_evicted",
        "Alerts of rules with allowedLateness that are corrected no more: there were too many",
    ),
    ("rejected", "rejected", "Records put into dead letters"),
    ("skipped", "skipped", "Records that no rule can use, counted only"),
    ("late", "late", "Events whose time was closed"),
    ("filtered", "filtered", "Events that a filter stopped"),
    ("dropped", "dropped", "Events dropped because a rule with onError: drop failed on them"),
    ("transformed", "transformed", "Events that a transformation changed"),
    ("enriched", "enriched", "Look-ups of enrichments that found something"),
    ("routed", "routed", "Events sent by routes"),
    ("stage_faults", "stage_faults", "Events on which a transformation or enrichment failed"),
    ("undeliverable", "undeliverable", "Outputs that their topic refused for good"),
    ("published", "published", "Records written by the actions forward, aggregate and trigger"),
    ("calls", "calls", "Webhooks called"),
    ("calls_failed", "calls_failed", "Attempts to call a webhook that failed"),
    ("commits", "commits", "Transactions committed"),
    ("aborts", "aborts", "Transactions that the brokers refused cleanly"),
    ("restarts", "restarts", "Beginnings anew from what is committed"),
    ("state_records", "state_records", "Records written to the state's changelog"),
    ("state_bytes", "state_bytes", "Bytes written to the state's changelog"),
    ("exchange_events", "exchange_events", "Events sent to other workers"),
    ("exchange_bytes", "exchange_bytes", "Bytes sent to other workers"),
    ("restores", "restores", "Takings up of key groups"),
    ("restored_records", "restored_records", "Records read for that from the state's changelog"),
)
_SECONDS: Final = (
    ("restore", "restore_ms", "Time spent on taking up key groups"),
    ("commit_wait", "commit_wait_ms", "Time in which a commit was waited for: back-pressure"),
)
_RULE_COUNTERS: Final = (
    ("matches", "matches", "Matches found"),
    ("evicted_keys", "keys_evicted", "Keys dropped because of limits.keys"),
    ("expired_keys", "keys_expired", "Keys forgotten because of limits.ttl"),
    ("evicted_runs", "runs_evicted", "Unfinished matches dropped because of limits.runsPerKey"),
    ("evicted_captures", "captures_evicted", "Events that a match counts and does not show"),
    ("released_early", "released_early", "Matches released before their turn: too many waited"),
    ("timeouts", "timeouts", "Unfinished matches whose time was over"),
    ("events_without_key", "without_key", "Events that lack the rule's groupBy"),
)


def of_workers(samples: Iterable[WorkerSample]) -> Iterator[Metric]:
    """All families of some workers."""
    workers = list(samples)
    info = GaugeMetricFamily(
        "summit_worker_info", "Where a worker runs", labels=["worker", "host", "pid"]
    )
    for each in workers:
        info.add_metric([each.figures.id, each.figures.host, str(each.figures.pid)], 1)
    yield info
    for name, ours, text in _COUNTERS:
        counter = CounterMetricFamily(f"summit_worker_{name}", text, labels=["worker"])
        for each in workers:
            counter.add_metric([each.figures.id], getattr(each.figures, ours))
        yield counter
    for name, ours, text in _SECONDS:
        counter = CounterMetricFamily(f"summit_worker_{name}_seconds", text, labels=["worker"])
        for each in workers:
            counter.add_metric([each.figures.id], getattr(each.figures, ours) / 1000)
        yield counter
    for name, text, told in (
        ("batch", "A batch through the rules", [each.figures.batches_took for each in workers]),
        ("commit", "A transaction", [each.figures.commits_took for each in workers]),
    ):
        rows = [([each.figures.id], took) for each, took in zip(workers, told, strict=True)]
        yield histogram(f"summit_worker_{name}_duration_seconds", text, ["worker"], rows)
    yield from _gauges(workers)
    yield from _inputs(workers)
    yield from _rules(workers)


def _gauges(workers: list[WorkerSample]) -> Iterator[Metric]:
    rows: tuple[tuple[str, str, list[float]], ...] = (
        ("events_per_second", "Records processed over the last seconds",
         [each.figures.events_per_sec for each in workers]),
        ("key_groups", "Key groups held", [each.key_groups for each in workers]),
        ("exchange_lag", "Offsets of what others have sent and that is not taken yet",
         [each.exchange_lag for each in workers]),
        ("commit_wait_ratio", "Part of the last seconds in which a commit was waited for",
         [each.figures.commit_wait_share for each in workers]),
        ("state_bytes_per_event", "Bytes of the state's changelog for each record processed",
         [each.figures.state_bytes_per_event for each in workers]),
        ("restore_ratio", "Part of the state that is read, while key groups are taken up",
         [_restored(each.figures) for each in workers]),
        ("faulty_definitions", "Definitions that cannot act",
         [len(each.figures.faulty) for each in workers]),
    )  # fmt: skip
    for name, text, values in rows:
        gauge = GaugeMetricFamily(f"summit_worker_{name}", text, labels=["worker"])
        for each, value in zip(workers, values, strict=True):
            gauge.add_metric([each.figures.id], value)
        yield gauge


def _restored(figures: WorkerFigures) -> float:
    if figures.restoring is None:
        return 1.0
    done, total = figures.restoring
    return done / total if total else 1.0


def _inputs(workers: list[WorkerSample]) -> Iterator[Metric]:
    labels = ["worker", "topic", "partition"]
    lag = GaugeMetricFamily("summit_worker_input_lag", "Offsets not yet processed", labels=labels)
    for each in workers:
        for name, behind in each.lags.items():
            topic, partition = split_partition_name(name)
            lag.add_metric([each.figures.id, topic, str(partition)], behind)
    yield lag


def _rules(workers: list[WorkerSample]) -> Iterator[Metric]:
    labels = ["worker", "rule"]
    told: list[tuple[list[str], RuleFigures]] = [
        ([each.figures.id, rule], figures)
        for each in workers
        for rule, figures in each.figures.rules.items()
    ]
    for name, ours, text in _RULE_COUNTERS:
        counter = CounterMetricFamily(f"summit_rule_{name}", text, labels=labels)
        for names, figures in told:
            counter.add_metric(names, getattr(figures, ours))
        yield counter
    for name, text in (("keys", "Keys with unfinished matches"), ("runs", "Unfinished matches")):
        gauge = GaugeMetricFamily(f"summit_rule_{name}", text, labels=labels)
        for names, figures in told:
            gauge.add_metric(names, getattr(figures, name))
        yield gauge
