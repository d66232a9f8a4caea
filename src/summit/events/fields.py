"""Field paths: where a dot path leads in an event.

A path is looked for at the event's root (the members of its JSON value, then the record around
it), then in `metadata`, `data` and `enrichedData`; the first place that has a value (not null)
wins. A path that begins with one of these three names is looked for only there. Names are keys of
maps, never attributes of objects: `__proto__` or `__class__` are names like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from summit.base import limits
from summit.base.errors import Invalid

Path = tuple[str, ...]
Accessor = Callable[[Any], Any]

CONTAINERS: Final = ("metadata", "data", "enrichedData")
TRANSPORT: Final = ("key", "topic", "partition", "offset", "headers", "timestamp")
_ALIASES: Final = {"source": "eventSource", "eventSource": "source"}


class Candidate(NamedTuple):
    """One place to look: a path in the event's value, or in the record around it."""

    place: Literal["value", "record"]
    path: Path


def parse_path(text: str) -> Path:
    """Split a dot path; a part that is a number also stands for a list element (from 0).

    Raises: Invalid("path.invalid").

    >>> parse_path("data.user.name")
    ('data', 'user', 'name')
    """
    parts = tuple(text.split("."))
    check_path(parts)
    return parts


def check_path(path: Path) -> None:
    """Refuse what cannot be a path: empty or over-long parts, too many, quotes, controls.

    Raises: Invalid("path.invalid").
    """
    text = ".".join(path)
    if not all(path):
        raise Invalid("path.invalid", path=text, reason="a part is empty")
    if len(path) > limits.PATH_PARTS_MAX or len(text) > limits.PATH_CHARS_MAX:
        raise Invalid("path.invalid", path=text[:80], reason="it is too long")
    if any(char in '"\\`' or char < " " or "\ud800" <= char <= "\udfff" for char in text):
        raise Invalid("path.invalid", path=text, reason="it holds a quote or control character")


def candidates(path: Path) -> tuple[Candidate, ...]:
    """The places where a path is looked for, in order."""
    if path[0] in CONTAINERS and len(path) > 1:
        return (Candidate("value", path),)
    if path == ("timestamp",):  # event time, which only the root or the record can give
        return (Candidate("value", path), Candidate("record", path))
    places = [Candidate("value", path)]
    if path[0] in _ALIASES:
        places.append(Candidate("value", (_ALIASES[path[0]], *path[1:])))
    if path[0] in TRANSPORT:
        places.append(Candidate("record", path))
    places.extend(Candidate("value", (container, *path)) for container in CONTAINERS)
    return tuple(places)


def walk(value: Any, parts: Path) -> Any:
    """Follow the parts down from a JSON value; None where the way ends."""
    for part in parts:
        if type(value) is dict:
            value = value.get(part)
        elif type(value) is list:
            value = _element(value, part)
        else:
            return None
    return value


def compile_path(path: Path | str) -> Accessor:
    """A function that finds the path in an event's value (a map), None when it is not there.

    Looks in the value only; `Event.get` also knows the record around it.

    >>> compile_path("user.name")({"data": {"user": {"name": "eve"}}})
    'eve'
    """
    parts = parse_path(path) if isinstance(path, str) else path
    ways = tuple(place.path for place in candidates(parts) if place.place == "value")
    root = parts[0]
    simple = len(parts) == 1

    def find(value: Mapping[str, Any]) -> Any:
        if simple:
            found = value.get(root)
            if found is not None:
                return found
        for way in ways:
            found = walk(value, way)
            if found is not None:
                return found
        return None

    return find


def _element(items: list[Any], part: str) -> Any:
    if part.isascii() and part.isdigit() and len(part) <= 9:
        index = int(part)
        if index < len(items):
            return items[index]
    return None
