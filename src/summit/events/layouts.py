"""The two ways generated code reads an event: a parsed `Event`, or a typed struct.

`EventLayout` reads any field of an `Event`. `TypedLayout` is for the hot path: it makes one
msgspec struct that holds only the fields that a set of rules needs, so that decoding skips all
others. Both find the same values; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from summit.events.event import field_reader
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Path, StepAggregate, StepField
from summit.events.fields import Candidate, candidates, check_path, walk
from summit.events.times import epoch_ms

_TIMESTAMP: Final = ("timestamp",)
# The JSON name under which nobody sends the record; it is overwritten after decoding anyway.
_RECORD_NAME: Final = "summit.transport"


class EventLayout:
    """Fields of `summit.events.event.Event`; `e` is an Event.

    Step references are read by `r.reference(node)`.
    """

    def field_code(self, path: Path, names: Names) -> str:
        """See `generator.Layout`."""
        return f"{names.bind(field_reader(path), 'read')}(e)"

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        """See `generator.Layout`."""
        return f"r.reference({names.bind(node, 'ref')})"


@dataclass(slots=True)
class _Branch:
    """A member of a JSON object that some field goes through or ends in."""

    attribute: str = ""
    whole: bool = False
    members: dict[str, _Branch] = field(default_factory=dict)
    struct: type[Any] | None = None


class TypedLayout:
    """Fields of a struct made for `fields`; `e` is what `decode` returns.

    A subclass may override `reference_code` to read the run in its own way.

    Attributes:
        struct: The msgspec struct class.
        transport: Whether some field may come from the record around the event (key, topic,
            partition, offset, headers, timestamp). If so, `e.t` must be set to a `Transport`
            after decoding, before any predicate runs.
    """

    struct: type[Any]
    transport: bool

    def __init__(self, fields: Iterable[Path]) -> None:
        paths = sorted(set(fields))
        for path in paths:
            check_path(path)
        self.transport = False
        root = _Branch()
        for path in paths:
            for place in candidates(path):
                if place.place == "record":
                    self.transport = True
                else:
                    _grow(root, place.path)
        self._root = root
        self._alternatives: dict[Path, Callable[[Any], Any]] = {}
        self.struct = _make_struct(root, record=self.transport)
        self._decode = msgspec.json.Decoder(self.struct).decode

    def decode(self, value: bytes | memoryview) -> Any:
        """Decode one JSON event.

        Raises: one of `event.DECODE_ERRORS`; then `parse_event` gives the exact reason.
        """
        return self._decode(value)

    def attribute(self, name: str) -> str:
        """The struct's attribute that holds the member `name` of the event's root.

        Raises: KeyError when no field of the layout begins with it.
        """
        return self._root.members[name].attribute

    def field_code(self, path: Path, names: Names) -> str:
        """See `generator.Layout`. The path must be one of the layout's fields."""
        if path == _TIMESTAMP:
            own = names.fresh()
            read = names.bind(_time, "time")
            return (
                f"({own} if type({own} := e.{self.attribute('timestamp')}) is int"
                f" else {read}({own}, e.t))"
            )
        places = candidates(path)
        first = self._place_code(places[0], names)
        if len(places) == 1:
            return first
        found = names.fresh()
        other = names.bind(self._alternative(path, places[1:]), "other")
        return f"({found} if ({found} := {first}) is not None else {other}(e))"

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        """See `generator.Layout`."""
        return f"r.reference({names.bind(node, 'ref')})"

    def _alternative(self, path: Path, places: tuple[Candidate, ...]) -> Callable[[Any], Any]:
        """A function that looks at every place but the first."""
        known = self._alternatives.get(path)
        if known is None:
            names = Names()
            lines = ["def other(e):"]
            for place in places:
                lines.append(f" x = {self._place_code(place, names)}")
                lines.append(" if x is not None: return x")
            lines.append(" return None\n")
            known = names.define("\n".join(lines), "other")
            self._alternatives[path] = known
        return known

    def _place_code(self, place: Candidate, names: Names) -> str:
        path = place.path
        if place.place == "record":
            # path[0] is one of `fields.TRANSPORT`, never a name of the user.
            code = f"e.t.{path[0]}"
            return code if len(path) == 1 else _walk_code(code, path[1:], names)
        branch = self._root.members[path[0]]
        return _branch_code(branch, f"e.{branch.attribute}", path[1:], names)


def _grow(root: _Branch, path: Path) -> None:
    branch = root
    for part in path:
        branch = branch.members.setdefault(part, _Branch(attribute=f"f{len(branch.members)}"))
    branch.whole = True


def _make_struct(branch: _Branch, *, record: bool = False) -> type[Any]:
    """A struct of the branch's members, each decoded no deeper than needed."""
    columns: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for name, member in branch.members.items():
        kind: Any = Any
        if member.members and not member.whole:
            member.struct = _make_struct(member)
            kind = member.struct | str | int | float | bool | list[Any] | None
        columns.append((member.attribute, kind, None))
        rename[member.attribute] = name
    if record:
        columns.append(("t", Any, None))
        rename["t"] = _RECORD_NAME
    return msgspec.defstruct("TypedEvent", columns, rename=rename, gc=False, eq=False)


def _branch_code(branch: _Branch, code: str, rest: Path, names: Names) -> str:
    """Source that follows `rest` down from `code`, which holds the branch's value."""
    if not rest:
        return code
    if branch.struct is None:
        return _walk_code(code, rest, names)
    member = branch.members[rest[0]]
    local, struct = names.fresh(), names.bind(branch.struct, "struct")
    inner = _branch_code(member, f"{local}.{member.attribute}", rest[1:], names)
    other = _walk_code(local, rest, names) if rest[0].isdigit() else "None"
    return f"({inner} if type({local} := {code}) is {struct} else {other})"


def _walk_code(code: str, rest: Path, names: Names) -> str:
    """Source that follows `rest` down from a plain JSON value."""
    return f"{names.bind(walk, 'walk')}({code}, {names.bind(rest, 'path')})"


def _time(own: Any, record: Any) -> int | None:
    """The event's time; None when its own is none (such an event never comes here)."""
    if own is None:
        return record.timestamp if record is not None else None
    return epoch_ms(own)
