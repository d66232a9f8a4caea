"""Chance as an argument. Only this file draws random numbers for the product."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rand:
    """A source of chance; with a seed every draw can be repeated.

    Not for secrets: those come from the `secrets` module where they are made.
    """

    def __init__(self, seed: int | str | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not used for secrets

    def randint(self, first: int, last: int) -> int:
        """A whole number from `first` to `last`, both inclusive."""
        return self._random.randint(first, last)

    def random(self) -> float:
        """A number from 0 (inclusive) to 1 (exclusive)."""
        return self._random.random()

    def bytes(self, count: int) -> bytes:
        """`count` random bytes."""
        return self._random.randbytes(count)

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return self._random.choice(items)

    def choices(self, items: Sequence[T], weights: Sequence[float], count: int) -> list[T]:
        """`count` of `items`, each drawn by `weights`, with replacement."""
        return self._random.choices(items, weights, k=count)

    def shuffle(self, items: list[T]) -> None:
        """Put `items` in a random order, in place."""
        self._random.shuffle(items)

    def expovariate(self, rate: float) -> float:
        """An exponential draw with the given rate."""
        return self._random.expovariate(rate)
