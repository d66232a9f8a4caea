"""What decides a tree by one field's value: equal values and pieces of text to look for.

An index over many rules asks this: a value without any of a tree's clues needs no look at the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from summit.events.expressions.analysis import required_fields
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
    Present,
    Scalar,
    StartsWith,
)
from summit.events.regex_pieces import required_piece

CHARS_MIN: Final = 2  # a shorter piece of ASCII is in most texts
_CHARS_ENOUGH: Final = 12
_COUNT_MAX: Final = 2_000
_NONE: Final[frozenset[str]] = frozenset()


class Clues(NamedTuple):
    """What to look for in a value, which is no list or map.

    Attributes:
        exact: Values that it may equal.
        lower: Texts that it may equal with its ASCII letters in lower case.
        pieces: Texts that may be in it, without regard to case.
        otherwise: Whether the tree is true for every text with none of these.
        only_texts: Whether it is true for nothing else but texts and values of `exact`.
    """

    exact: frozenset[Scalar] = frozenset()
    lower: frozenset[str] = _NONE
    pieces: frozenset[str] = _NONE
    otherwise: bool = False
    only_texts: bool = True


Seen = Callable[[Clues], int]  # in how many values of a sample any of the clues is


def positive(node: Node, *, wanted: bool | None = True) -> Node:
    """A tree that is true exactly when the node is true, with negations only at its leaves.

    Args:
        wanted: False = when the node is false; None = when it is not true (false or unknown).
    """
    match node:
        case And(items) | Or(items):
            joint = And if isinstance(node, And) is (wanted is True) else Or
            return joint(tuple(positive(item, wanted=wanted) for item in items))
        case Not(item) if wanted is not None:
            return positive(item, wanted=not wanted)
        case NotTrue(item):
            return positive(item, wanted=None if wanted is True else True)
        case Literal(value):
            return Literal(value is wanted if wanted is not None else value is not True)
    if wanted is True:
        return node
    return Not(node) if wanted is False else NotTrue(node)


def on_field(node: Node, path: Path) -> Node | None:
    """What must be true of one field where the node is true; None = nothing is known.

    Args:
        node: As `positive` gives it.
    """
    match node:
        case And(items):
            known = [each for item in items if (each := on_field(item, path)) is not None]
            return _join(known, And) if known else None
        case Or(items):
            each_of = [on_field(item, path) for item in items]
            every = [each for each in each_of if each is not None]
            return _join(every, Or) if len(every) == len(each_of) else None
        case _:
            return node if required_fields(node) == {path} else None


def clues(node: Node, seen: Seen | None = None) -> Clues | None:
    """The clues of a tree that reads one field; None = every value must be put to it.

    Args:
        seen: How common they are. Of parts of which one decides, that with the rarest clues is
            taken; None = the one with the longest.
    """
    match node:
        case And(items):
            return _joined([clues(item, seen) for item in items], seen, decisive=False)
        case Or(items):
            return _joined([clues(item, seen) for item in items], seen, decisive=True)
        case NotTrue(item):
            found = clues(item, seen)
            return found and found._replace(otherwise=not found.otherwise, only_texts=False)
        case Not(item) if _is_plain(item):
            found = clues(item, seen)
            return found and found._replace(otherwise=True, only_texts=False)
        case Compare("!=", left, right, "auto"):
            found = clues(Compare("==", left, right))
            return found and found._replace(otherwise=True, only_texts=False)
        case Literal(value):
            return Clues(otherwise=value is True, only_texts=value is not True)
        case Present(Field()):
            return Clues(otherwise=True, only_texts=False)
        case Contains(item, part) | StartsWith(item, part) | EndsWith(item, part):
            return _piece(item, part)
        case Matches(Field() as item, pattern):
            return _piece(item, Literal(required_piece(pattern)))
        case Compare("==", left, right, "auto"):
            return _equal(left, [right]) or _equal(right, [left])
        case In(item, ListOf(values)) | AnyIn(item, ListOf(values)):
            return _equal(item, values)
        case _:
            return None


def _is_plain(node: Node) -> bool:
    """Whether the leaf is true or false, never unknown, for every text."""
    match node:
        case (
            Contains(Field() | Lower(Field()), Literal(part))
            | StartsWith(Field() | Lower(Field()), Literal(part))
            | EndsWith(Field() | Lower(Field()), Literal(part))
        ):
            return isinstance(part, str)
        case Compare("==", Field() | Lower(Field()), Literal(value), "auto"):
            return value is not None
        case In(Field() | Lower(Field()), ListOf(values)) | AnyIn(
            Field() | Lower(Field()), ListOf(values)
        ):
            return all(isinstance(v, Literal) and v.value is not None for v in values)
    return False


def _joined(parts: Sequence[Clues | None], seen: Seen | None, *, decisive: bool) -> Clues | None:
    """Of `&&` (decisive: false) and `||` (true): one part that decides, else all together."""
    deciding = [part for part in parts if part is not None and part.otherwise is decisive]
    if deciding:
        rarity = {} if seen is None else {id(part): -seen(part) for part in deciding}
        best = max(deciding, key=lambda part: (rarity.get(id(part), 0), *_worth(part)))
        return best._replace(only_texts=best.only_texts and not decisive)
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    found = Clues(
        frozenset[Scalar]().union(*(part.exact for part in known)),
        _NONE.union(*(part.lower for part in known)),
        _NONE.union(*(part.pieces for part in known)),
        not decisive,
        decisive and all(part.only_texts for part in known),
    )
    return found if len(found.pieces) <= _COUNT_MAX else None


def _worth(found: Clues) -> tuple[int, int]:
    """Equal values are best; then, the longer the shortest piece, and the fewer, the better."""
    shortest = min(map(len, found.pieces), default=_CHARS_ENOUGH + 1)
    count = len(found.pieces) + len(found.lower) + len(found.exact)
    return min(shortest, _CHARS_ENOUGH + 1), -count


def _join(parts: list[Node], kind: type[And] | type[Or]) -> Node:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _equal(item: Node, values: Iterable[Node]) -> Clues | None:
    of: list[Scalar] = []
    for value in values:
        if not isinstance(value, Literal):
            return None
        if value.value is not None:
            of.append(value.value)
    match item:
        case Field():
            return Clues(exact=frozenset(of))
        case Lower(Field()):
            return Clues(lower=frozenset(text for text in of if isinstance(text, str)))
    return None


def _piece(item: Node, part: Node) -> Clues | None:
    if isinstance(item, Lower):
        item = item.item
    if not isinstance(item, Field) or not isinstance(part, Literal):
        return None
    text = part.value
    if not isinstance(text, str) or (len(text) < CHARS_MIN and text.isascii()):
        return None
    return Clues(pieces=frozenset([text]))
