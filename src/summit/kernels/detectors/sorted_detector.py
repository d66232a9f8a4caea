"""What the detectors over a sorted window of the past have in common."""

from __future__ import annotations

from typing import Any, Self

from summit.kernels.arrays import capped, finite, spread_or_floor
from summit.kernels.detectors.judged import Score
from summit.kernels.order_statistics import SortedWindow
from summit.kernels.settings import whole


class SortedDetector:
    """Flags a value that is more than `limit` spreads from the centre of those before it."""

    __slots__ = ("limit", "points_min", "skipped", "window")

    def __init__(self, limit: float, window: int, points_min: int) -> None:
        self.limit = limit
        self.points_min = whole("points_min", points_min, 2)
        self.window = SortedWindow(whole("window", window, self.points_min))
        self.skipped = 0

    @staticmethod
    def centre_and_spread(window: SortedWindow) -> tuple[float, float]:
        """Where the values are, and how far apart; for subclasses."""
        raise NotImplementedError

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        if number is None:
            self.skipped += 1
            return Score(False, None, None, self.limit, "missing")
        window = self.window
        if len(window.values) < self.points_min:
            window.add(number)
            return Score(False, None, None, self.limit, "warmup")
        centre, spread = self.centre_and_spread(window)
        deviation = capped((number - centre) / spread_or_floor(spread, centre))
        window.add(number)
        return Score(abs(deviation) > self.limit, centre, deviation, self.limit, "ready")

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "limit": self.limit, "pointsMin": self.points_min, "skipped": self.skipped,
            "window": self.window.dump(),
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls.__new__(cls)
        SortedDetector.__init__(made, state["limit"], state["window"][0], state["pointsMin"])
        made.window, made.skipped = SortedWindow.load(state["window"]), state["skipped"]
        return made
