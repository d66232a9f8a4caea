"""`WindowedStream`: what can be made of the records of each window of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from summit.base.errors import Invalid
from summit.operators.aggregates import (
    Aggregate,
    averaging,
    choosing,
    collecting,
    counting,
    reducing,
    summing,
)
from summit.operators.formats import packing_of
from summit.operators.operator import Keeper
from summit.operators.sessions import SessionKeeper
from summit.operators.stream import KeyedStream
from summit.operators.windowing import WindowKeeper
from summit.operators.windows import Hops, Sessions, Windowed

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")
R = TypeVar("R")
N = TypeVar("N", int, float)

_COLLECTED_MAX = 1_000


class WindowedStream(Generic[K, V]):
    """The records of each key by windows; every method gives one `Windowed` result a window.

    What comes out depends on which records a window holds and, where an aggregate cares, on their
    order, which is that of the log within each input partition.
    """

    def __init__(
        self, stream: KeyedStream[K, V], windows: Hops | Sessions, *, updates: bool,
        late_to: str | None,
    ) -> None:  # fmt: skip
        self._stream = stream
        self._windows = windows
        self._updates = updates
        self._late_to = late_to

    def aggregate(
        self, initial: Callable[[], A], add: Callable[[A, V], A],
        result: Callable[[A], R] | None = None, *, merge: Callable[[A, A], A] | None = None,
        state: type[A] | None = None, type: type[R] | None = None, name: str | None = None,
    ) -> KeyedStream[K, Windowed[K, R]]:  # fmt: skip
        """An aggregate of one's own.

        Args:
            initial: Makes an accumulator.
            add: Gives the accumulator with a value more; may change the one it is given.
            result: Gives what comes out; None = the accumulator.
            merge: Gives one accumulator out of two; sessions need it.
            state: What accumulators are; None = plain values.
            type: What comes out; None = what accumulators are.
        """
        made = Aggregate(
            initial, add, merge, result or (lambda value: value), packing_of(state or Any),
            type or (Any if result else state or Any),
        )  # fmt: skip
        return self._make("aggregate", made, name)

    def reduce(
        self, combine: Callable[[V, V], V], *, name: str | None = None
    ) -> KeyedStream[K, Windowed[K, V]]:
        """One value out of all."""
        return self._make("reduce", reducing(self._stream.type, combine), name)

    def count(self, *, name: str | None = None) -> KeyedStream[K, Windowed[K, int]]:
        """How many."""
        return self._make("count", counting(), name)

    def sum(
        self, of: Callable[[V], N], *, name: str | None = None
    ) -> KeyedStream[K, Windowed[K, N]]:
        """The sum of what `of` gives."""
        return self._make("sum", summing(of), name)

    def mean(
        self, of: Callable[[V], float], *, name: str | None = None
    ) -> KeyedStream[K, Windowed[K, float]]:
        """The mean of what `of` gives."""
        return self._make("mean", averaging(of), name)

    def min(
        self, of: Callable[[V], R], *, name: str | None = None
    ) -> KeyedStream[K, Windowed[K, R]]:
        """The smallest of what `of` gives."""
        return self._make("min", choosing(of, min), name)

    def max(
        self, of: Callable[[V], R], *, name: str | None = None
    ) -> KeyedStream[K, Windowed[K, R]]:
        """The largest of what `of` gives."""
        return self._make("max", choosing(of, max), name)

    def collect(
        self, most: int = _COLLECTED_MAX, *, name: str | None = None
    ) -> KeyedStream[K, Windowed[K, list[V]]]:
        """The values themselves, the first `most` of them."""
        return self._make("collect", collecting(self._stream.type, most), name)

    def _make(self, kind: str, made: Aggregate, name: str | None) -> KeyedStream[K, Any]:
        windows, updates = self._windows, self._updates
        if isinstance(windows, Sessions) and made.merge is None:
            raise Invalid("config.invalid", reason="sessions need merge=", pointer="")

        def make() -> Keeper:
            if isinstance(windows, Sessions):
                return SessionKeeper(windows, made, updates=updates)
            return WindowKeeper(windows, made, updates=updates)

        node = self._stream._step(kind, name, (self._stream.node,), make, keeps=True)  # noqa: SLF001
        self._stream._late_to(node, self._late_to)  # noqa: SLF001
        return KeyedStream(self._stream.graph, node, cast("Any", Windowed)[Any, made.type])
