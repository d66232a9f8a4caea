"""The flow as the definitions describe it, with what workers and brokers tell of it. Pure.

    input topics → workers (parse, match) → key groups → rules → alerts, dead letters
                        └── exchange ──┘        └── state

One description for the command line, the REST service and whatever else shows it. Rates and
counters are those that the workers told last (`WorkerFigures`), lags come from committed offsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from summit.client import TopicPartition
from summit.client.dead_letters import SUFFIX
from summit.flow.describing_rules import rule_rows, stage_rows
from summit.flow.placement import carrier
from summit.flow.rules import Rules
from summit.flow.seeing import Bounds, Member, Seen
from summit.flow.state_cutting import WAITS_OF
from summit.journal.definition_log import Definition
from summit.journal.progress import Progress
from summit.journal.progress_record import (
    AT_LEAST_ONCE,
    EXACTLY_ONCE,
    ProgressRecord,
    partition_name,
)
from summit.journal.topics import ALERTS_TOPIC, EXCHANGE_TOPIC, LATE_TOPIC, STATE_TOPIC
from summit.journal.worker_figures import WorkerFigures
from summit.keyed.keygroups import KEY_GROUPS

_COMPONENTS: Final = (
    ("collectors", AT_LEAST_ONCE,
     "answers when an event is durable; a sender that asks again writes it again"),
    ("inputs", EXACTLY_ONCE, "positions are one transaction with the state: no event counts twice"),
    ("exchange", EXACTLY_ONCE, "events for key groups of other workers, read committed"),
    ("rules", EXACTLY_ONCE, "unfinished matches are part of the same transaction"),
    ("actions", EXACTLY_ONCE,
     "forwarded events, aggregates, starts of patterns and orders to call, in it, too"),
)  # fmt: skip
_OUTPUTS: Final = {
    EXACTLY_ONCE: (
        ("alerts", EXACTLY_ONCE, "for readers of committed records; an id never changes"),
        ("deadLetters", EXACTLY_ONCE, "part of the same transaction"),
    ),
    AT_LEAST_ONCE: (
        ("alerts", AT_LEAST_ONCE,
         "leave before the transaction; after a crash some stand twice, under the same id"),
        ("deadLetters", AT_LEAST_ONCE, "leave with the alerts"),
    ),
}  # fmt: skip
_EFFECTS: Final = (
    "effects", AT_LEAST_ONCE,
    "who acts on alerts elsewhere may see one again; its id is the idempotency key",
)  # fmt: skip
_RESTARTED_MS: Final = 600_000  # for so long after it is warned of that a worker began anew
_NO_FIGURES: Final = WorkerFigures(id="")


class _Worker(NamedTuple):
    """A live member and what it told last, if it told."""

    id: str
    name: str
    host: str
    groups: tuple[int, ...]
    told: ProgressRecord | None

    @property
    def figures(self) -> WorkerFigures:
        return _NO_FIGURES if self.told is None or not self.told.figures else self.told.figures


def describe(
    definitions: list[Definition], rules: Rules, progress: Progress, seen: Seen, now_ms: int
) -> dict[str, Any]:
    """The whole description, by the names of the wire; see the module.

    Args:
        definitions: Those in force.
        rules: What workers make of them.
        seen: What was looked at for the topics that these read.
    """
    workers = _workers(progress, seen)
    owners = {group: worker for worker in workers for group in worker.groups}
    inputs = _inputs(seen, rules, workers, owners)
    guarantee = _weakest(workers)
    figures = [worker.figures for worker in workers]
    rows = rule_rows(definitions, rules, figures, inputs, guarantee, seen.marks)
    exchange = _exchange(seen, workers)
    description = {
        "at": now_ms,
        "guarantee": guarantee,
        "paused": {"topics": rules.paused_topics.wanted, "rules": list(rules.paused)},
        "inputs": inputs,
        "workers": [_worker_row(worker, inputs) for worker in workers],
        "keyGroups": _key_groups(owners),
        "exchange": exchange,
        "stage": stage_rows(definitions, rules, figures),
        "rules": rows,
        "state": _state(seen, workers),
        "outputs": _outputs(seen, guarantee),
        "totals": {
            "lag": sum(row["lag"] for row in inputs),
            "eventsPerSec": round(sum(w.figures.events_per_sec for w in workers), 1),
            "runs": sum(row["runs"] for row in rows),
            "keys": sum(row["keys"] for row in rows),
            "alerts": sum(worker.figures.alerts for worker in workers),
        },
        "components": [
            {"component": name, "guarantee": given, "note": note}
            for name, given, note in (*_COMPONENTS, *_OUTPUTS[guarantee], _EFFECTS)
        ],
    }
    return {**description, "warnings": _warnings(description, progress, workers)}


def _workers(progress: Progress, seen: Seen) -> list[_Worker]:
    told = {
        record.figures.member: record for record in progress.told.values() if record.figures
    }  # fmt: skip
    members = seen.members
    if members is None:  # then those that told last count as alive
        members = [
            Member(record.figures.member, record.worker, record.figures.host, tuple(record.groups))
            for record in told.values() if record.figures
        ]  # fmt: skip
    found = []
    for member in members:
        record = told.get(member.member_id)
        figures = record.figures if record is not None else None
        found.append(
            _Worker(
                member.member_id if figures is None else figures.id,
                member.client_id,
                member.host.lstrip("/") if figures is None else figures.host,
                member.groups,
                record,
            )
        )
    return sorted(found, key=lambda worker: worker.id)


def _weakest(workers: list[_Worker]) -> str:
    """What holds for the alerts of all workers together."""
    told = {worker.told.guarantee for worker in workers if worker.told is not None}
    return AT_LEAST_ONCE if AT_LEAST_ONCE in told else EXACTLY_ONCE


def _worker_row(worker: _Worker, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    figures = worker.figures
    state = "active" if worker.groups else "standby"
    return {
        "id": worker.id, "name": worker.name, "host": worker.host, "pid": figures.pid or None,
        "state": state if figures.restoring is None else "restoring",
        "guarantee": EXACTLY_ONCE if worker.told is None else worker.told.guarantee,
        "restoring": _restoring(figures),
        "keyGroups": spans(worker.groups),
        "keyGroupCount": len(worker.groups),
        "inputs": sum(row["worker"] == worker.id for row in inputs),
        "lag": sum(row["lag"] for row in inputs if row["worker"] == worker.id),
        "toldAt": None if worker.told is None else worker.told.at,
        "startedAt": figures.started_at or None,
        "frontier": figures.frontier_ms,
        "events": figures.events, "eventsPerSec": figures.events_per_sec,
        "matches": figures.matches, "alerts": figures.alerts,
        "suppressed": figures.suppressed, "suppressEvicted": figures.suppress_evicted,
        "correctableEvicted": figures.correctable_evicted,
        "rejected": figures.rejected, "skipped": figures.skipped,
        "undeliverable": figures.undeliverable, "late": figures.late,
        "published": figures.published,
        "calls": figures.calls, "callsFailed": figures.calls_failed,
        "filtered": figures.filtered, "dropped": figures.dropped,
        "transformed": figures.transformed, "enriched": figures.enriched,
        "routed": figures.routed, "stageFaults": figures.stage_faults,
        "commits": figures.commits, "aborts": figures.aborts, "restarts": figures.restarts,
        "commitWaitShare": figures.commit_wait_share,
        "runs": 0 if worker.told is None else worker.told.runs,
        "stateRecords": figures.state_records, "stateBytes": figures.state_bytes,
        "stateBytesPerEvent": round(figures.state_bytes_per_event, 1),
        "exchangeEvents": figures.exchange_events, "exchangeBytes": figures.exchange_bytes,
        "restores": figures.restores, "restoredRecords": figures.restored_records,
        "restoreSeconds": round(figures.restore_ms / 1000, 3),
    }  # fmt: skip


def _restoring(figures: WorkerFigures) -> dict[str, Any] | None:
    if figures.restoring is None:
        return None
    done, total = figures.restoring
    return {"done": done, "total": total, "share": round(done / total, 3) if total else 1.0}


def _inputs(
    seen: Seen,
    rules: Rules,
    workers: list[_Worker],
    owners: Mapping[int, _Worker],
) -> list[dict[str, Any]]:
    rates: dict[str, float] = {}
    for worker in workers:
        for name, rate in worker.figures.inputs.items():
            rates[name] = rates.get(name, 0.0) + rate
    rows = []
    for topic, bounds in sorted(seen.bounds.items()):
        if not rules.filter.reads(topic):
            continue
        for partition, (first, end) in sorted(bounds.items()):
            group = carrier(topic, partition)
            owner = owners.get(group)
            position = seen.positions.get(TopicPartition(topic, partition))
            rows.append(
                {
                    "topic": topic, "partition": partition, "keyGroup": group,
                    "worker": None if owner is None else owner.id,
                    "position": position, "end": end,
                    "lag": max(0, end - max(first, position or 0)),
                    "eventsPerSec": rates.get(partition_name(topic, partition), 0.0),
                    "paused": rules.paused_topics.reads(topic),
                }
            )  # fmt: skip
    return rows


def _key_groups(owners: Mapping[int, _Worker]) -> dict[str, Any]:
    by_worker: dict[str, list[int]] = {}
    for group, worker in sorted(owners.items()):
        by_worker.setdefault(worker.id, []).append(group)
    return {
        "count": KEY_GROUPS,
        "owned": len(owners),
        "owners": {worker: spans(groups) for worker, groups in by_worker.items()},
        "unowned": spans(group for group in range(KEY_GROUPS) if group not in owners),
    }


def _exchange(seen: Seen, workers: list[_Worker]) -> dict[str, Any]:
    lags = {}
    for group, (first, end) in seen.bounds.get(EXCHANGE_TOPIC, {}).items():
        position = seen.positions.get(TopicPartition(EXCHANGE_TOPIC, group), 0)
        lags[group] = max(0, end - max(first, position))
    return {
        "topic": EXCHANGE_TOPIC, "guarantee": EXACTLY_ONCE,
        "lag": sum(lags.values()),
        "partitionsBehind": spans(group for group, lag in lags.items() if lag),
        "events": sum(worker.figures.exchange_events for worker in workers),
        "bytes": sum(worker.figures.exchange_bytes for worker in workers),
    }  # fmt: skip


def _state(seen: Seen, workers: list[_Worker]) -> dict[str, Any]:
    events = sum(worker.figures.events for worker in workers)
    written = sum(worker.figures.state_bytes for worker in workers)
    return {
        "topic": STATE_TOPIC, "guarantee": EXACTLY_ONCE,
        "bytesOnDisk": seen.state_bytes,
        "recordsWritten": sum(worker.figures.state_records for worker in workers),
        "bytesWritten": written,
        "bytesPerEvent": round(written / events, 1) if events else 0.0,
    }  # fmt: skip


def _outputs(seen: Seen, guarantee: str) -> dict[str, Any]:
    # Offsets, not records: the markers of transactions have offsets too.
    letters = [
        {"topic": topic, "offsets": _count(bounds)}
        for topic, bounds in sorted(seen.bounds.items())
        if topic.endswith(SUFFIX) or topic == LATE_TOPIC
    ]
    return {
        "guarantee": guarantee,
        "alerts": {"topic": ALERTS_TOPIC, "offsets": _count(seen.bounds.get(ALERTS_TOPIC, {}))},
        "deadLetters": letters,
    }


def _count(bounds: Bounds) -> int:
    return sum(end - first for first, end in bounds.values())


def _warnings(
    description: Mapping[str, Any], progress: Progress, workers: list[_Worker]
) -> list[str]:
    found = []
    if not workers:
        found.append("no worker runs")
    elif description["keyGroups"]["owned"] < KEY_GROUPS:
        found.append(f"key groups without a worker: {description['keyGroups']['unowned']}")
    if progress.newer is not None:
        found.append(str(progress.newer))
    left_out = sum(worker.figures.rules_left_out for worker in workers)
    if left_out:
        found.append(f"figures of {left_out} rules are not told: the others are busier")
    for worker in workers:
        found += _worker_warnings(worker, description["at"])
    faults = {key: text for worker in workers for key, text in worker.figures.faulty.items()}
    for name, reason in faults.items():
        kind, _, rule = name.partition("/")
        if kind == "backfill":
            found.append(f"the past of rule '{rule}': {reason}")
    for row in description["stage"]:
        if row["state"] == "faulty":
            found.append(f"{row['kind']} '{row['id']}' cannot work: {row['reason']}")
    for row in description["rules"]:
        if row["state"] == "faulty":
            found.append(f"rule '{row['id']}' cannot run: {row['reason']}")
        if row["keysEvicted"] or row["runsEvicted"]:
            found.append(
                f"rule '{row['id']}' dropped {row['keysEvicted']} keys and {row['runsEvicted']}"
                " unfinished matches because of its limits"
            )
    return found


def _worker_warnings(worker: _Worker, now_ms: int) -> list[str]:
    figures = worker.figures
    found = []
    if figures.undeliverable:
        topics = figures.undeliverable_topics.items()
        where = ", ".join(f"{count} for '{topic}'" for topic, count in topics)
        found.append(
            f"worker '{worker.id}' could not write {figures.undeliverable} records, which are lost:"
            f" {where}; its log says why (output.undeliverable)"
        )
    for rule, count in figures.state_cut.items():
        if rule.startswith(WAITS_OF):
            found.append(
                f"worker '{worker.id}' could not save {count} {rule}: they are larger than a"
                " record, and lost where it is restarted or its keys move before their time"
            )
            continue
        found.append(
            f"worker '{worker.id}' has cut state of '{rule}' {count} times: what is kept of one key"
            " (or of all groups that are compared) is larger than a record; lower its limits"
            " (runsPerKey, eventsPerKey, maxEvents), its window, or how many groups there are"
        )
    if figures.restarted is not None and now_ms - figures.restarted[0] < _RESTARTED_MS:
        found.append(
            f"worker '{worker.id}' began anew {figures.restarts} times, last because of:"
            f" {figures.restarted[1]}"
        )
    return found


def spans(numbers: Iterable[int]) -> str:
    """Numbers as people write them.

    >>> spans([5, 0, 1, 2, 7, 8])
    '0-2, 5, 7-8'
    """
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, span)) for span in found)
