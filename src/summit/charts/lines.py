"""What is drawn: lines of points in time, the marks on them, and what is forecast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

VALUE_MAX = 1e150


class Mark(NamedTuple):
    """A point that is marked, as an anomaly is: `severity` low, medium, high or critical."""

    timestamp: float
    value: float
    severity: str = "low"
    text: str = ""


class Ahead(NamedTuple):
    """A value to come, and between what it is expected."""

    timestamp: float
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Line:
    """A series: points (ms, value) in order of time; None or NaN is a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]
    marks: Sequence[Mark] = ()
    ahead: Sequence[Ahead] = ()


def lines_of(
    points: Iterable[Mapping[str, Any]], *, name: str = "", anomalies: Iterable[Any] = (),
    forecast: Iterable[Any] = (),
) -> Line:  # fmt: skip
    """A line of points, anomalies and predictions as `summit.real_time_analytics` has them.

    Args:
        points: Mappings with `timestamp` and `value`; in any order.
        anomalies: Objects with `timestamp`, `value`, `severity` and `explanation`.
        forecast: Objects with `timestamp`, `value`, `lower`, `upper`.
    """
    pairs = sorted(((point["timestamp"], known(point.get("value"))) for point in points),
                   key=lambda pair: pair[0])  # fmt: skip
    marks = [Mark(a.timestamp, a.value, a.severity, a.explanation) for a in anomalies]
    ahead = [Ahead(p.timestamp, p.value, p.lower, p.upper) for p in forecast]
    return Line(name, pairs, marks, ahead)


def known(value: Any) -> float | None:
    """The value if it can be drawn: a finite number."""
    if value is None or isinstance(value, (bool, str, bytes)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(number, -VALUE_MAX), VALUE_MAX) if math.isfinite(number) else None


def extent(lines: Sequence[Line]) -> tuple[float, float, float, float] | None:
    """From when to when and from what to what the lines reach; None of nothing."""
    times: list[float] = []
    values: list[float] = []
    for line in lines:
        shown = [(at, known(value)) for at, value in line.points]
        times += [at for at, _ in shown]
        values += [value for _, value in shown if value is not None]
        marked = [(m.timestamp, known(m.value)) for m in line.marks if known(m.value) is not None]
        times += [at for at, _ in marked]
        values += [value for _, value in marked if value is not None]
        for step in line.ahead:
            ends = [known(end) for end in (step.lower, step.upper, step.value)]
            if None not in ends:
                times.append(step.timestamp)
                values += [end for end in ends if end is not None]
    if not values:
        return None
    return min(times), max(times), min(values), max(values)


def columns(
    points: Sequence[tuple[float, float | None]], first: float, last: float, count: int
) -> list[tuple[float, float | None]]:
    """At most four points for each of so many columns: the first, lowest, highest and last.

    So no spike is lost, however many points there are; a gap stays a gap.
    """
    if len(points) <= 4 * count:
        return [(at, known(value)) for at, value in points]
    kept: list[tuple[float, float | None]] = []
    part: list[tuple[float, float]] = []
    at_column = -1
    for at, given in [*points, (math.inf, None)]:
        value = known(given)
        column = count if at == math.inf else int((at - first) / (last - first or 1) * (count - 1))
        if (column != at_column or value is None) and part:
            low, high = min(part, key=_value), max(part, key=_value)
            kept += sorted({part[0], low, high, part[-1]})
            part = []
        at_column = column
        if value is not None:
            part.append((at, value))
        elif at != math.inf and (not kept or kept[-1][1] is not None):
            kept.append((at, None))
    return kept


def _value(pair: tuple[float, float]) -> float:
    return pair[1]
