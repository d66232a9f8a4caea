"""Reads the members of one map of a document, noting every problem with its pointer.

Reading never raises: a member that is wrong is noted and reads as absent, so that one pass finds
all problems. A member that is null counts as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from summit.base.config import nearest
from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.documents.problems import Problems, join_pointer
from summit.events.expressions.ir import Path
from summit.events.fields import parse_path

T = TypeVar("T", bound=str)


class Section:
    """One map and its place.

    Args:
        names: The members that may stand here; others are noted as unknown.
        later: Members that are known and not built yet, with the code for them.
        noun: What the map is, for texts ("step", "action").
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        pointer: str,
        problems: Problems,
        *,
        names: Collection[str],
        later: Collection[str] = (),
        later_code: str = "pattern.not_available",
        noun: str = "document",
    ) -> None:
        self.values = values
        self.pointer = pointer
        self.problems = problems
        self.noun = noun
        self._later_code = later_code
        known = [*names, *later]
        for name in values:
            if name in names or (values[name] is None and name in later):
                continue
            if name in later:
                self.not_available(name)
            else:
                problems.add(
                    self.at(name),
                    f"{with_article(noun)} has no field '{name}'",
                    suggestion=nearest(str(name), known),
                )

    def at(self, name: str | int) -> str:
        """The pointer of a member."""
        return join_pointer(self.pointer, name)

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self.values.get(name) is not None

    def note(self, name: str, message: str, suggestion: str | None = None) -> None:
        """Note a problem of a member."""
        self.problems.add(self.at(name), message, suggestion=suggestion)

    def not_available(self, name: str, what: str = "") -> None:
        """Note that a member, or its value, is known and not built yet."""
        message = f"{what or repr(name)} is not available yet"
        self.problems.add(self.at(name), message, code=self._later_code)

    # ---- values ----

    def text(self, name: str, *, required: bool = False, chars_max: int = 4_096) -> str | None:
        """A text, not empty."""
        value = self._value(name, required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.note(name, f"must be a text, not {kind_name(value)}")
        elif not value.strip():
            self.note(name, "must not be empty")
        elif len(value) > chars_max:
            self.note(name, f"must have at most {chars_max} characters, not {len(value)}")
        else:
            return value
        return None

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.note(name, f"must be true or false, not {kind_name(value)}")
        return default

    def whole(self, name: str, *, least: int, most: int | None = None) -> int | None:
        """A whole number between two limits (inclusive)."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.note(name, f"must be a whole number, not {kind_name(value)}")
        elif value < least or (most is not None and value > most):
            limits = f"at least {least}" if most is None else f"from {least} to {most}"
            self.note(name, f"must be {limits}, not {value}")
        else:
            return value
        return None

    def duration_ms(self, name: str, *, least: int = 1, required: bool = False) -> int | None:
        """A duration in milliseconds."""
        value = self._value(name, required)
        if value is None:
            return None
        try:
            found = parse_duration_ms(value)
        except Invalid as error:
            self.problems.add_error(self.at(name), error)
            return None
        if found < least:
            self.note(name, "must be longer than 0")
            return None
        return found

    def choice(self, name: str, choices: Sequence[T], later: Sequence[str] = ()) -> T | None:
        """One of some words; those of `later` are known and not built yet."""
        value = self.values.get(name)
        if value is None:
            return None
        for choice in choices:
            if value == choice:
                return choice
        if isinstance(value, str) and value in later:
            self.not_available(name, f"{name}: {value}")
        else:
            shown = f"'{value}'" if isinstance(value, str) else kind_name(value)
            self.note(
                name,
                f"must be one of {', '.join(choices)}, not {shown}",
                nearest(value, [*choices, *later]) if isinstance(value, str) else None,
            )
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, none empty, none twice."""
        found: list[str] = []
        for value, pointer in self.items(name):
            if not isinstance(value, str) or not value.strip():
                shown = "an empty text" if isinstance(value, str) else kind_name(value)
                self.problems.add(pointer, f"must be a text, not {shown}")
            elif value in found:
                self.problems.add(pointer, f"'{value}' stands here twice")
            else:
                found.append(value)
        return tuple(found)

    def path(self, name: str, *, required: bool = False) -> Path | None:
        """A field path."""
        text = self.text(name, required=required)
        if text is None:
            return None
        try:
            return parse_path(text)
        except Invalid as error:
            self.problems.add_error(self.at(name), error)
            return None

    def path_of(self, value: object, pointer: str) -> Path | None:
        """The field path that a value somewhere below is; None with a problem, which is noted."""
        if not isinstance(value, str):
            self.problems.add(pointer, f"must be a field path, not {kind_name(value)}")
            return None
        try:
            return parse_path(value)
        except Invalid as error:
            self.problems.add_error(pointer, error)
            return None

    def paths(self, name: str) -> tuple[Path, ...]:
        """A list of field paths."""
        found: list[Path] = []
        for value, pointer in self.items(name):
            path = self.path_of(value, pointer)
            if path is None:
                continue
            if path in found:
                self.problems.add(pointer, f"'{value}' stands here twice")
            else:
                found.append(path)
        return tuple(found)

    def items(self, name: str) -> Iterator[tuple[Any, str]]:
        """The elements of a list, each with its pointer."""
        value = self.values.get(name)
        if value is None:
            return
        if not isinstance(value, (list, tuple)):
            self.note(name, f"must be a list, not {kind_name(value)}")
            return
        pointer = self.at(name)
        for number, item in enumerate(value):
            yield item, join_pointer(pointer, number)

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """A map."""
        value = self.values.get(name)
        if value is None or isinstance(value, Mapping):
            return value
        self.note(name, f"must be a map, not {kind_name(value)}")
        return None

    def _value(self, name: str, required: bool) -> Any:
        value = self.values.get(name)
        if value is None and required:
            self.note(name, f"{with_article(self.noun)} needs '{name}'")
        return value


def with_article(noun: str) -> str:
    """The noun after `a` or `an`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def kind_name(value: object) -> str:
    """What kind of value it is, in words.

    >>> kind_name([]), kind_name(1.5), kind_name(None)
    ('a list', 'a number', 'null')
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a map"
        case _:
            return f"a {type(value).__name__}"
