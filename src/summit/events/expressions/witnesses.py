"""Pieces of text without which a tree cannot be true: what an index over many rules looks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from summit.events.expressions.ir import (
    And,
    AnyIn,
    Compare,
    Contains,
    EndsWith,
    Field,
    In,
    ListOf,
    Literal,
    Lower,
    Matches,
    Node,
    Not,
    NotTrue,
    Or,
    Path,
    StartsWith,
)
from summit.events.regex_pieces import required_piece

CHARS_MIN: Final = 2  # a shorter piece is in most texts
_CHARS_ENOUGH: Final = 12
_COUNT_MAX: Final = 2_000
Witnesses = frozenset[tuple[Path, str]]


def witnesses(node: Node) -> Witnesses | None:
    """(field, piece): the node is true only if one of these fields has its piece in its text.

    Without regard to case. A field that holds a list or a map must be put to the node itself. The
    answer may be wider than the truth, never narrower; None = nothing is known.
    """
    match node:
        case And(items):
            known = [found for item in items if (found := witnesses(item)) is not None]
            return max(known, key=_worth, default=None)
        case Or(items):
            return _joined([witnesses(item) for item in items])
        case Not(NotTrue(item)):
            return witnesses(item)
        case Contains(item, part) | StartsWith(item, part) | EndsWith(item, part):
            return _of(item, part)
        case Matches(Field() as item, pattern):
            return _of(item, Literal(required_piece(pattern)))
        case Compare("==", left, right, "auto"):
            return _of(left, right) or _of(right, left)
        case In(item, ListOf(items)) | AnyIn(item, ListOf(items)):
            return _joined([_of(item, each) for each in items])
        case _:
            return None


def _worth(found: Witnesses) -> tuple[int, int]:
    """The longer the shortest piece, and the fewer there are, the better."""
    shortest = min(len(piece) for _, piece in found)
    return min(shortest, _CHARS_ENOUGH), -len(found)


def _joined(parts: Sequence[Witnesses | None]) -> Witnesses | None:
    """Of alternatives: each has its own; where one has none, nothing is known."""
    found: set[tuple[Path, str]] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return frozenset(found) if len(found) <= _COUNT_MAX else None


def _of(item: Node, part: Node) -> Witnesses | None:
    if isinstance(item, Lower):
        item = item.item
    if not isinstance(item, Field) or not isinstance(part, Literal):
        return None
    text = part.value
    if not isinstance(text, str) or len(text) < CHARS_MIN:
        return None
    return frozenset([(item.path, text.lower())])
