"""The two ways generated code reads an event: a parsed `Event`, or a typed struct.

`EventLayout` reads any field of an `Event`. `TypedLayout` is for the hot path: it makes one
msgspec struct that holds only the fields that a set of rules needs, so that decoding skips all
others. Both find the same values; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from summit.events.event import field_reader
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Path, StepAggregate, StepField
from summit.events.fields import CONTAINERS, Candidate, candidates, check_path, walk
from summit.events.times import epoch_ms

_TIMESTAMP: Final = ("timestamp",)
_TYPE: Final = "eventType"
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
    part: type[Any] | None = None  # what structs of this member derive from; None = it is plain

    @property
    def is_part(self) -> bool:
        """Whether only some members of it are decoded."""
        return bool(self.members) and not self.whole


class TypedLayout:
    """Fields of a struct made for `fields`; `e` is what `decode` returns.

    A subclass may override `reference_code` to read the run in its own way.

    Attributes:
        fields: The paths.
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
        self.fields = frozenset(paths)
        self.transport = False
        root = _Branch()
        for path in paths:
            for place in candidates(path):
                if place.place == "record":
                    self.transport = True
                else:
                    _grow(root, place.path)
        _mark_parts(root)
        self._root = root
        self._alternatives: dict[Path, Callable[[Any], Any]] = {}
        self.struct = self.struct_of(None)
        self._decode = msgspec.json.Decoder(self.struct).decode

    def decode(self, value: bytes | memoryview) -> Any:
        """Decode one JSON event.

        Raises: one of `event.DECODE_ERRORS`; then `parse_event` gives the exact reason.
        """
        return self._decode(value)

    def struct_of(
        self,
        fields: Iterable[Path] | None,
        *,
        tag: str | None = None,
        namespace: Mapping[str, Any] | None = None,
    ) -> type[Any]:
        """A struct with some of the fields and the time, for functions that read no other.

        All structs of a layout have the same attributes; of a field that is left out it is None.
        `has_record` tells whether the record around the event must be set as `t`.

        Args:
            fields: Some of the layout's; None = all.
            tag: Takes only events whose `eventType` this is, which is not read again.
            namespace: More attributes of the class.
        """
        wanted, has_record = self._root, self.transport
        more = dict(namespace or {})
        if fields is not None:
            wanted, has_record = _Branch(), False
            if _TIMESTAMP[0] in self._root.members:
                _grow(wanted, _TIMESTAMP)
            for path in fields:
                for place in candidates(path):
                    if place.place == "record":
                        has_record = True
                    else:
                        _grow(wanted, place.path)
        more["has_record"] = has_record
        if not has_record:
            more["t"] = None
        if tag is not None:
            assert wanted is not self._root
            wanted.members.pop(_TYPE, None)
            more[self.attribute(_TYPE)] = tag
        return _make_struct(self._root, wanted, tag=tag, record=has_record, namespace=more)

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

    def plain_test(self) -> str:
        """Source that says whether an event has none of the members that fields fall back to."""
        members = self._root.members
        tests = [f"e.{members[name].attribute} is None" for name in CONTAINERS if name in members]
        return " and ".join(tests) or "True"

    def plain_code(self, path: Path, names: Names) -> str:
        """As `field_code`, for an event that passes `plain_test`."""
        places = candidates(path)
        if path == _TIMESTAMP or any(place.place == "record" for place in places):
            return self.field_code(path, names)
        found = [
            self._place_code(place, names) for place in places if place.path[0] not in CONTAINERS
        ]
        if len(found) == 1:
            return found[0]
        return "None" if not found else self.field_code(path, names)

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


def _mark_parts(branch: _Branch) -> None:
    for member in branch.members.values():
        if member.is_part:
            member.part = msgspec.defstruct("Part", [], gc=False, eq=False)
            _mark_parts(member)


def _make_struct(
    branch: _Branch,
    wanted: _Branch,
    *,
    tag: str | None = None,
    record: bool = False,
    namespace: Mapping[str, Any] | None = None,
) -> type[Any]:
    """A struct of the wanted ones of a branch's members, each decoded no deeper than needed."""
    columns: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    absent: dict[str, Any] = {}
    for name, member in branch.members.items():
        inner = wanted.members.get(name)
        if inner is None:
            absent[member.attribute] = None
            continue
        kind: Any = Any
        if member.part is not None:
            inside = _make_struct(member, inner)
            kind = inside | str | int | float | bool | list[Any] | None
        columns.append((member.attribute, kind, None))
        rename[member.attribute] = name
    if record:
        columns.append(("t", Any, None))
        rename["t"] = _RECORD_NAME
    tagged: dict[str, Any] = {} if tag is None else {"tag_field": _TYPE, "tag": tag}
    return msgspec.defstruct(
        "TypedEvent", columns, rename=rename, gc=False, eq=False, omit_defaults=True,
        bases=None if branch.part is None else (branch.part,),
        namespace={**absent, **(namespace or {})}, **tagged,
    )  # fmt: skip


def _branch_code(branch: _Branch, code: str, rest: Path, names: Names) -> str:
    """Source that follows `rest` down from `code`, which holds the branch's value."""
    if not rest:
        return code
    if branch.part is None:
        return _walk_code(code, rest, names)
    member = branch.members[rest[0]]
    local, part = names.fresh(), names.bind(branch.part, "part")
    is_part = names.bind(isinstance)
    inner = _branch_code(member, f"{local}.{member.attribute}", rest[1:], names)
    other = _walk_code(local, rest, names) if rest[0].isdigit() else "None"
    return f"({inner} if {is_part}({local} := {code}, {part}) else {other})"


def _walk_code(code: str, rest: Path, names: Names) -> str:
    """Source that follows `rest` down from a plain JSON value."""
    return f"{names.bind(walk, 'walk')}({code}, {names.bind(rest, 'path')})"


def _time(own: Any, record: Any) -> int | None:
    """The event's time; None when its own is none (such an event never comes here)."""
    if own is None:
        return record.timestamp if record is not None else None
    return epoch_ms(own)
