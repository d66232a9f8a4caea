"""What the control charts have in common: a reference, a statistic, and a new start at an alarm."""

from __future__ import annotations

from typing import Any, Self

from summit.kernels.arrays import finite
from summit.kernels.detectors.judged import Score
from summit.kernels.detectors.reference import Reference


class Chart:
    """A statistic of standardized values that is flagged when it passes its limit.

    At an alarm the statistic begins anew and, unless mean and std were given, the reference is
    learned from the next values; the old one stays in force meanwhile.
    """

    __slots__ = ("limit", "reference", "settings", "skipped", "state")

    def __init__(self, reference: Reference, limit: float, settings: dict[str, float]) -> None:
        self.reference = reference
        self.limit = limit
        self.settings = settings
        self.state = self.begin()
        self.skipped = 0

    def begin(self) -> list[float]:
        """The state of the statistic at its start; for subclasses."""
        raise NotImplementedError

    def step(self, state: list[float], z: float) -> float:
        """Take a standardized value into the state; the signed statistic; for subclasses."""
        raise NotImplementedError

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        limit = self.limit
        if number is None:
            self.skipped += 1
            return Score(False, None, None, limit, "missing")
        reference = self.reference
        expected = reference.mean
        z = reference.standardized(number)
        if z is None:
            return Score(False, None, None, limit, "warmup")
        statistic = self.step(self.state, z)
        flagged = abs(statistic) > limit
        if flagged:
            self.state = self.begin()
            reference.relearn()
        return Score(flagged, expected, statistic, limit, "ready")

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "settings": dict(self.settings), "reference": self.reference.dump(),
            "state": list(self.state), "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(**state["settings"])
        made.reference = Reference.load(state["reference"])
        made.state, made.skipped = list(state["state"]), state["skipped"]
        return made
