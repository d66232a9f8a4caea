"""Resampling: uneven points made into even steps of time, and the gaps filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, as_series, np
from summit.kernels.settings import positive

STEPS_MAX = 1_000_000
FILLS: Final = ("none", "null", "last", "linear", "zero")


def resample(
    times: Iterable[float], values: Iterable[Any], step_ms: float, *, function: str = "mean",
    fill: str = "null", gap_max_ms: float | None = None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """One value for each step [k * step, (k + 1) * step) from the first point to the last.

    Args:
        times: Milliseconds, in any order.
        function: `mean`, `sum`, `min`, `max`, `median`, `count`, `first`, `last`.
        fill: Of a step without a value: `none` leaves it out, `null` is NaN, `last` repeats,
            `linear` is between its neighbours, `zero` is 0, for counts and sums.
        gap_max_ms: `last` and `linear` fill no gap longer than that, from value to value.
    Shape: (n,) in; the begins of the steps and their values (k,) out.
    Raises: Invalid("config.invalid"); also for more than a million steps.

    Example:
        >>> starts, means = resample([0, 400, 2100], [1, 3, 8], 1000, fill="linear")
        >>> starts.tolist(), means.tolist()
        ([0.0, 1000.0, 2000.0], [2.0, 5.0, 8.0])
    """
    positive("step_ms", step_ms)
    if function not in _FUNCTIONS:
        raise _unknown("function", function, tuple(_FUNCTIONS))
    if fill not in FILLS:
        raise _unknown("fill", fill, FILLS)
    at, known = as_series(times), as_series(values)
    if len(at) != len(known):
        reason = f"there are {len(at)} times for {len(known)} values"
        raise Invalid("config.invalid", reason=reason, pointer="")
    both = ~(np.isnan(at) | np.isnan(known))
    at, known = at[both], known[both]
    if not len(at):
        return np.zeros(0), np.zeros(0)
    order = np.argsort(at, kind="stable")
    steps, known = np.floor(at[order] / step_ms), known[order]
    count = steps[-1] - steps[0] + 1
    if count > STEPS_MAX:
        reason = f"{count:.0f} steps are more than {STEPS_MAX}; take a longer step"
        raise Invalid("config.invalid", reason=reason, pointer="")
    place = (steps - steps[0]).astype(np.int64)
    begins = np.flatnonzero(np.diff(place, prepend=-1))
    filled = place[begins]
    result = np.full(int(count), np.nan)
    result[filled] = _FUNCTIONS[function](known, begins)
    starts = (steps[0] + np.arange(len(result))) * step_ms
    if fill == "none":
        return starts[filled], result[filled]
    return starts, _filled(result, filled, fill, step_ms, gap_max_ms)


def _filled(
    result: Floats, known: Any, fill: str, step_ms: float, gap_max_ms: float | None
) -> Floats:
    if fill == "null":
        return result
    if fill == "zero":
        return np.where(np.isnan(result), 0.0, result)
    every = np.arange(len(result))
    before = np.maximum.accumulate(np.where(np.isnan(result), -1, every))
    made: Floats = result[before]
    if fill == "linear":
        made = np.interp(every, known, result[known])
    if gap_max_ms is not None:
        after = known[np.searchsorted(known, every)]
        too_long = (after - before) * step_ms > positive("gap_max_ms", gap_max_ms)
        made = np.where(np.isnan(result) & too_long, np.nan, made)
    return made


def _unknown(name: str, value: str, there_are: tuple[str, ...]) -> Invalid:
    reason = f"{name} '{value}' is unknown; there are {', '.join(there_are)}"
    return Invalid("config.invalid", reason=reason, pointer="")


def _counts(known: Floats, begins: Any) -> Floats:
    counts: Floats = np.diff(np.append(begins, len(known))).astype(np.float64)
    return counts


def _last(known: Floats, begins: Any) -> Floats:
    last: Floats = known[np.append(begins[1:], len(known)) - 1]
    return last


def _medians(known: Floats, begins: Any) -> Floats:
    return np.array([float(np.median(part)) for part in np.split(known, begins[1:])])


_FUNCTIONS: Final[dict[str, Callable[[Floats, Any], Floats]]] = {
    "mean": lambda known, begins: np.add.reduceat(known, begins) / _counts(known, begins),
    "sum": np.add.reduceat,
    "min": np.minimum.reduceat,
    "max": np.maximum.reduceat,
    "median": _medians,
    "count": _counts,
    "first": lambda known, begins: known[begins],
    "last": _last,
}
