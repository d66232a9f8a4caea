"""Random cut forest: how much a point would displace in trees of random cuts through the past."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Self

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, np
from summit.kernels.detectors.judged import Judged, run
from summit.kernels.settings import whole
from summit.kernels.trees.shingle import Shingled


class _Tree:
    """A random cut tree over a sample: a cut takes a dimension by its extent.

    `cuts` has for each node dimension, place, lower and upper child (0: a leaf); `nodes` its box,
    the sum of the box's extents, its points, and its parent (-1: the root).
    """

    __slots__ = ("cuts", "nodes")

    def __init__(self, rows: Floats, draw: np.random.Generator) -> None:
        self.nodes: list[tuple[list[tuple[float, float]], float, int, int]] = []
        self.cuts: list[tuple[int, float, int, int]] = []
        waiting = [(rows.tolist(), -1)]
        chances = iter(draw.random(2 * len(rows)).tolist())
        while waiting:
            part, parent = waiting.pop()
            node = len(self.nodes)
            if parent >= 0:
                dimension, at, lower, _ = self.cuts[parent]
                self.cuts[parent] = (dimension, at, lower or node, node)
            box = [(min(column), max(column)) for column in zip(*part, strict=True)]
            extents = [high - low for low, high in box]
            self.nodes.append((box, sum(extents), len(part), parent))
            sides = _cut(part, box, extents, chances)
            self.cuts.append((0, 0.0, 0, 0))
            if sides is not None:
                dimension, at, left, right = sides
                self.cuts[node] = (dimension, at, 0, 0)
                waiting += [(right, node), (left, node)]

    def displacement(self, point: list[float]) -> float:
        """The mean number of the sample's points that a new point would push a level down.

        Over all ways the cuts could fall: at each node on its way the point is cut off with the
        chance that a cut of the larger box falls outside of the node's own.
        """
        cuts, nodes = self.cuts, self.nodes
        node = 0
        dimension, at, lower, upper = cuts[0]
        while lower:
            node = lower if point[dimension] <= at else upper
            dimension, at, lower, upper = cuts[node]
        total = 0.0
        while node >= 0:  # from the leaf up: a box that holds the point is in boxes that do
            box, extent, size, node = nodes[node]
            outside = 0.0
            for value, (low, high) in zip(point, box):  # noqa: B905 - strict costs a tenth
                if value < low:
                    outside += low - value
                elif value > high:
                    outside += value - high
            if not outside:
                break
            total += (size - total) * outside / (extent + outside)
        return total


def _cut(
    part: list[list[float]], box: list[tuple[float, float]], extents: list[float], chances: Any
) -> tuple[int, float, list[list[float]], list[list[float]]] | None:
    """A cut by chance and its two sides; None where the points are all the same."""
    if len(part) == 1:
        return None
    at = next(chances) * sum(extents)
    for dimension, extent in enumerate(extents):
        if extent > 0 and at <= extent:
            at += box[dimension][0]
            left = [row for row in part if row[dimension] <= at]
            right = [row for row in part if row[dimension] > at]
            return (dimension, at, left, right) if left and right else None
        at -= extent
    return None


class RandomCutForest(Shingled):
    """Flags a point that would displace many others, were it put into trees of the past.

    Every tree is made of a sample of the last `window` points and made anew in turn, one after each
    `every` values, so that the forest is as if points had been put in and taken out all along,
    `trees` * `every` values late at most. The score is the mean displacement over all trees.

    Args:
        limit: In powers of ten of the past's chance.
        trees, samples: Of the forest; points a tree.
        window: Points that samples are taken from.
        every: Values after which one tree is made anew.
        shingle: So many values in a row are a point.
        seed: Of the forest's chance.
    Cost: O(trees * log samples * shingle) a value; the trees, and the last `window` + `trees` *
        `every` values.
    Source: Guha, Mishra, Roy and Schrijvers 2016, with the expected displacement and new trees in
        place of single points put in and taken out, which leave trees of the same distribution.
    """

    __slots__ = ("built", "every", "forest", "past", "samples", "trees", "window")

    def __init__(
        self, *, limit: float = 3.0, trees: int = 16, samples: int = 32, window: int = 512,
        every: int = 32, shingle: int = 2, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(limit, shingle, seed)
        self.trees, self.samples = whole("trees", trees, 1), whole("samples", samples, 4)
        self.window, self.every = whole("window", window, 8), whole("every", every, 1)
        if self.samples > self.window:
            reason = f"samples {samples} is above window {window}"
            raise Invalid("config.invalid", reason=reason, pointer="")
        self.past: deque[float] = deque(maxlen=self.window + self.trees * self.every + shingle)
        self.forest: list[_Tree] = []
        self.built: list[int] = []  # after how many values each tree was made

    def isolation(self, point: list[float]) -> float | None:
        """The mean displacement over the forest; then learn from the point."""
        forest = self.forest
        size = None
        if forest:
            size = sum([tree.displacement(point) for tree in forest]) / len(forest)
        past = self.past
        past.append(point[-1])
        if self.points >= self.samples + self.shingle and not forest:
            self.built = [self.points] * self.trees
            self.forest = [self._made(number) for number in range(self.trees)]
        elif forest and self.points % self.every == 0:
            number = self.points // self.every % self.trees
            self.built[number] = self.points
            forest[number] = self._made(number)
        return size

    def _made(self, number: int) -> _Tree:
        """A tree of the points before it was made: the same whenever it is made."""
        at, shingle = self.built[number], self.shingle
        past = np.array(self.past)
        end = len(past) - (self.points - at)
        first = max(0, end - self.window - shingle + 1)
        rows = np.lib.stride_tricks.sliding_window_view(past[first:end], shingle)
        draw = np.random.default_rng([self.seed, number, at])
        count = min(self.samples, len(rows))
        return _Tree(rows[np.sort(draw.permutation(len(rows))[:count])], draw)

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "settings": {
                "limit": self.limit, "trees": self.trees, "samples": self.samples,
                "window": self.window, "every": self.every, "shingle": self.shingle,
                "seed": self.seed,
            },
            "shared": self.dump_shared(), "past": list(self.past), "built": list(self.built),
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(**state["settings"])
        made.load_shared(state["shared"])
        made.past.extend(state["past"])
        made.built = list(state["built"])
        made.forest = [made._made(number) for number in range(len(made.built))]
        return made


def random_cut_forest(values: Iterable[Any], **settings: Any) -> Judged:
    """`RandomCutForest` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(RandomCutForest(**settings), values)
