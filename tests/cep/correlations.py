"""Correlation rules in tests, and the plainest correlator one can write, to compare with."""

from __future__ import annotations

from typing import Any

from tests.cep.plans import event

from summit.cep.correlation_lane import CorrelationLane
from summit.cep.correlation_rules import prepare_correlation
from summit.cep.groups import Correlation
from summit.documents.correlation import CorrelationPlan, validate_correlation
from summit.keyed.chunks import Chunk
from summit.keyed.keys import key_text, make_key
from summit.keyed.outputs import StateKey
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set

Sent = tuple[int, int, str, dict[str, Any]]  # partition, time, type, other fields
Told = tuple[Any, list[int], int, int, int, str | None]  # key, offsets, count, start, end, reason


def rule(**fields: Any) -> CorrelationPlan:
    given = {"id": "r", "correlationKey": "k", **fields}
    if "window" not in given:
        given.setdefault("timeWindow", 10)
    return validate_correlation(given).plan


def correlator_of(plans: list[CorrelationPlan], event_bytes_max: int = 16_384) -> Processor:
    rules = [prepare_correlation(plan) for plan in plans]
    return Processor(make_rule_set(rules, captured_bytes_max=event_bytes_max))


def open_groups(processor: Processor, key: StateKey) -> list[Correlation]:
    (lane,) = processor.lanes
    assert isinstance(lane, CorrelationLane)
    return lane.open_groups(key.key)


def chunks(sent: list[Sent], first: int = 0) -> list[Chunk]:
    """One chunk per event: how records are cut may not matter, the reference test cuts them too."""
    return [
        Chunk("t", partition, [first + n], [0], [event(kind, time, **fields)])
        for n, (partition, time, kind, fields) in enumerate(sent)
    ]


def told(correlations: list[Correlation]) -> list[Told]:
    return [
        (c.key, [e.offset for e in c.events], c.count, c.start_ms, c.end_ms, c.close_reason)
        for c in correlations
    ]


def correlated(
    plan: CorrelationPlan, *sent: Sent, until: int | None = None
) -> tuple[list[Told], dict[str, int]]:
    """What is told, and the counters of the rule."""
    correlator = correlator_of([plan])
    found = correlator.apply(chunks(list(sent)), until)
    return told(found.outputs.found), correlator.rule_stats()[f"correlation:{plan.id}"]


class Plain:
    """Every group is looked at for every event; nothing is remembered but the groups."""

    def __init__(self, plan: CorrelationPlan) -> None:
        self.plan = plan
        self.reached: dict[int, int] = {}
        self.open: list[dict[str, Any]] = []
        self.told: list[Told] = []
        self.counts = dict.fromkeys(
            ("taken", "without_key", "beyond_max", "opened", "completed", "incomplete", "evicted"),
            0,
        )

    def take(self, offset: int, sent: Sent) -> None:
        partition, own, kind, fields = sent
        time = max(own, self.reached.get(partition, own))
        self.reached[partition] = time
        self.close_until(min(self.reached.values()))
        plan = self.plan
        if plan.types is not None and kind not in plan.types:
            return
        paths = [p.path or dict(p.by_type).get(kind) or dict(p.by_type).get("*") for p in plan.keys]
        key = make_key([fields.get(path[0]) if path else None for path in paths])
        if key is None:
            self.counts["without_key"] += 1
            return
        self.counts["taken"] += 1
        group = self.group_for(key_text(key), key, time)
        group["count"] += 1
        group["kinds"].add(kind)
        group["end"] = max(group["end"], time)
        if len(group["offsets"]) < plan.max_events:
            group["offsets"].append(offset)
        else:
            self.counts["beyond_max"] += 1
        if group["count"] >= plan.max_events and not plan.caps:
            self.close(group, "max")
        elif self.enough(group) and not group["told"]:
            group["told"] = True
            self.counts["completed"] += 1
            self.tell(group, None)
        while (
            len(self.open) > plan.groups_max
            or sum(len(group["offsets"]) for group in self.open) > plan.events_max
        ):
            self.counts["evicted"] += 1
            self.close(min(self.open, key=self.order), "evicted")

    def close_until(self, now: float) -> None:
        for group in sorted(self.open, key=self.order):
            if self.over(group) <= now:
                by_gap = self.by_gap(group)
                self.close(group, "gap" if by_gap < self.by_window(group) else "window")

    def group_for(self, text: str, key: Any, time: int) -> dict[str, Any]:
        plan = self.plan
        own = sorted((g for g in self.open if g["text"] == text), key=lambda g: g["start"])
        for group in own:
            ahead = group["start"] - time  # more than 0: the event is older than the group
            fits = (plan.gap_ms is None or ahead <= plan.gap_ms) and (
                plan.window_ms is None or ahead < plan.window_ms
            )
            if (ahead > 0 and fits) or (ahead <= 0 and time < self.over(group)):
                return group
        group = {
            "text": text, "key": key, "start": time, "end": time, "count": 0, "offsets": [],
            "kinds": set(), "told": False,
        }  # fmt: skip
        self.counts["opened"] += 1
        self.open.append(group)
        return group

    def by_window(self, group: dict[str, Any]) -> float:
        return group["start"] + (
            float("inf") if self.plan.window_ms is None else self.plan.window_ms
        )

    def by_gap(self, group: dict[str, Any]) -> float:
        return float("inf") if self.plan.gap_ms is None else group["end"] + self.plan.gap_ms + 1

    def over(self, group: dict[str, Any]) -> float:
        return min(self.by_window(group), self.by_gap(group))

    def order(self, group: dict[str, Any]) -> tuple[float, str, int]:
        return self.over(group), group["text"], group["start"]

    def enough(self, group: dict[str, Any]) -> bool:
        return group["count"] >= self.plan.min_events and group["kinds"] >= set(
            self.plan.require_types
        )

    def close(self, group: dict[str, Any], reason: str) -> None:
        self.open.remove(group)
        if not self.enough(group):
            self.counts["incomplete"] += 1
            return
        if not group["told"]:
            self.counts["completed"] += 1
        self.tell(group, reason)

    def tell(self, group: dict[str, Any], reason: str | None) -> None:
        key = group["key"]
        values = (key,) if isinstance(key, str) else tuple(
            part[0] if isinstance(part, tuple) else part for part in key
        )  # fmt: skip
        self.told.append(
            (values, list(group["offsets"]), group["count"], group["start"], group["end"], reason)
        )
