"""What is doubtful about a definition that is right by itself: what it names is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from summit.base.clock import Clock
from summit.documents import validate_enrichment
from summit.documents.query_plan import QueryPlan
from summit.flow.kinds import RULE_KINDS
from summit.flow.rules import rules_of
from summit.journal.definition_log import DefinitionLog
from summit.sources.reachable import doubts_about

_NOT_MEANT: Final = ("tests",)  # their events may have fields of any name
_NOTHING_LATE: Final = (
    "allowedLateness changes nothing for topics that are read in the order of arrival, where"
    " nothing is late; a stream with 'order: eventTime' is for them"
)


async def doubts_of(
    document: Mapping[str, Any], log: DefinitionLog, servers: Sequence[str], clock: Clock
) -> list[str]:
    """Texts to show to whoever registers a definition; it is in force all the same.

    Args:
        document: Checked.
        log: With the definition in it.
    """
    doubts = unknown_notifications(document, log)
    kind = document.get("kind")
    if kind == "enrichment":
        doubts += await doubts_about(validate_enrichment(document).plan, servers, clock)
    elif kind in RULE_KINDS:
        plan = RULE_KINDS[kind].validate(document).plan
        doubts += [*_unknown_target(plan, log), *_never_late(plan, log)]
    return doubts


def unknown_notifications(document: Mapping[str, Any], log: DefinitionLog) -> list[str]:
    """A text where a document names notifications, wherever in it, that are not there."""
    named = dict.fromkeys(_under_notify(document))
    unknown = [name for name in named if log.get("notification", name) is None]
    if not unknown:
        return []
    return [
        f"no notification is called {', '.join(unknown)}: as long as that is so, nobody is told"
    ]


def _under_notify(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "notify" and isinstance(inner, list | tuple):
                yield from (each for each in inner if isinstance(each, str))
            elif name not in _NOT_MEANT:
                yield from _under_notify(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _under_notify(inner)


def _unknown_target(plan: Any, log: DefinitionLog) -> list[str]:
    actions = (getattr(plan, name, None) for name in ("action", "on_timeout"))
    names = [action.pattern for action in actions if action is not None and action.pattern]
    return [
        f"it starts the pattern '{name}', which is not there" for name in names
        if log.get("pattern", name) is None
    ]  # fmt: skip


def _never_late(plan: Any, log: DefinitionLog) -> list[str]:
    is_query = isinstance(plan, QueryPlan)  # whose windows can be late in any order
    if is_query or not getattr(plan, "lateness_ms", 0):
        return []
    ordered = [stream for stream in rules_of(log.current("stream")).streams if stream.is_ordered]
    named = [topic for topic in plan.topics if not set(topic) & set("*?[!")]
    if not ordered or any(not any(s.has(topic) for s in ordered) for topic in named):
        return [_NOTHING_LATE]
    return []
