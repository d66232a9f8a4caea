"""Moving averages of a stream and of a series: simple, weighted, exponential and double."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol, Self

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, as_series, finite, np
from summit.kernels.moments import RollingMoments
from summit.kernels.settings import share, whole


class Average(Protocol):
    """A moving average of a stream. A missing value changes nothing and repeats the last answer."""

    def update(self, value: Any) -> float | None:
        """Take a value; the average after it, None while there is none."""

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""


class Sma:
    """The mean of the last `window` values; None until there are so many."""

    __slots__ = ("moments",)

    def __init__(self, window: int) -> None:
        self.moments = RollingMoments(whole("window", window, 1))

    def update(self, value: Any) -> float | None:
        """Take a value; the average after it."""
        number = finite(value)
        moments = self.moments
        if number is not None:
            moments.add(number)
        return moments.mean if len(moments.values) == moments.values.maxlen else None

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {"moments": self.moments.dump()}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(state["moments"][0])
        made.moments = RollingMoments.load(state["moments"])
        return made


class Wma:
    """The mean of the last `window` values with weights 1, 2, … up to the newest's.

    None until there are so many. Cost: O(window) a value.
    """

    __slots__ = ("_total", "values")

    def __init__(self, window: int) -> None:
        self.values: deque[float] = deque(maxlen=whole("window", window, 1))
        self._total = window * (window + 1) / 2

    def update(self, value: Any) -> float | None:
        """Take a value; the average after it."""
        number = finite(value)
        values = self.values
        if number is not None:
            values.append(number)
        if len(values) < (values.maxlen or 0):
            return None
        return sum(weight * each for weight, each in enumerate(values, 1)) / self._total

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {"window": self.values.maxlen, "values": list(self.values)}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(state["window"])
        made.values.extend(state["values"])
        return made


class Ema:
    """Exponential average: alpha * value + (1 - alpha) * before; begins with the first value.

    Args:
        window: Makes alpha 2 / (window + 1); or give `alpha` itself, above 0 and at most 1.

    Example:
        >>> average = Ema(alpha=0.5)
        >>> [average.update(value) for value in (1, 2, 3, 4)]
        [1.0, 1.5, 2.25, 3.125]
    """

    __slots__ = ("alpha", "now")

    def __init__(self, window: int | None = None, *, alpha: float | None = None) -> None:
        if (window is None) == (alpha is None):
            raise Invalid("config.invalid", reason="give either window or alpha", pointer="")
        self.alpha = share("alpha", alpha) if alpha is not None else 2 / (
            whole("window", window or 0, 1) + 1
        )  # fmt: skip
        self.now: float | None = None

    def update(self, value: Any) -> float | None:
        """Take a value; the average after it."""
        number = finite(value)
        if number is not None:
            now = self.now
            self.now = number if now is None else now + self.alpha * (number - now)
        return self.now

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {"alpha": self.alpha, "now": self.now}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(alpha=state["alpha"])
        made.now = state["now"]
        return made


class Dema:
    """Double exponential average, 2 * EMA - EMA of the EMA: lags less behind a trend.

    Source: Mulloy 1994.
    """

    __slots__ = ("ema", "of_ema")

    def __init__(self, window: int | None = None, *, alpha: float | None = None) -> None:
        self.ema = Ema(window, alpha=alpha)
        self.of_ema = Ema(alpha=self.ema.alpha)

    def update(self, value: Any) -> float | None:
        """Take a value; the average after it."""
        if finite(value) is None:
            first, second = self.ema.update(None), self.of_ema.update(None)
        else:
            first = self.ema.update(value)
            second = self.of_ema.update(first)
        return None if first is None or second is None else 2 * first - second

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {"ema": self.ema.dump(), "ofEma": self.of_ema.dump()}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(alpha=state["ema"]["alpha"])
        made.ema, made.of_ema = Ema.load(state["ema"]), Ema.load(state["ofEma"])
        return made


def _run(average: Average, values: Iterable[Any]) -> Floats:
    answers = [average.update(value) for value in as_series(values).tolist()]
    return np.array([np.nan if answer is None else answer for answer in answers], np.float64)


def sma(values: Iterable[Any], window: int) -> Floats:
    """`Sma` over a series, NaN until there are `window` values. Shape: (n,) in and out."""
    return _run(Sma(window), values)


def wma(values: Iterable[Any], window: int) -> Floats:
    """`Wma` over a series, NaN until there are `window` values. Shape: (n,) in and out."""
    return _run(Wma(window), values)


def ema(values: Iterable[Any], window: int | None = None, *, alpha: float | None = None) -> Floats:
    """`Ema` over a series. Shape: (n,) in and out."""
    return _run(Ema(window, alpha=alpha), values)


def dema(values: Iterable[Any], window: int | None = None, *, alpha: float | None = None) -> Floats:
    """`Dema` over a series. Shape: (n,) in and out."""
    return _run(Dema(window, alpha=alpha), values)
