"""Collectors: only what all of them share is checked here; each type knows its own options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.available import COLLECTOR_TYPES
from summit.documents.head import HEAD_FIELDS, read_head, read_id, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section

PLUGIN: Final = "plugin:"  # before the name of a plugin's type
_NOT_OPTIONS: Final = frozenset(HEAD_FIELDS) - {"name"}


@dataclass(frozen=True, slots=True)
class CollectorDocument:
    """A collector whose common fields are right.

    Attributes:
        values: The document as it was given.
        config: Its configuration: `name`, `type`, `topic` and whatever else stands there, to be
            checked by the collector's own type.
    """

    values: Mapping[str, Any]
    id: str
    config: Mapping[str, Any]
    enabled: bool = True
    kind: str = "collector"

    def to_dict(self) -> dict[str, Any]:
        """The document again, with its kind."""
        return {"kind": self.kind, **self.values}


def validate_collector(values: Mapping[str, Any], *, source: str = "") -> CollectorDocument:
    """Check the common part; a document without `id` has its `name` as id, and the other way.

    Raises: Invalid("document.invalid") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "collector", source)
    given = dict(values)
    for name, other in (("id", "name"), ("name", "id")):
        if given.get(name) is None and given.get(other) is not None:
            given[name] = given[other]
    section = Section(given, "", problems, names=given, noun="collector")
    head = read_head(section, "collector")
    read_id(section, "name")
    section.text("topic", required=True)
    if not section.has("type"):
        section.note("type", "a collector needs 'type'")
    # Which plugins there are knows only who is to run them.
    if not str(given.get("type", "")).startswith(PLUGIN):
        section.choice("type", COLLECTOR_TYPES)
    problems.raise_if_any(subject_of("collector", given, source))
    assert head.id is not None
    config = {name: value for name, value in given.items() if name not in _NOT_OPTIONS}
    return CollectorDocument(values, head.id, config, head.enabled)
