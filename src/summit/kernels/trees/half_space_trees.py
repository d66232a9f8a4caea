"""Half-space trees: how few values lay in the same random boxes a window ago."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import np
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.detectors.reference import Reference
from summit.kernels.settings import whole
from summit.kernels.trees.shingle import Shingled


class HalfSpaceTrees(Shingled):
    """Flags a point in boxes where hardly any of the last window was.

    Each tree halves the space along dimensions by chance, in boxes that are known before any value
    is; a box counts how many values of the window before were in it. A point's mass is the count of
    the first box that held no more than a tenth of the window, and a half, times 2 to its depth,
    over all trees: the half tells apart how soon a point comes into boxes where nothing was. The
    values are standardized by the first ones and squeezed into 0..1.

    Args:
        limit: In powers of ten of the past's chance.
        trees, depth: Of the forest.
        window: Values after which the counts of the newest window are those to judge by.
        shingle: So many values in a row are a point.
        seed: Of the forest's chance.
    Cost: O(trees * depth) a value; 2 * trees * 2^(depth + 1) counts.
    Source: Tan, Ting and Liu 2011.
    """

    __slots__ = (
        "_cuts", "_dimensions", "counts", "depth", "enough", "filled", "former", "reference",
        "trees", "window",
    )  # fmt: skip

    def __init__(
        self, *, limit: float = 3.0, trees: int = 25, depth: int = 8, window: int = 250,
        shingle: int = 3, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(limit, shingle, seed)
        self.trees, self.depth = whole("trees", trees, 1), min(whole("depth", depth, 1), 12)
        self.window = whole("window", window, 10)
        self.enough = max(1, self.window // 10)
        self.reference = Reference(None, None, min(30, self.window))
        self.filled = 0
        nodes = 2 ** (self.depth + 1)
        self.counts = [[0] * nodes for _ in range(self.trees)]
        self.former: list[list[int]] | None = None
        self._cuts: list[list[float]] = []
        self._dimensions: list[list[int]] = []
        self._grow(np.random.default_rng(self.seed))

    def _grow(self, draw: np.random.Generator) -> None:
        """The boxes of all trees: the work space is moved and stretched by chance, then halved."""
        trees, size, shingle = self.trees, 2**self.depth, self.shingle
        dimensions, cuts = np.zeros((trees, size), np.int64), np.zeros((trees, size))
        middle = draw.random((trees, 1, shingle))
        reach = 2 * np.maximum(middle, 1 - middle)
        low, high = middle - reach, middle + reach
        every = np.arange(trees)[:, None]
        for level in range(self.depth):
            count = 2**level
            chosen = draw.integers(shingle, size=(trees, count))
            cut = ((low + high) / 2)[every, np.arange(count), chosen]
            dimensions[:, count : 2 * count], cuts[:, count : 2 * count] = chosen, cut
            low, high = np.repeat(low, 2, axis=1), np.repeat(high, 2, axis=1)
            place = 2 * np.arange(count)
            high[every, place, chosen] = low[every, place + 1, chosen] = cut
        self._dimensions, self._cuts = dimensions.tolist(), cuts.tolist()

    def isolation(self, point: list[float]) -> float | None:
        """log2 of the most a point's mass can be, over the mass it has; then count it."""
        z = self.reference.standardized(point[-1])
        if z is None:
            return None
        mean, std = self.reference.mean, self.reference.std
        place = []
        for value in point:
            z = (value - mean) / std
            place.append(0.5 + 0.5 * z / (4 + abs(z)))
        size, enough, mass = 2**self.depth, self.enough, 0
        former = self.former
        for tree, counts in enumerate(self.counts):
            cuts, dimensions = self._cuts[tree], self._dimensions[tree]
            node = 1
            counts[1] += 1
            while node < size:
                node += node + (place[dimensions[node]] > cuts[node])
                counts[node] += 1
            if former is not None:
                before = former[tree]
                step = 0
                while step < self.depth and before[node >> (self.depth - step)] > enough:
                    step += 1
                mass += (2 * before[node >> (self.depth - step)] + 1) << step
        self.filled += 1
        if self.filled == self.window:
            self.former = self.counts
            self.counts = [[0] * (2 * size) for _ in range(self.trees)]
            self.filled = 0
        if former is None:
            return None
        return math.log2((2 * self.window + 1 << self.depth) * self.trees) - math.log2(mass)

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        former = None if self.former is None else [_sparse(each) for each in self.former]
        return {
            "settings": {
                "limit": self.limit, "trees": self.trees, "depth": self.depth,
                "window": self.window, "shingle": self.shingle, "seed": self.seed,
            },
            "shared": self.dump_shared(), "reference": self.reference.dump(),
            "counts": [_sparse(each) for each in self.counts], "former": former,
            "filled": self.filled,
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(**state["settings"])
        made.load_shared(state["shared"])
        made.reference = Reference.load(state["reference"])
        size = 2 ** (made.depth + 1)
        made.counts = [_dense(each, size) for each in state["counts"]]
        if state["former"] is not None:
            made.former = [_dense(each, size) for each in state["former"]]
        made.filled = state["filled"]
        return made


def _sparse(counts: list[int]) -> list[list[int]]:
    return [[place, count] for place, count in enumerate(counts) if count]


def _dense(pairs: list[list[int]], size: int) -> list[int]:
    counts = [0] * size
    for place, count in pairs:
        counts[place] = count
    return counts


def half_space_trees(values: Iterable[Any], **settings: Any) -> Judged:
    """`HalfSpaceTrees` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(HalfSpaceTrees(**settings), values)
