"""Correlation rules: checked, with every problem at its place, and lowered to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from summit.base.limits import CORRELATION_EVENTS_DEFAULT, CORRELATION_EVENTS_MAX
from summit.documents.checked import CheckedDocument
from summit.documents.hashing import document_hash
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.linking import Linking, read_linking
from summit.documents.problems import Problems, join_pointer
from summit.documents.rule_tests import EXPECTED_OF_CORRELATION, read_tests
from summit.documents.section import Section
from summit.events.expressions.ir import Path

ANY_TYPE: Final = "*"
LINKED_STATE_ID_END: Final = "/linked"
_GROUPS_DEFAULT: Final = 100_000  # open at a time; about 100 MB with ten small events each
_EVENTS_DEFAULT: Final = 1_000_000
CORRELATION_FIELDS: Final = (
    *HEAD_FIELDS, "topics", "eventTypes", "correlationKey", "correlationKeys", "linkedBy",
    "hubs", "timeWindow", "window", "gap", "minEvents", "maxEvents", "onMax", "requireTypes",
    "limits", "tests",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of the key.

    Attributes:
        path: Where it stands in every event; None = it depends on the event's type.
        by_type: Then, where it stands; the type `*` is for all others.
    """

    path: Path | None = None
    by_type: tuple[tuple[str, Path], ...] = ()

    def path_for(self, event_type: str) -> Path | None:
        """Where it stands in events of a type; None = they have none."""
        if self.path is not None:
            return self.path
        named = dict(self.by_type)
        return named.get(event_type, named.get(ANY_TYPE))


@dataclass(frozen=True, slots=True)
class CorrelationPlan:
    """A correlation rule, checked.

    Attributes:
        keys: Parts of the key; a rule that links events may have none.
        linking: By what events of one key are linked into groups; None = all of them are in one.
        topics: Names or globs; empty = every user topic.
        types: Values of `eventType`; None = every type.
        window_ms: A group closes so long after its first event (half-open); None = by its gap only.
        gap_ms: Of a session: how long after its last event an event still joins (inclusive).
        min_events: From so many events on a group is told.
        max_events: How many events a group keeps.
        caps: Whether a group beyond that counts on, and closes by time only.
        require_types: A group is told only when it has seen each of them.
        groups_max: Groups open at a time; beyond, the one that would close next is closed.
        events_max: Events that all open groups keep; likewise.
        state_id: The same for as long as the rule means the same.
    """

    id: str
    name: str
    keys: tuple[KeyPart, ...]
    types: tuple[str, ...] | None = None
    topics: tuple[str, ...] = ()
    window_ms: int | None = None
    gap_ms: int | None = None
    min_events: int = 1
    max_events: int = CORRELATION_EVENTS_DEFAULT
    caps: bool = False
    require_types: tuple[str, ...] = ()
    groups_max: int = _GROUPS_DEFAULT
    events_max: int = _EVENTS_DEFAULT
    enabled: bool = True
    linking: Linking | None = None
    state_id: str = ""


class CorrelationDocument(CheckedDocument[CorrelationPlan]):
    """A correlation rule that is free of problems."""

    kind = "correlation"


def validate_correlation(values: Mapping[str, Any], *, source: str = "") -> CorrelationDocument:
    """Check a correlation rule.

    Raises: Invalid("document.invalid") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "correlation", source)
    section = Section(values, "", problems, names=CORRELATION_FIELDS, noun="correlation")
    head = read_head(section, "correlation")
    types = _types(section)
    linking = read_linking(section)
    keys = _keys(section, types)
    window_ms, gap_ms = _times(section)
    max_events = section.whole("maxEvents", least=1, most=CORRELATION_EVENTS_MAX)
    most = max_events or CORRELATION_EVENTS_DEFAULT
    min_events = section.whole("minEvents", least=1) or 1
    caps = section.choice("onMax", ("close", "cap")) == "cap"
    if min_events > most and not caps:
        text = f"no group would be told: it closes at {most} events; raise 'maxEvents'"
        section.note("minEvents", text)
    required = section.texts("requireTypes")
    for place, name in enumerate(required):
        if types is not None and name not in types:
            text = f"'{name}' is none of the eventTypes, so no group would be told"
            problems.add(join_pointer(section.at("requireTypes"), place), text)
    if len(required) > most and not caps:
        section.note("requireTypes", f"a group closes at {most} events, before it can have all")
    limits = _limits(section)
    tests = read_tests(section, EXPECTED_OF_CORRELATION)
    problems.raise_if_any(subject_of("correlation", values, source))
    assert head.id is not None
    plan = CorrelationPlan(
        head.id, head.name or head.id, keys, types, section.texts("topics"), window_ms, gap_ms,
        min_events, most, caps, tuple(sorted(required)), *limits, head.enabled,
        linking,
    )  # fmt: skip
    plan = replace(plan, state_id=_state_id(plan))
    return CorrelationDocument(values, head.id, head.enabled, plan, tests)


def _types(section: Section) -> tuple[str, ...] | None:
    """The event types, None = every one."""
    found = section.texts("eventTypes")
    for place, name in enumerate(found):
        if "*" in name and name != ANY_TYPE:
            text = f"'{name}': a type is named in full; '*' alone stands for every type"
            section.problems.add(join_pointer(section.at("eventTypes"), place), text)
    if section.has("eventTypes") and not found and not section.problems.found:
        section.note("eventTypes", "must name a type; '*' stands for every type")
    return None if not found or ANY_TYPE in found else found


def _keys(section: Section, types: tuple[str, ...] | None) -> tuple[KeyPart, ...]:
    one, several = section.has("correlationKey"), section.has("correlationKeys")
    if section.has("linkedBy") and not one and not several:
        return ()
    if one == several:
        text = "a correlation needs one of 'correlationKey', 'correlationKeys' and 'linkedBy'"
        section.note("correlationKey", text)
        return ()
    if section.has("correlationKey"):
        given = [(section.values["correlationKey"], section.at("correlationKey"))]
    else:
        given = list(section.items("correlationKeys"))
        if not given and isinstance(section.values["correlationKeys"], (list, tuple)):
            section.note("correlationKeys", "must name a field path")
    parts = (_key(section, value, pointer, types) for value, pointer in given)
    return tuple(part for part in parts if part is not None)


def _key(
    section: Section, value: Any, pointer: str, types: tuple[str, ...] | None
) -> KeyPart | None:
    if not isinstance(value, Mapping):
        path = section.path_of(value, pointer)
        return None if path is None else KeyPart(path)
    by_type = []
    for name, text in value.items():
        path = section.path_of(text, join_pointer(pointer, name))
        if types is not None and name not in (*types, ANY_TYPE):
            section.problems.add(join_pointer(pointer, name), f"'{name}' is none of the eventTypes")
        if path is not None:
            by_type.append((name, path))
    missing = [name for name in types or () if name not in value and ANY_TYPE not in value]
    if missing or not value:
        text = f"names no path for {missing[0]!r}" if missing else "must name a path for each type"
        section.problems.add(pointer, text)
    return KeyPart(None, tuple(sorted(by_type)))


def _times(section: Section) -> tuple[int | None, int | None]:
    """How long a group is open since its first event, and since its last."""
    is_session = section.choice("window", ("fixed", "session")) == "session"
    window_ms = section.duration_ms("timeWindow", required=not is_session)
    gap_ms = section.duration_ms("gap", required=is_session)
    if section.has("gap") and not is_session:
        section.note("gap", "belongs to window: session")
    return window_ms, gap_ms if is_session else None


def _limits(section: Section) -> tuple[int, int]:
    """How many groups and events are kept."""
    known = (_GROUPS_DEFAULT, _EVENTS_DEFAULT)
    value = section.mapping("limits")
    if value is None:
        return known
    inner = Section(
        value, section.at("limits"), section.problems, names=("groups", "events"), noun="limits"
    )
    groups, events = inner.whole("groups", least=1), inner.whole("events", least=1)
    return groups or known[0], events or known[1]


def _state_id(plan: CorrelationPlan) -> str:
    """Over what decides which events make a group: not its name, nor how many are kept."""
    meaning = asdict(plan)
    for word in ("name", "groups_max", "events_max", "enabled", "state_id"):
        del meaning[word]
    if plan.linking is None:
        del meaning["linking"]
    meaning["types"] = None if plan.types is None else sorted(plan.types)
    meaning["topics"] = sorted(plan.topics)
    end = "" if plan.linking is None else LINKED_STATE_ID_END
    return document_hash(meaning) + end
