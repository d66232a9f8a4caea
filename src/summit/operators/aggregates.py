"""Aggregates: how many values become one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from summit.operators.formats import Packing, packing_of


class Aggregate(NamedTuple):
    """What is done with the values of one window or key.

    Attributes:
        initial: Makes an accumulator of nothing.
        add: Gives the accumulator with a value more; may change the one it is given.
        merge: Gives one accumulator out of two, the earlier first; None = not to be had.
        result: What comes out of an accumulator; must not hand out what `add` changes.
        packing: How accumulators are kept.
        type: What results are; `Any` = plain values.
    """

    initial: Callable[[], Any]
    add: Callable[[Any, Any], Any]
    merge: Callable[[Any, Any], Any] | None
    result: Callable[[Any], Any]
    packing: Packing
    type: Any = Any


_PLAIN = packing_of(Any)


def counting() -> Aggregate:
    """How many."""
    return Aggregate(int, lambda n, _: n + 1, lambda a, b: a + b, _same, _PLAIN, int)


def summing(of: Callable[[Any], Any]) -> Aggregate:
    """The sum of what `of` gives."""
    return Aggregate(int, lambda n, v: n + of(v), lambda a, b: a + b, _same, _PLAIN)


def averaging(of: Callable[[Any], Any]) -> Aggregate:
    """The mean of what `of` gives."""

    def add(state: list[Any], value: Any) -> list[Any]:
        return [state[0] + 1, state[1] + of(value)]

    def merge(a: list[Any], b: list[Any]) -> list[Any]:
        return [a[0] + b[0], a[1] + b[1]]

    return Aggregate(lambda: [0, 0], add, merge, lambda s: s[1] / s[0], _PLAIN, float)


def choosing(of: Callable[[Any], Any], choose: Callable[[Any, Any], Any]) -> Aggregate:
    """The smallest (`min`) or the largest (`max`) of what `of` gives."""

    def add(state: list[Any], value: Any) -> list[Any]:
        found = of(value)
        return [choose(state[0], found) if state else found]

    def merge(a: list[Any], b: list[Any]) -> list[Any]:
        return [choose(a[0], b[0])] if a and b else a or b

    return Aggregate(list, add, merge, lambda s: s[0], _PLAIN)


def collecting(type_: Any, most: int) -> Aggregate:
    """The first values themselves, at most `most` of them."""

    def add(state: list[Any], value: Any) -> list[Any]:
        if len(state) < most:
            state.append(value)
        return state

    kept = list if type_ is Any else list[type_]
    return Aggregate(
        list, add, lambda a, b: (a + b)[:most], list, packing_of(kept), kept
    )  # fmt: skip


def reducing(type_: Any, combine: Callable[[Any, Any], Any]) -> Aggregate:
    """One value out of two, again and again."""

    def add(state: list[Any], value: Any) -> list[Any]:
        return [combine(state[0], value) if state else value]

    def merge(a: list[Any], b: list[Any]) -> list[Any]:
        return [combine(a[0], b[0])] if a and b else a or b

    kept = list if type_ is Any else list[type_]
    return Aggregate(list, add, merge, lambda s: s[0], packing_of(kept), type_)


def _same(state: Any) -> Any:
    return state
