"""Patterns: a document checked, with every problem named, and lowered to its plan."""

from __future__ import annotations

import re
from collections import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from summit.base.config import suggestion
from summit.documents.action import read_action, read_on_timeout
from summit.documents.available import (
    AFTER_MATCH,
    AFTER_MATCH_STEPS,
    EMITS,
    MATCHINGS,
    OTHER_KINDS,
    PATTERN_FIELDS_LATER,
)
from summit.documents.guide_form import read_conditions, read_window_config
from summit.documents.hashing import document_hash, semantic_hash, window_hash
from summit.documents.head import HEAD_FIELDS, Head, read_head, subject_of
from summit.documents.plan import (
    ActionPlan,
    AfterMatchKind,
    AfterMatchPlan,
    Emit,
    Limits,
    PatternPlan,
    Span,
    StepPlan,
    flat_steps,
)
from summit.documents.predicates import read_where
from summit.documents.problems import Problems
from summit.documents.projection import projected_fields
from summit.documents.rule_tests import RuleTest, read_tests
from summit.documents.section import Section
from summit.documents.steps import Sequence, read_steps, unknown_step
from summit.documents.suppress import read_suppress
from summit.documents.temporal import read_relations
from summit.documents.window_rule import (
    WINDOW_FIELDS,
    finish_window,
    is_window_rule,
    read_window_rule,
)
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.ir import Node, Path
from summit.events.expressions.window_calls import WindowScope

PATTERN_FIELDS: Final = (
    *HEAD_FIELDS, "topics", "groupBy", "where", "steps", "conditions", "windowConfig", "within",
    "allowedLateness", "matching", "strictOrder", "afterMatch", "emit", "limits", "action",
    "severity", "onTimeout", "temporalRelations", "suppress", "tests", *WINDOW_FIELDS,
)  # fmt: skip
_GLOB: Final = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,249}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PatternDocument:
    """A pattern that is free of problems.

    Attributes:
        values: The document as it was given.
    """

    values: Mapping[str, Any]
    plan: PatternPlan
    tests: tuple[RuleTest, ...] = ()
    owner: str | None = field(default=None)
    kind: str = "pattern"

    @property
    def id(self) -> str:
        """The pattern's id."""
        return self.plan.id

    @property
    def warnings(self) -> tuple[str, ...]:
        """Texts to show at registering."""
        return self.plan.warnings

    def to_dict(self) -> dict[str, Any]:
        """The document again, with its kind."""
        return {"kind": self.kind, **self.values}


def validate_pattern(
    values: Mapping[str, Any], *, source: str = "", custom: bool = False
) -> PatternDocument:
    """Check a pattern; without `kind` it is taken to be one.

    Args:
        values: Plain values with the names of the wire.
        source: Where it comes from, for the error's text.
        custom: Whether its action may be a function of Python, which is given beside it.

    Raises: Invalid("document.invalid" or "pattern.not_available") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "pattern", source)
    section = Section(
        values, "", problems, names=PATTERN_FIELDS, later=PATTERN_FIELDS_LATER, noun="pattern"
    )
    head = read_head(section, "pattern")
    if head.id is not None and head.id.startswith(OTHER_KINDS):
        section.note("id", "a pattern's id does not begin with the name of another kind and ':'")
    topics = _read_topics(section)
    group_by = section.paths("groupBy")
    where = _read_stream(section)
    if is_window_rule(values):
        return _validate_window(section, head, topics, group_by, source=source, custom=custom)
    matching = section.choice("matching", MATCHINGS) or "ordered"
    (steps, names), span = _read_sequence(section, ordered=matching == "ordered")
    relations = read_relations(section, names)
    after_match = _read_after_match(section, names)
    lateness_ms = _read_lateness(section)
    bound_ms = span.within_ms or span.gap_ms
    emit, strict_order = _read_release(section, bound_ms)
    limits = _read_limits(section, bound_ms)
    action, on_timeout = _read_actions(
        section, names, topics, bounded=_is_bounded(steps, bound_ms), custom=custom
    )
    suppress = read_suppress(section, group_by, action)
    tests = read_tests(section)
    problems.raise_if_any(subject_of("pattern", values, source))
    assert head.id is not None
    plan = PatternPlan(
        id=head.id, name=head.name or head.id, steps=steps, description=head.description,
        version=head.version, enabled=head.enabled, topics=topics, where=where, group_by=group_by,
        within_ms=span.within_ms, slide_ms=span.slide_ms, gap_ms=span.gap_ms,
        matching=matching, relations=relations,
        strict_order=strict_order, after_match=after_match, emit=emit, limits=limits,
        action=action, on_timeout=on_timeout, suppress=suppress, tags=head.tags,
        lateness_ms=lateness_ms,
        projected=projected_fields(steps, group_by, (action, on_timeout), relations, suppress),
        semantic_hash=semantic_hash(
            steps, where, group_by, span.within_ms, matching=matching, relations=relations,
            slide_ms=span.slide_ms, gap_ms=span.gap_ms,
        ),
        document_hash=document_hash({"kind": "pattern", **values}),
        warnings=_warnings(head, steps, bound_ms or limits.ttl_ms, bool(group_by), action),
    )  # fmt: skip
    return PatternDocument(values, plan, tests, head.owner)


def _validate_window(
    section: Section,
    head: Head,
    topics: tuple[str, ...],
    group_by: tuple[Path, ...],
    *,
    source: str,
    custom: bool,
) -> PatternDocument:
    """The rest of a pattern that is about a window; see `window_rule.py`."""
    values = section.values
    scope = WindowScope()
    reading = read_window_rule(section, scope)
    lateness_ms = _read_lateness(section)
    action, _ = _read_actions(section, scope, topics, bounded=False, custom=custom)
    window = None if reading is None else finish_window(section, reading, scope)
    suppress = read_suppress(section, group_by, action)
    tests = read_tests(section)
    section.problems.raise_if_any(subject_of("pattern", values, source))
    assert head.id is not None
    assert reading is not None
    assert window is not None
    predicate = reading.step.predicate
    assert predicate is not None
    plan = PatternPlan(
        id=head.id,
        name=head.name or head.id,
        steps=(reading.step,),
        description=head.description,
        version=head.version,
        enabled=head.enabled,
        topics=topics,
        group_by=group_by,
        limits=reading.limits,
        action=action,
        suppress=suppress,
        window=replace(window, state_hash=window_hash(window, predicate, group_by, state=True)),
        tags=head.tags,
        lateness_ms=lateness_ms,
        projected=projected_fields((reading.step,), group_by, (action,), suppress=suppress),
        semantic_hash=window_hash(window, predicate, group_by),
        document_hash=document_hash({"kind": "pattern", **values}),
        warnings=_warnings(head, (reading.step,), window.size_ms, bool(group_by), action),
    )
    return PatternDocument(values, plan, tests, head.owner)


def lower_pattern(document: PatternDocument | Mapping[str, Any]) -> PatternPlan:
    """The plan of a pattern.

    Raises: as `validate_pattern`, for plain values.
    """
    if isinstance(document, PatternDocument):
        return document.plan
    return validate_pattern(document).plan


def _read_topics(section: Section) -> tuple[str, ...]:
    topics = section.texts("topics")
    given = section.values.get("topics")
    for number, topic in enumerate(given if isinstance(given, list | tuple) else ()):
        if topic not in topics:
            continue
        place = f"{section.at('topics')}/{number}"
        if not _GLOB.fullmatch(topic):
            section.problems.add(place, f"'{topic}' is no topic name and no glob")
        elif topic.startswith("_") or topic.endswith(".dlq") or topic == "alerts":
            text = f"'{topic}' is not open to rules: internal topics, dead letters and alerts"
            section.problems.add(place, text)
    if section.has("topics") and section.values["topics"] == []:
        section.note("topics", "an empty list reads nothing; leave it out for every topic")
    return topics


def _read_stream(section: Section) -> Node | None:
    """Which events the rule sees."""
    if not section.has("where") or is_window_rule(section.values):
        return None  # a window reads it as what goes in
    return read_where(section.values["where"], section.at("where"), section.problems)


def _read_lateness(section: Section) -> int:
    """`allowedLateness`, or what the guide's `windowConfig` says of it."""
    lateness_ms = section.duration_ms("allowedLateness", least=0) or 0
    config = section.values.get("windowConfig")
    if isinstance(config, Mapping):
        inner = Section(config, section.at("windowConfig"), section.problems, names=config)
        of_window = inner.duration_ms("allowedLatenessMs", least=0)
        if of_window and section.has("allowedLateness"):
            inner.note("allowedLatenessMs", "a pattern says allowedLateness once")
        lateness_ms = lateness_ms or of_window or 0
    return lateness_ms


def _read_actions(
    section: Section,
    names: abc.Sequence[str],
    topics: tuple[str, ...],
    *,
    bounded: bool,
    custom: bool,
) -> tuple[ActionPlan, ActionPlan | None]:
    """What to do with a match, and with a partial match that ran out of time."""
    action = read_action(section, names, custom=custom)
    on_timeout = read_on_timeout(section, names, bounded=bounded)
    for plan, name in ((action, "action"), (on_timeout, "onTimeout")):
        written = None if plan is None else plan.topic
        if written and any(fnmatchcase(written, topic) for topic in topics):
            place = section.at(name) + ("/action" if name == "onTimeout" else "") + "/config/topic"
            section.problems.add(place, f"the pattern reads '{written}' itself; see 'topics'")
    return action, on_timeout


def _read_sequence(section: Section, *, ordered: bool) -> tuple[Sequence, Span]:
    """Steps and what bounds them in time, from either form."""
    values, problems = section.values, section.problems
    within_ms = section.duration_ms("within")
    span = read_window_config(section)
    if section.has("within") and section.has("windowConfig"):
        section.note("windowConfig", "a pattern has either 'within' or 'windowConfig'")
    steps = Sequence((), [])
    if section.has("steps") and section.has("conditions"):
        section.note("conditions", "a pattern has either 'steps' or 'conditions'")
    elif section.has("steps"):
        steps = read_steps(values["steps"], section.at("steps"), problems, ordered=ordered)
    elif section.has("conditions"):
        steps = read_conditions(
            values["conditions"], section.at("conditions"), problems, ordered=ordered
        )
    else:
        problems.add("", "a pattern needs 'steps' (or 'conditions')")
    span = Span(within_ms) if span is None else span
    is_open = span.within_ms is None and span.gap_ms is None
    if steps.steps and steps.steps[-1].relation == "notFollowedBy" and is_open:
        section.note("within", "an absence needs 'within': for so long nothing may come")
    return steps, span


def _read_release(section: Section, within_ms: int | None) -> tuple[Emit, bool]:
    """`emit` and `strictOrder`: which matches come out, and when."""
    emit: Emit = section.choice("emit", EMITS) or "all"
    if emit == "longest" and within_ms is None:
        text = "'emit: longest' needs 'within': a match is the longest when its time is over"
        section.note("emit", text)
    return emit, section.flag("strictOrder", default=False)


def _is_bounded(steps: tuple[StepPlan, ...], within_ms: int | None) -> bool:
    """Whether anything limits a partial match in time."""
    return within_ms is not None or any(
        step.within_ms is not None or _is_bounded(step.group, None) for step in steps
    )


def _read_after_match(section: Section, names: list[str]) -> AfterMatchPlan:
    value = section.values.get("afterMatch")
    if not isinstance(value, Mapping):
        kind: AfterMatchKind | None = section.choice("afterMatch", AFTER_MATCH)
        return AfterMatchPlan(kind or "pastLast")
    pointer = section.at("afterMatch")
    inner = Section(value, pointer, section.problems, names=AFTER_MATCH_STEPS, noun="afterMatch")
    given = [kind for kind in AFTER_MATCH_STEPS if inner.has(kind)]
    if len(given) != 1:
        section.note("afterMatch", "needs one of toFirst and toLast, with a step's name")
        return AfterMatchPlan()
    step = value[given[0]]
    if step not in names:
        inner.note(given[0], *unknown_step(step, names))
        return AfterMatchPlan()
    return AfterMatchPlan(given[0], step)


def _read_limits(section: Section, within_ms: int | None) -> Limits:
    value = section.mapping("limits")
    if value is None:
        return Limits()
    inner = Section(
        value,
        section.at("limits"),
        section.problems,
        noun="limits",
        names=("runsPerKey", "keys", "ttl"),
    )
    ttl_ms = inner.duration_ms("ttl")
    if ttl_ms is not None and within_ms is not None:
        inner.note("ttl", "is for patterns without 'within', which ends what they begin")
    return Limits(
        runs_per_key=inner.whole("runsPerKey", least=1) or Limits().runs_per_key,
        keys=inner.whole("keys", least=1) or Limits().keys,
        ttl_ms=ttl_ms,
    )


def _warnings(
    head: Head,
    steps: tuple[StepPlan, ...],
    bound_ms: int | None,
    keyed: bool,
    action: ActionPlan,
) -> tuple[str, ...]:
    found: list[str] = []
    if not keyed:
        found.append("there is no groupBy: events of all entities are matched together")
    if bound_ms is None:
        loops = [step.name for step in steps if step.times_max != 1]
        if loops:
            text = "without 'within' or 'limits.ttl', step '{}' collects events without end"
            found.append(text.format(loops[0]))
        elif any(step.within_ms is None for step in steps[1:]):
            text = "without 'within' or 'limits.ttl', a match that was begun is kept for ever"
            found.append(text)
    found += _like_references(steps)
    if action.url is not None and action.secret is None:
        found.append("the webhook is called without a signature: there is no 'secret'")
    if not head.enabled:
        found.append("the pattern is not enabled")
    return tuple(found)


def _like_references(steps: Iterable[StepPlan]) -> list[str]:
    """Fields that look like references to a step, such as a step's name with a slip of the pen."""
    flat = list(flat_steps(steps))
    paths = {
        path for step in flat if step.predicate is not None
        for path in required_fields(step.predicate)
    }  # fmt: skip
    found = []
    names = [step.name for step in flat]
    for path in sorted(paths):
        if len(path) > 2 and path[1] in ("first", "last"):
            name, hint = ".".join(path), suggestion(path[0], names)
            found.append(f"'{name}' is a field of the event: no step is called '{path[0]}'{hint}")
    return found
