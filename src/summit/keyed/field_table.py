"""What the value of one field says of many conditions at once, remembered by value.

A set of conditions is a number with one bit for each. A table gives, for a value, those that this
field does not rule out; an event's are what the tables of all its fields leave. So a condition that
many rules share is tested once, and a value that comes again costs one look-up, however many
conditions there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

from summit.base.limits import TEXT_REMEMBERED_CHARS_MAX, TEXTS_REMEMBERED_MAX
from summit.events.expressions.clues import Clues, Seen, clues
from summit.events.expressions.generator import Names, true_code
from summit.events.expressions.ir import (
    Arithmetic,
    Compare,
    Contains,
    Field,
    Literal,
    Lower,
    Negate,
    Node,
    Or,
    Path,
    walk,
)
from summit.events.regexes import Find, compile_pieces
from summit.events.values import lower_ascii
from summit.keyed.specialise import ValueLayout

_BY_TEXT: Final = ("string", "version", "ip")
_SAMPLE: Final = 128
_SAMPLE_EACH: Final = 8  # so after 1,024 new texts there are enough
_PLANS_MAX: Final = 4_096
_SHARED_CHARS_MIN: Final = 3
_LOWER: Final[Path] = ("\0lower",)  # no path of a user holds such a sign


class _Test:
    """One condition on the field, and the bits of all that need it; compiled at first use.

    Attributes:
        on_text: What is known of a text without any clue; False where nothing is.
        holds: Whether a value satisfies it, by the value and the same in lower case, if a text.
    """

    __slots__ = ("bits", "holds", "node", "on_text")

    def __init__(self, node: Node, bits: int) -> None:
        self.node = node
        self.bits = bits
        self.on_text = False
        self.holds: Callable[[Any, str | None], bool] = self._compile

    def _compile(self, value: Any, lower: str | None) -> bool:
        names = Names()
        code = true_code(_lowered(self.node), _ValueAndLower(), names)
        source = f"def holds(e, lower):\n return True if {code} else False\n"
        self.holds = names.define(source, "holds")
        return self.holds(value, lower)


class _ValueAndLower(ValueLayout):
    def field_code(self, path: Path, _names: Names) -> str:
        return "lower" if path == _LOWER else "e"


def _lowered(node: Any) -> Any:
    """The tree with a field of its own in place of the field in lower case."""
    if isinstance(node, Lower) and isinstance(node.item, Field):
        return Field(_LOWER)
    if isinstance(node, tuple):
        return tuple(map(_lowered, node))
    if not isinstance(node, Node):
        return node
    parts = {field.name: getattr(node, field.name) for field in fields(node)}
    return type(node)(**{name: _lowered(part) for name, part in parts.items()})


def _tells_numbers_apart(node: Node) -> bool:
    """Whether it may say different things of a fraction and of the equal integer."""
    return any(
        isinstance(each, (Arithmetic, Negate))
        or (isinstance(each, Compare) and each.compare_as in _BY_TEXT)
        for each in walk(node)
    )


class _TextPlan(NamedTuple):
    """What is to be done with texts that hold the same pieces.

    Attributes:
        ascii: What is known of those in ASCII, and the tests that are still to be put to them.
        any: The same of all others.
    """

    ascii: tuple[int, tuple[_Test, ...]]
    any: tuple[int, tuple[_Test, ...]]


class _Sample:
    """Some texts of a field.

    Cost: each piece that is asked for is looked for in all of them, once.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = [text.lower() for text in texts]
        self._counts: dict[str, int] = {}

    def seen(self, found: Clues) -> int:
        """In how many of them the clues are; those with two count twice."""
        return sum(map(self._count, found.pieces))

    def _count(self, piece: str) -> int:
        count = self._counts.get(piece)
        if count is None:
            part = piece.lower()
            count = self._counts[piece] = sum(part in text for text in self._texts)
        return count


class FieldTable(dict[Any, int]):
    """Value of the field -> conditions that it does not rule out.

    Lists and maps are no keys: ask `of` for them.

    Args:
        wanted: (what must be true of the field, bits of the conditions that need it).
        every: All conditions.
    """

    def __init__(self, wanted: Iterable[tuple[Node, int]], every: int) -> None:
        super().__init__()
        self._tests = [_Test(node, bits) for node, bits in wanted]
        self._every = every
        self._free = every  # conditions that demand nothing of this field
        # A fraction finds what is remembered for the equal integer: most conditions say the same.
        self._numbers_alike = True
        for test in self._tests:
            self._free &= ~test.bits
            self._numbers_alike = self._numbers_alike and not _tells_numbers_apart(test.node)
        self._sample: list[str] | None = []  # None = it was looked at
        self._until_sampled = _SAMPLE_EACH
        self._set_clues(None)
        self[None] = self._evaluate(None, self._tests)

    def _set_clues(self, seen: Seen | None) -> None:
        """Choose for every test what in a value calls for it."""
        self._always: list[_Test] = []  # no clue says when they need not be put to a text
        self._not_only_texts: list[_Test] = []
        self._exact: dict[Any, list[_Test]] = {}
        self._lower: dict[str, list[_Test]] = {}
        self._pieces: dict[str, list[_Test]] = {}
        self._on_text = self._every
        self._find: Find | None = None
        self._shared = ""
        self._by_piece: list[tuple[str, list[_Test]]] = []
        self._plans: dict[tuple[int, ...], _TextPlan] = {}
        for test in self._tests:
            self._index(test, clues(test.node, seen))

    def _index(self, test: _Test, found: Clues | None) -> None:
        test.on_text = found is not None and found.otherwise
        if not test.on_text:
            self._on_text &= ~test.bits
        if found is None:
            self._always.append(test)
            self._not_only_texts.append(test)
            return
        if not found.only_texts:
            self._not_only_texts.append(test)
        for value in found.exact:
            self._exact.setdefault(value, []).append(test)
        for text in found.lower:
            self._lower.setdefault(text, []).append(test)
        for piece in found.pieces:
            self._pieces.setdefault(piece, []).append(test)

    def _note(self, text: str) -> None:
        """Keep every so-manieth new text; once there are enough, choose the clues by them."""
        assert self._sample is not None
        self._until_sampled = _SAMPLE_EACH
        self._sample.append(text)
        if len(self._sample) == _SAMPLE:
            sample, self._sample = self._sample, None
            self._set_clues(_Sample(sample).seen)

    def __missing__(self, value: Any) -> int:
        if type(value) is not str:
            return self._missing_other(value)
        if self._sample is not None:
            self._until_sampled -= 1
            if not self._until_sampled:
                self._note(value)
        found = self._of_text(value)
        if len(value) <= TEXT_REMEMBERED_CHARS_MAX:
            if len(self) > TEXTS_REMEMBERED_MAX:
                self._make_room()
            self[value] = found
        return found

    def _missing_other(self, value: Any) -> int:
        found = self._of_other(value)
        # true is 1 for a dictionary, and 1.0 too; what stands for others is not kept
        if type(value) is int and value not in (0, 1) and self._numbers_alike:
            if len(self) > TEXTS_REMEMBERED_MAX:
                self._make_room()
            self[value] = found
        return found

    def _make_room(self) -> None:
        nothing = self[None]
        self.clear()
        self[None] = nothing

    def of(self, value: Any) -> int:
        """As a look-up, for any value."""
        kind = type(value)
        if kind is dict or kind is list:
            return self._evaluate(value, self._tests)
        return self[value]

    def _of_text(self, text: str) -> int:
        numbers: Sequence[int] = ()
        lower: str | None = None
        if self._pieces:
            find = self._find or self._make_find()
            some: Sequence[int] | None = ()
            if self._shared:
                lower = lower_ascii(text)
            if not (self._shared and text.isascii() and self._shared not in (lower or "")):
                some = find(text)
            if some is None:
                return self._evaluate(text, self._tests)
            numbers = some
        plan = self._plans.get(tuple(numbers)) or self._plan(tuple(numbers))
        found, tests = plan.ascii if text.isascii() else plan.any
        if self._exact and (more := self._exact.get(text)) is not None:
            tests = (*tests, *more)
        if self._lower:
            lower = lower_ascii(text) if lower is None else lower
            if (more := self._lower.get(lower or "")) is not None:
                tests = (*tests, *more)
        if tests:
            lower = lower_ascii(text) if lower is None else lower
            for test in tests:
                if test.holds(text, lower):
                    found |= test.bits
                else:
                    found &= ~test.bits
        return found

    def _plan(self, numbers: tuple[int, ...]) -> _TextPlan:
        """What to do with texts that hold these pieces."""
        called = {id(test): test for test in self._always}
        sure: dict[int, _Test] = {}
        for number in numbers:
            piece, calling = self._by_piece[number]
            for test in calling:
                (sure if _is_enough(test.node, piece) else called)[id(test)] = test
        of_any = tuple({**called, **sure}.values())
        tests = tuple(test for name, test in called.items() if name not in sure)
        found = self._on_text
        for test in sure.values():
            found |= test.bits
        if len(self._plans) >= _PLANS_MAX:
            self._plans.clear()
        plan = self._plans[numbers] = _TextPlan((found, tests), (self._on_text, of_any))
        return plan

    def _of_other(self, value: Any) -> int:
        """Of a number or a truth value."""
        tests = {id(test): test for test in self._exact.get(value, ())}
        tests.update((id(test), test) for test in self._not_only_texts)
        return self._evaluate(value, tests.values())

    def _evaluate(self, value: Any, tests: Iterable[_Test]) -> int:
        found = self._free
        lower = lower_ascii(value)
        for test in tests:
            if test.holds(value, lower):
                found |= test.bits
        return found

    def _make_find(self) -> Find:
        pieces = list(self._pieces)
        find = compile_pieces(pieces)
        self._by_piece = list(self._pieces.items())
        self._shared = _shared_part(pieces)
        self._find = find or (lambda _text: None)  # no room for so many: every test is put
        return self._find


def _is_enough(node: Node, piece: str) -> bool:
    """Whether a text of ASCII satisfies the node because the piece is in it, whatever the case."""
    match node:
        case Contains(Lower(Field()), Literal(part)):
            return part == piece and piece.isascii() and piece == piece.lower()
        case Or(items):
            return any(_is_enough(item, piece) for item in items)
    return False


def _shared_part(pieces: Sequence[str]) -> str:
    """Some text of ASCII in lower case that is in all pieces, whatever the case; empty = none."""
    lowered = [lower_ascii(piece) or "" for piece in pieces]
    first = min(lowered, key=len)
    for size in range(len(first), _SHARED_CHARS_MIN - 1, -1):
        for start in range(len(first) - size + 1):
            part = first[start : start + size]
            if part.isascii() and all(part in piece for piece in lowered):
                return part
    return ""


def same_tests(wanted: Sequence[tuple[Node, int]]) -> list[tuple[Node, int]]:
    """Equal conditions joined: each node once, with the bits of all."""
    found: dict[Node, int] = {}
    for node, bits in wanted:
        found[node] = found.get(node, 0) | bits
    return list(found.items())
