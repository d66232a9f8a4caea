"""What a pattern document becomes: a frozen plan that the matcher compiles.

Only data: predicates are expression trees, durations are milliseconds. The matcher reads
nothing but this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from summit.documents.window_plan import WindowPlan
from summit.events.expressions.ir import Node, Path

Relation = Literal["next", "followedBy", "followedByAny", "notNext", "notFollowedBy"]
Contiguity = Literal["strict", "relaxed", "any"]
AfterMatchKind = Literal["noSkip", "toNext", "pastLast", "toFirst", "toLast"]
Emit = Literal["all", "first", "longest"]
Matching = Literal["ordered", "unordered"]
ActionType = Literal["alert", "aggregate", "forward", "trigger", "custom"]
TemporalKind = Literal[
    "before", "after", "meets", "overlaps", "during", "starts", "finishes", "equals"
]
AggregateFunction = Literal[
    "count", "sum", "avg", "min", "max", "stddev", "variance", "percentile", "distinct"
]


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step. Exactly one of `predicate` and `group` is set.

    Attributes:
        name: Unique in the pattern.
        relation: To the step before; without meaning on the first step (always `followedBy`).
        predicate: Must be true of an event for the step to take it.
        times_min: At least 1.
        times_max: None = without limit.
        contiguity: Between the repetitions of a loop.
        within_ms: Half-open limit since the step before, or None.
    """

    name: str
    relation: Relation = "followedBy"
    predicate: Node | None = None
    times_min: int = 1
    times_max: int | None = 1
    contiguity: Contiguity = "relaxed"
    optional: bool = False
    greedy: bool = False
    until: Node | None = None
    within_ms: int | None = None
    group: tuple[StepPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class AfterMatchPlan:
    """Which runs and matches an emitted match removes; `step` only for toFirst and toLast."""

    kind: AfterMatchKind = "pastLast"
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the state; what they cut is counted.

    Attributes:
        ttl_ms: A key is forgotten when its rule has taken no event of it for so long, in event
            time; None = never. For rules without `within`.
    """

    runs_per_key: int = 1_000
    keys: int = 1_000_000
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TemplatePlan:
    """A text with holes: parts are constant text or a field or step reference."""

    text: str
    parts: tuple[str | Node, ...]


@dataclass(frozen=True, slots=True)
class TemporalPlan:
    """How the intervals of the events of two steps must lie to each other, in every match.

    Attributes:
        first, second: Names of the two steps.
        diff_ms_max: Most that lies between them (inclusive): from the end of the one to the start
            of the other for before and after, between their starts for all others.
    """

    kind: TemporalKind
    first: str
    second: str
    diff_ms_max: int | None = None


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One figure over the events of a match.

    Attributes:
        name: Its name in the result.
        field: None only for count: then every event counts.
        percent: Of a percentile, 0 to 100.
    """

    name: str
    function: AggregateFunction
    field: Path | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """What to do with a match.

    Attributes:
        severity: Of the alert; None = the highest severity among the events, else info.
        severity_rules: (severity, what must hold of the match): the first that holds wins
            over `severity`.
        title: None = "Pattern Match: <name>".
        notify: Ids of notification documents.
        fields: Event fields copied into the alert.
        technique: What the attacker does, in words; ATT&CK ids are tags.
        topic: Where forwarded events, or aggregates, go.
        record_key: The key of forwarded records; None = that of nobody.
        group_by: Field paths by which the events of a match are grouped to be aggregated.
        pattern: Id of the pattern that is started.
        url: The webhook that is called.
        secret: Reference to the secret that signs the call: `${NAME}` or `file:PATH`.
    """

    type: ActionType = "alert"
    severity: str | None = None
    severity_rules: tuple[tuple[str, Node], ...] = ()
    title: TemplatePlan | None = None
    description: TemplatePlan | None = None
    notify: tuple[str, ...] = ()
    runbook: str | None = None
    fields: tuple[Path, ...] = ()
    technique: str | None = None
    topic: str | None = None
    record_key: TemplatePlan | None = None
    group_by: tuple[Path, ...] = ()
    aggregations: tuple[Aggregation, ...] = ()
    pattern: str | None = None
    url: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class SuppressPlan:
    """An alert stands for others of its rule that have these values in common.

    Attributes:
        by: Fields of the key or of the matched events, the latest that has it. An alert that
            lacks one of them is never suppressed.
        for_ms: How long, in event time, from the alert that stands.
    """

    by: tuple[Path, ...]
    for_ms: int


class Span(NamedTuple):
    """What bounds the events of a match in time; see `PatternPlan`."""

    within_ms: int | None = None
    slide_ms: int | None = None
    gap_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PatternPlan:
    """One pattern, checked and lowered.

    Attributes:
        topics: Names or globs; empty = every user topic.
        where: The rule's own stream: an event for which it is not true does not exist for
            this rule, also not for strict relations. None = every event of the topics.
        group_by: Field paths of the key; empty = one global group. An event that lacks one of
            them (missing or null) is skipped and counted.
        within_ms: Half-open limit from the first to the last event of a match, or None.
        slide_ms: All events of a match lie in one window of that length which begins at a multiple
            of this since 1970, instead; None = no such windows.
        gap_ms: All events of a match lie in one session of its key: none is further than this from
            an event of a step before it; None = no sessions.
        matching: Whether the steps come in their order, or in any.
        strict_order: Release matches in the order of their starts, as Flink does.
        on_timeout: What to do with partial matches that ran out of time; None = nothing.
        window: Of a pattern without order: then its one step says which events go in.
        lateness_ms: How long after its time an event still counts, where events are taken in the
            order of their times; what it changes is told as a correction.
        projected: Every event field that predicates on runs, key, templates or alert fields
            read from captured events.
        semantic_hash: Over steps, windows, keys and time only: part of the alert id.
        document_hash: Over the whole document.
        warnings: Texts to show at registering.
    """

    id: str
    name: str
    steps: tuple[StepPlan, ...]
    description: str = ""
    version: int | str | None = None
    enabled: bool = True
    topics: tuple[str, ...] = ()
    where: Node | None = None
    group_by: tuple[Path, ...] = ()
    within_ms: int | None = None
    slide_ms: int | None = None
    gap_ms: int | None = None
    matching: Matching = "ordered"
    relations: tuple[TemporalPlan, ...] = ()
    strict_order: bool = False
    after_match: AfterMatchPlan = AfterMatchPlan()
    emit: Emit = "all"
    limits: Limits = Limits()
    action: ActionPlan = ActionPlan()
    suppress: SuppressPlan | None = None
    on_timeout: ActionPlan | None = None
    window: WindowPlan | None = None
    tags: tuple[str, ...] = ()
    lateness_ms: int = 0
    projected: tuple[Path, ...] = ()
    semantic_hash: str = ""
    document_hash: str = ""
    warnings: tuple[str, ...] = ()


def flat_steps(steps: Iterable[StepPlan]) -> Iterator[StepPlan]:
    """The steps that take events, or must not: groups are opened."""
    for step in steps:
        if step.group:
            yield from flat_steps(step.group)
        else:
            yield step
