"""What the stage before the rules counts, by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class StageFigures:
    """Counters since the worker was started.

    Attributes:
        filtered: Events that a filter stopped; `*` where no one filter alone did.
        dropped: Events dropped because a rule with `onError: drop` failed on them.
        faults: Events on which a rule failed, whatever became of them.
        transformed: Events that a transformation changed.
        enriched: What became of look-ups: found, miss, noKey, error.
        routed: Events that a route sent.
    """

    def __init__(self) -> None:
        self.filtered: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self.faults: dict[str, int] = {}
        self.transformed = 0
        self.enriched: dict[str, int] = {}
        self.routed: dict[str, int] = {}

    def count_filtered(self, rule: str) -> None:
        """A filter has stopped an event."""
        self.filtered[rule] = self.filtered.get(rule, 0) + 1

    def count_dropped(self, rule: str) -> None:
        """An event is dropped for a rule that failed on it."""
        self.dropped[rule] = self.dropped.get(rule, 0) + 1

    def count_fault(self, rule: str) -> None:
        """A rule has failed on an event."""
        self.faults[rule] = self.faults.get(rule, 0) + 1

    def count_enriched(self, statuses: Mapping[str, str]) -> None:
        """Look-ups for one event, by rule."""
        for rule, status in statuses.items():
            self.enriched[status] = self.enriched.get(status, 0) + 1
            if status == "error":
                self.count_fault(rule)

    def count_routed(self, rules: Iterable[str]) -> None:
        """Routes have sent an event."""
        for rule in rules:
            self.routed[rule] = self.routed.get(rule, 0) + 1

    def totals(self) -> dict[str, int]:
        """Over all rules, by the names of `WorkerFigures`."""
        return {
            "filtered": sum(self.filtered.values()), "dropped": sum(self.dropped.values()),
            "transformed": self.transformed, "enriched": self.enriched.get("found", 0),
            "routed": sum(self.routed.values()), "stage_faults": sum(self.faults.values()),
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """By the names of the wire."""
        return {
            "filtered": dict(self.filtered), "dropped": dict(self.dropped),
            "faults": dict(self.faults), "transformed": self.transformed,
            "enriched": dict(self.enriched), "routed": dict(self.routed),
        }  # fmt: skip
