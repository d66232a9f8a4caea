"""What an analytics query becomes: a frozen plan that the analytics room compiles. Only data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from summit.documents.plan import TemplatePlan
from summit.events.expressions.ir import Node, Path

WindowKind = Literal["tumbling", "hopping", "sliding", "session", "count", "global"]
Function = Literal[
    "count", "sum", "avg", "min", "max", "stddev", "variance", "percentile", "median", "rate",
    "distinct", "first", "last", "topK", "mode", "collect", "ratio",
]  # fmt: skip
FUNCTIONS: Final[tuple[Function, ...]] = (
    "count", "sum", "avg", "min", "max", "stddev", "variance", "percentile", "median", "rate",
    "distinct", "first", "last", "topK", "mode", "collect", "ratio",
)  # fmt: skip
GROUPS_DEFAULT: Final = 100_000
EVENTS_DEFAULT: Final = 10_000
IDLE_DEFAULT_MS: Final = 86_400_000
EARLY_DEFAULT_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Over which events a result is made.

    Attributes:
        kind: `tumbling`; `hopping` (starts every `slide_ms`); `sliding` (one that ends with each
            event); `session`; `count` (of `count` events, every `step`); `global`.
        size_ms: Of a session the longest it may be, or None.
        offset_ms: Windows start at multiples of the slide plus this.
        every_ms, every_count: When a global window is told.
    """

    kind: WindowKind
    size_ms: int | None = None
    slide_ms: int | None = None
    offset_ms: int = 0
    gap_ms: int | None = None
    count: int | None = None
    step: int | None = None
    every_ms: int | None = None
    every_count: int | None = None


@dataclass(frozen=True, slots=True)
class AnomalyAlertPlan:
    """The alert that an anomaly makes; without texts they say what was found.

    Attributes:
        severity: None = by how many times the deviation is its limit.
        severity_min: Deviations of less make none.
        suppress_ms: For so long an alert stands for those of the same group and metric.
    """

    severity: str | None = None
    severity_min: str = "low"
    title: TemplatePlan | None = None
    description: TemplatePlan | None = None
    notify: tuple[str, ...] = ()
    runbook: str | None = None
    suppress_ms: int = 0


@dataclass(frozen=True, slots=True)
class AnomalyPlan:
    """How the values of a metric are judged, by group, one result after the other.

    Attributes:
        alert: What becomes of an anomaly besides its place in the results; None = nothing.
    """

    method: str
    sensitivity: float | None = None
    threshold: float | None = None
    window_size: int | None = None
    period: int | None = None
    alert: AnomalyAlertPlan | None = AnomalyAlertPlan()


@dataclass(frozen=True, slots=True)
class TrendPlan:
    """A line through the last so many results of a metric, by group."""

    results: int = 30
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """One number, or list, of a result.

    Attributes:
        path: The field; None for what counts events or other metrics.
        percent: Of a percentile, 0 to 100.
        nearest: Whether a percentile is the value of rank ceil(n p / 100), not interpolated.
        exact: Whether all values are kept, however many.
        limit: How many entries `topK` and `collect` give.
        sample: Whether `stddev` and `variance` divide by n - 1.
        per_ms: What a rate counts by.
        of: Of a ratio: the names of the two metrics.
    """

    name: str
    function: Function
    path: Path | None = None
    percent: float = 50
    nearest: bool = False
    exact: bool = False
    limit: int = 10
    sample: bool = False
    per_ms: int = 1_000
    of: tuple[str, str] | None = None
    anomaly: AnomalyPlan | None = None
    trend: TrendPlan | None = None


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A query, checked.

    Attributes:
        topics: Names or globs; empty = every user topic.
        types: Values of `eventType`; None = every type.
        predicate: What else an event must satisfy, or None.
        lateness_ms: How long after its end a window is still corrected.
        topic: Where final results go besides the system's own topic, or None.
        groups_max: Groups with state; beyond, those that were quiet for longest are told and go.
        events_max: Events that a group of a per-event or a count window keeps at a time.
        idle_ms: A group without events for so long is forgotten.
        early_ms: How often at most open windows are told as they stand, live; None = never.
        state_id: The same for as long as the query means the same.
    """

    id: str
    name: str
    window: WindowPlan
    metrics: tuple[MetricPlan, ...]
    group_by: tuple[Path, ...] = ()
    types: tuple[str, ...] | None = None
    predicate: Node | None = None
    topics: tuple[str, ...] = ()
    lateness_ms: int = 0
    topic: str | None = None
    groups_max: int = GROUPS_DEFAULT
    events_max: int = EVENTS_DEFAULT
    idle_ms: int = IDLE_DEFAULT_MS
    state_id: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    version: int | str | None = None
    early_ms: int | None = EARLY_DEFAULT_MS
