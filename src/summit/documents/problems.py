"""What is wrong with a document: every problem with its place, raised together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from summit.base import limits
from summit.base.errors import Invalid
from summit.documents.plain import kind_fault, size_fault

INVALID = "document.invalid"


class Problem(msgspec.Struct, frozen=True):
    """One thing to correct.

    Attributes:
        pointer: JSON pointer into the document; "" = the document itself.
        message: What is wrong, without the place.
        suggestion: What was probably meant, or empty.
        code: Code of the catalogue that names the cause.
    """

    pointer: str
    message: str
    suggestion: str = ""
    code: str = INVALID


class Problems:
    """Collects the problems of one document."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.left_out = 0

    def __len__(self) -> int:
        return len(self.found) + self.left_out

    def add(
        self, pointer: str, message: str, *, suggestion: str | None = None, code: str = INVALID
    ) -> None:
        """Note one problem; the second one of a place with the same text is dropped."""
        problem = Problem(pointer, message, suggestion or "", code)
        if problem in self.found:
            return
        if len(self.found) >= limits.DOCUMENT_PROBLEMS_MAX:
            self.left_out += 1
        else:
            self.found.append(problem)

    def add_error(self, pointer: str, error: Invalid) -> None:
        """Note an error that a lower room raised about the value at `pointer`."""
        self.add(pointer, str(error), code=error.code)

    def refuse_foreign(self, values: object, kind: str, source: str) -> None:
        """Raise at once for what is no document at all: not a map, or not of plain values."""
        if isinstance(values, Mapping):
            fault = size_fault(values) or kind_fault(values)
        else:
            fault = f"must be a map of fields, not {type(values).__name__}"
        if fault is not None:
            self.add("", fault)
            self.raise_if_any(f"{source}: a {kind}" if source else f"a {kind}")

    def raise_if_any(self, subject: str, **details: Any) -> None:
        """Raise what was found.

        Args:
            subject: Names the document in the error's text.
        Raises: Invalid with `problems`. Its code is that of the problems where they share one
            of `kind.*` and `*.not_available`, else "document.invalid".
        """
        if not self.found:
            return
        first = self.found[0]
        codes = {problem.code for problem in self.found}
        code = first.code if len(codes) == 1 and _is_own(first.code) else INVALID
        others = len(self) - 1
        more = "" if not others else f" (and {others} more problem{'s' if others > 1 else ''})"
        raise Invalid(
            code,
            subject=subject,
            first=described(first),
            more=more,
            pointer=first.pointer,
            problems=list(self.found),
            **details,
        )


def described(problem: Problem) -> str:
    """The problem as one line: place, message, suggestion."""
    place = f"{problem.pointer}: " if problem.pointer else ""
    hint = f" (did you mean '{problem.suggestion}'?)" if problem.suggestion else ""
    return f"{place}{problem.message}{hint}"


def join_pointer(pointer: str, part: str | int) -> str:
    """The pointer of a member or element.

    >>> join_pointer("/steps", 0), join_pointer("", "a/b")
    ('/steps/0', '/a~1b')
    """
    return f"{pointer}/{str(part).replace('~', '~0').replace('/', '~1')}"


def _is_own(code: str) -> bool:
    return code.endswith(".not_available") or code == "kind.unknown"
