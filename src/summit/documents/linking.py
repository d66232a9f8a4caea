"""`linkedBy` and `hubs` of a correlation rule: by what events are linked into one group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.problems import join_pointer
from summit.documents.section import Section, kind_name
from summit.events.expressions.ir import Path

LINKS_DEFAULT: Final = 100
# Values that many unrelated events bear, and that say nothing.
IGNORED_DEFAULT: Final = (
    "", "-", "127.0.0.1", "::1", "0.0.0.0", "::", "localhost", "unknown", "null", "N/A",  # noqa: S104
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EntityKind:
    """One kind of what events share, such as `user`, and the fields that name one."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Linking:
    """By what events are linked.

    Attributes:
        kinds: In the order of their names.
        ignore: Values that link nothing: texts, or networks of addresses.
        links_max: How many events with something new a value may bring into a group; then it is a
            hub, which keeps what it has and brings in nothing more.
    """

    kinds: tuple[EntityKind, ...]
    ignore: tuple[str, ...] = IGNORED_DEFAULT
    links_max: int = LINKS_DEFAULT


def read_linking(section: Section) -> Linking | None:
    """Both members of a rule; None where it links nothing."""
    given = section.mapping("linkedBy")
    if given is None:
        if section.has("hubs"):
            section.note("hubs", "belongs to a rule with 'linkedBy'")
        return None
    if not given:
        section.note("linkedBy", "must name a kind of entities and its fields: {user: [user]}")
    pointer = section.at("linkedBy")
    kinds = [_kind(section, str(name), value, pointer) for name, value in sorted(given.items())]
    hubs = section.mapping("hubs") or {}
    inner = Section(
        hubs, section.at("hubs"), section.problems, names=("links", "ignore"), noun="hubs"
    )
    links_max = inner.whole("links", least=1) or LINKS_DEFAULT
    ignore = _ignored(inner) if inner.has("ignore") else IGNORED_DEFAULT
    return Linking(tuple(kinds), ignore, links_max)


def _ignored(section: Section) -> tuple[str, ...]:
    """Texts that are ignored; an empty one is a value like others."""
    found = []
    for value, pointer in section.items("ignore"):
        if isinstance(value, str):
            found.append(value)
        else:
            section.problems.add(pointer, f"must be a text, not {kind_name(value)}")
    return tuple(sorted(set(found)))


def _kind(section: Section, name: str, value: Any, pointer: str) -> EntityKind:
    place = join_pointer(pointer, name)
    given = [value] if isinstance(value, str) else value
    paths: list[Path] = []
    if isinstance(given, (list, tuple)) and given:
        for number, text in enumerate(given):
            at = place if isinstance(value, str) else join_pointer(place, number)
            path = section.path_of(text, at)
            if path is not None:
                paths.append(path)
    else:
        shown = "an empty list" if isinstance(given, (list, tuple)) else kind_name(value)
        if isinstance(value, Mapping):
            shown = "a map"
        section.problems.add(place, f"must be a field path or a list of them, not {shown}")
    return EntityKind(name, tuple(dict.fromkeys(paths)))
