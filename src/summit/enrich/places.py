"""Where a path leads in an event's value, to change what is there.

A path is looked for where rules look for it (`events.fields`). A part `*` stands for every element
of a list and every member of a map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from summit.events.fields import Path, candidates

Value = dict[str, Any]
Find = Callable[[Value], "list[Place]"]


class Place(NamedTuple):
    """A member of a map or an element of a list."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        """What is there."""
        return self.holder[self.key]


def compile_find(path: Path) -> Find:
    """Finds the places of the first candidate that has a value (not null); none without one."""
    ways = [(way[0], way) for way in _ways(path)]

    def find(value: Value) -> list[Place]:
        for first, way in ways:
            if first not in value and first != "*":
                continue
            if len(way) == 1 and first != "*":
                if value[first] is not None:
                    return [Place(value, first)]
                continue
            found: list[Place] = []
            _collect(value, way, 0, found, deep=False)
            found = [place for place in found if place.value is not None]
            if found:
                return found
        return []

    return find


def compile_find_everywhere(path: Path) -> Find:
    """Finds the places of all candidates, for what must not stay anywhere.

    Lists on the way are entered, and a name with dots counts as the part of the path that it
    spells. Places that hold null are among them.
    """
    ways = [(_heads(way, 0), way) for way in _ways(path)]

    def find(value: Value) -> list[Place]:
        found: list[Place] = []
        for heads, way in ways:
            for head in heads:
                if len(way) == 1 and head != "*":
                    if head in value:
                        found.append(Place(value, head))
                elif head in value or head == "*":
                    _collect(value, way, 0, found, deep=True)
                    break
        if len(found) < 2:
            return found
        unique = {(id(place.holder), place.key): place for place in found}
        return list(unique.values())

    return find


def _ways(path: Path) -> list[Path]:
    return [candidate.path for candidate in candidates(path) if candidate.place == "value"]


def put(value: Value, path: Path, new: Any) -> str | None:
    """Set a path, counted from the root; maps on the way are made.

    Returns: Why it cannot be, without anything changed; else None.
    """
    holder: Any = value
    last = len(path) - 1
    if not last:
        value[path[0]] = new
        return None
    for number, part in enumerate(path):
        if number == last:
            break
        if type(holder) is dict and type(inner := holder.get(part)) is dict:
            holder = inner
            continue
        index = _key(holder, part)
        if index is None or (type(holder) is list and index == len(holder)):
            return f"'{'.'.join(path[:number])}' has no place for '{part}'"
        inner = holder[index] if type(holder) is list else holder.get(part)
        if inner is None:
            for rest in reversed(path[number + 1 :]):
                new = {rest: new}
            holder[index] = new
            return None
        holder = inner
    key = _key(holder, path[-1])
    if key is None:
        return f"'{'.'.join(path[:-1])}' has no place for '{path[-1]}'"
    if type(holder) is list and key == len(holder):
        holder.append(new)
    else:
        holder[key] = new
    return None


def take(place: Place) -> Any:
    """Remove what is there, and return it."""
    return place.holder.pop(place.key)


def _key(holder: Any, part: str) -> Any:
    """What the part means in a map or list (its end included), None when it is neither."""
    if type(holder) is dict:
        return part
    if type(holder) is list and part.isascii() and part.isdigit() and len(part) <= 9:
        return int(part) if int(part) <= len(holder) else None
    return None


def _heads(path: Path, at: int) -> tuple[str, ...]:
    """The names that may stand for the beginning of the rest of a path."""
    return tuple(".".join(path[at:stop]) for stop in range(at + 1, len(path) + 1))


def _collect_spelled(value: Value, path: Path, at: int, found: list[Place]) -> None:
    for stop, name in enumerate(_heads(path, at)[1:], at + 2):
        if name in value:
            if stop == len(path):
                found.append(Place(value, name))
            else:
                _collect(value[name], path, stop, found, deep=True)


def _collect(value: Any, path: Path, at: int, found: list[Place], *, deep: bool) -> None:
    part, is_last = path[at], at == len(path) - 1
    keys: Any
    if type(value) is dict:
        if part == "*":
            keys = list(value)
        else:
            keys = [part] if part in value else []
            if deep and not is_last:
                _collect_spelled(value, path, at, found)
    elif type(value) is list:
        index = _key(value, part)
        if part == "*":
            keys = range(len(value))
        elif index is not None:
            keys = [index] if index < len(value) else []
        elif deep:
            for item in value:
                _collect(item, path, at, found, deep=True)
            return
        else:
            return
    else:
        return
    for key in keys:
        if is_last:
            found.append(Place(value, key))
        else:
            _collect(value[key], path, at + 1, found, deep=deep)
