"""Metric rules: conditions on the latest values of metrics, each held for its duration. Pure.

    inactive ──all conditions hold──▶ pending ──each for its duration──▶ firing
        ▲                               │                                  │
        └───────one holds no more───────┴──────────────────────────────────┘

Between two values of a metric the former one counts; one that was measured before the latest
changes nothing any more, and is counted. Each key (a host, a service) has states of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Literal, NamedTuple

from summit.base.errors import Invalid
from summit.base.limits import METRIC_RULE_KEYS_MAX

State = Literal["inactive", "pending", "firing"]

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "gt": lambda value, threshold: value > threshold,
    "gte": lambda value, threshold: value >= threshold,
    "lt": lambda value, threshold: value < threshold,
    "lte": lambda value, threshold: value <= threshold,
    "eq": lambda value, threshold: value == threshold,
    "ne": lambda value, threshold: value != threshold,
}


class MetricCondition(NamedTuple):
    """One condition.

    Attributes:
        operator: One of `OPERATORS`.
        duration_ms: For how long it must hold; 0 = it counts at once.
    """

    metric: str
    operator: str
    threshold: float
    duration_ms: int = 0


class Changed(NamedTuple):
    """A rule came to another state for a key.

    Attributes:
        values: Of its metrics, as they were then.
    """

    rule: str
    key: Hashable
    state: State
    at_ms: int
    values: dict[str, float]


class _Held:
    """What is known of one rule and key."""

    __slots__ = ("measured", "since", "state", "values")

    def __init__(self, count: int) -> None:
        self.values: dict[str, float] = {}
        self.measured: dict[str, int] = {}  # when, by metric
        self.since: list[int | None] = [None] * count  # when each condition came true
        self.state: State = "inactive"


class MetricRules:
    """The states of all rules.

    Attributes:
        evicted: Keys that were forgotten because there were too many: the longest unheard of.
        late: Values that were measured before the latest one; for each rule that has the metric.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Sequence[MetricCondition]] = {}
        self._held: dict[tuple[str, Hashable], _Held] = {}
        self.evicted = 0
        self.late = 0

    def set_rule(self, rule: str, conditions: Sequence[MetricCondition]) -> None:
        """Go by these conditions; what was known of the rule is forgotten."""
        self.remove_rule(rule)
        self._rules[rule] = conditions

    def remove_rule(self, rule: str) -> None:
        """Forget a rule."""
        self._rules.pop(rule, None)
        for name in [name for name in self._held if name[0] == rule]:
            del self._held[name]

    def observe(self, metric: str, value: float, key: Hashable, at_ms: int) -> list[Changed]:
        """Take a value; what has changed of its key by it, and by the time until then.

        Raises: Invalid("alert.metric_invalid") for what is no finite number.
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Invalid("alert.metric_invalid", name=metric, reason=f"{value!r} is no number")
        if not math.isfinite(value):
            raise Invalid("alert.metric_invalid", name=metric, reason=f"it is {value}")
        changed: list[Changed] = []
        for rule, conditions in self._rules.items():
            if any(condition.metric == metric for condition in conditions):
                held = self._of(rule, key, len(conditions))
                if at_ms < held.measured.get(metric, at_ms):
                    self.late += 1
                    continue
                held.measured[metric] = at_ms
                if held.state == "pending":  # it may have held for long enough before this value
                    changed += self._look(rule, key, held, at_ms)
                held.values[metric] = value
                for number, condition in enumerate(conditions):
                    if condition.metric == metric:
                        holds = OPERATORS[condition.operator](value, condition.threshold)
                        if not holds:
                            held.since[number] = None
                        elif held.since[number] is None:
                            held.since[number] = at_ms
                changed += self._look(rule, key, held, at_ms)
        return changed

    def advance(self, now_ms: int) -> list[Changed]:
        """What has changed because time has passed, in the order in which it did."""
        changed = []
        for (rule, key), held in list(self._held.items()):
            if held.state == "pending":
                changed += self._look(rule, key, held, now_ms)
        return sorted(changed, key=lambda each: each.at_ms)

    def state(self, rule: str, key: Hashable) -> State:
        """Of a rule, for a key."""
        held = self._held.get((rule, key))
        return "inactive" if held is None else held.state

    def is_over(self, rule: str, key: Hashable) -> bool:
        """Whether a condition of the rule is known not to hold; no value is no such knowledge."""
        held = self._held.get((rule, key))
        if held is None:
            return False
        pairs = zip(self._rules[rule], held.since, strict=True)
        return any(since is None and each.metric in held.values for each, since in pairs)

    def pending(self) -> list[tuple[str, Hashable]]:
        """Rules and keys whose conditions hold, not long enough yet."""
        return [name for name, held in self._held.items() if held.state == "pending"]

    @property
    def next_due_ms(self) -> int | None:
        """When something fires if nothing else comes; None = never."""
        due = [
            self._due(rule, held)
            for (rule, _), held in self._held.items()
            if held.state == "pending"
        ]
        return min(due, default=None)

    def _of(self, rule: str, key: Hashable, count: int) -> _Held:
        held = self._held.pop((rule, key), None) or _Held(count)
        self._held[rule, key] = held  # behind all others: the latest heard of
        if len(self._held) > METRIC_RULE_KEYS_MAX:
            del self._held[next(iter(self._held))]
            self.evicted += 1
        return held

    def _due(self, rule: str, held: _Held) -> int:
        """When the conditions that hold now have held for long enough."""
        pairs = zip(self._rules[rule], held.since, strict=True)
        return max(since + condition.duration_ms for condition, since in pairs if since is not None)

    def _look(self, rule: str, key: Hashable, held: _Held, now_ms: int) -> list[Changed]:
        state: State = "inactive"
        at_ms = now_ms
        if all(since is not None for since in held.since):
            due_ms = self._due(rule, held)
            state = "firing" if held.state == "firing" or due_ms <= now_ms else "pending"
            if state == "firing":
                at_ms = min(now_ms, max(due_ms, *(since or 0 for since in held.since)))
        if state == held.state:
            return []
        held.state = state
        return [Changed(rule, key, state, at_ms, dict(held.values))]
