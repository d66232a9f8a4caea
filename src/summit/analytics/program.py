"""A query compiled: which fields it reads, how rows become summaries, and summaries metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from summit.analytics.columns import Column
from summit.analytics.distinct import Distinct
from summit.analytics.frequent import Frequent
from summit.analytics.numbers import Numbers
from summit.analytics.ordered import Ordered
from summit.analytics.pane import Pane
from summit.analytics.quantiles import Quantiles
from summit.base.errors import Corrupt
from summit.documents.query_plan import MetricPlan, QueryPlan
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Path
from summit.events.layouts import TypedLayout

RowOf = Callable[[Any, Any], Any]
"""The row of a decoded event and its place (time, topic, partition, offset)."""

_CELLS_MAX: Final = 256
_ROWS_MIN: Final = 16
_ORDERED: Final = ("first", "last", "collect")
_OF_ORDER: Final = ("percentile", "median")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class _Need(NamedTuple):
    """One summary of a pane: of which column, and how it is made."""

    column: int
    kind: type[Any]
    new: Callable[[], Any]


class Value(NamedTuple):
    """One metric's value; `error` is set where it is not exact."""

    value: Any
    error: dict[str, Any] | None = None


class Program:
    """What the windows of a query do with events, whatever kind of window it has."""

    def __init__(self, plan: QueryPlan) -> None:
        self.plan = plan
        metrics = plan.metrics
        self.columns = tuple(dict.fromkeys(m.path for m in metrics if m.path is not None))
        self.has_place = any(metric.function in _ORDERED for metric in metrics)
        self._needs: list[_Need] = []
        self._place_of: dict[tuple[Any, ...], int] = {}
        squared = {m.path for m in metrics if m.function in ("variance", "stddev")}
        kept = {m.path: m.limit for m in metrics if m.function == "collect"}
        exact = {(m.path, _family(m)) for m in metrics if m.exact}
        self._reads = []
        for metric in metrics:
            if metric.path is None:
                self._reads.append((metric, -1))
                continue
            family = _family(metric)
            is_exact = (metric.path, family) in exact
            new: Callable[[], Any]
            if family is Numbers:
                new = partial(Numbers, squares=metric.path in squared)
            elif family is Ordered:
                new = partial(Ordered, kept.get(metric.path, 1))
            else:
                made: Any = family
                new = partial(made, exact=is_exact)
            self._reads.append((metric, self._need(metric.path, family, new)))
        self.rows_max = max(_CELLS_MAX // max(len(self.columns), 1), _ROWS_MIN)

    def _need(self, path: Path, kind: type[Any], new: Callable[[], Any]) -> int:
        place = self._place_of.get((path, kind))
        if place is None:
            place = self._place_of[path, kind] = len(self._needs)
            self._needs.append(_Need(self.columns.index(path), kind, new))
        return place

    # ---- events to rows ----

    def row_code(self, layout: TypedLayout, names: Names) -> str:
        """Source of the row of a decoded event `e`, whose place is `at`."""
        cells = [layout.field_code(path, names) for path in self.columns]
        if self.has_place:
            cells.append("at")
        if not cells:
            return "None"
        return cells[0] if len(cells) == 1 else f"({', '.join(cells)})"

    def row_of(self, layout: TypedLayout) -> RowOf:
        """A function that makes rows."""
        names = Names()
        source = f"def row(e, at):\n return {self.row_code(layout, names)}\n"
        made: RowOf = names.define(source, "row")
        return made

    # ---- panes ----

    def put(self, pane: Pane, rows: Sequence[Any]) -> None:
        """Add rows to a pane."""
        pane.rows.extend(rows)
        if len(pane.rows) > self.rows_max:
            self.fold(pane)

    def fold(self, pane: Pane) -> None:
        """Put a pane's rows into its summaries."""
        rows = pane.rows
        if pane.summaries is None:
            pane.summaries = [need.new() for need in self._needs]
        if not rows:
            return
        if self._needs:
            columns = self._columns(rows)
            for need, summary in zip(self._needs, pane.summaries, strict=True):
                summary.add(columns[need.column])
        pane.count += len(rows)
        pane.rows = []

    def _columns(self, rows: list[Any]) -> list[Column]:
        if len(self.columns) == 1 and not self.has_place:
            return [Column(rows)]
        cells = list(zip(*rows, strict=True))
        if not self.has_place:
            return [Column(values) for values in cells]
        ats = cells.pop()
        return [Column(values, ats) for values in cells]

    def merged(self, panes: Iterable[Pane]) -> Pane:
        """A new pane with all that some have."""
        found = Pane()
        for pane in panes:
            self.merge(found, pane)
        return found

    def merge(self, pane: Pane, other: Pane) -> None:
        """Give a pane all that another has; the other stays as it is."""
        if other.rows:
            self.put(pane, other.rows)
        if other.summaries is None:
            return
        if pane.summaries is None:
            pane.summaries = [need.new() for need in self._needs]
        for mine, its in zip(pane.summaries, other.summaries, strict=True):
            mine.merge(its)
        pane.count += other.count

    # ---- panes to metrics ----

    def metrics(self, pane: Pane, length_ms: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of the metrics by name, and by name what is approximate and by how much.

        Args:
            length_ms: Of the window, for rates.
        """
        self.fold(pane)
        assert pane.summaries is not None
        values: dict[str, Any] = {}
        approximate: dict[str, Any] = {}
        sorted_values: dict[int, Any] = {}
        for metric, place in self._reads:
            if place < 0:
                values[metric.name] = _counted(metric, pane.count, length_ms)
                continue
            summary = pane.summaries[place]
            if metric.function in _OF_ORDER:
                ascending = sorted_values.get(place)
                if ascending is None:
                    ascending = sorted_values[place] = summary.ascending()
                found = ascending.percentile(metric.percent, nearest=metric.nearest)
                values[metric.name] = found
                if summary.error is not None:
                    approximate[metric.name] = {"relativeError": summary.error}
                continue
            values[metric.name], error = _READERS[metric.function](metric, summary)
            if error:
                approximate[metric.name] = error
        for metric in self.plan.metrics:
            if metric.of is not None:
                top, bottom = (values[name] for name in metric.of)
                values[metric.name] = None if top is None or not bottom else top / bottom
        return values, approximate

    # ---- panes as bytes ----

    def dump(self, pane: Pane) -> list[Any]:
        """A pane as plain values: its rows as they are, so that nothing is folded sooner."""
        summaries = pane.summaries
        plain = None if summaries is None else [summary.dump() for summary in summaries]
        return [pane.count, pane.first_ms, pane.last_ms, pane.rows, plain]

    def load(self, state: list[Any], into: Pane | None = None) -> Pane:
        """A pane as it was at `dump`. Raises: ValueError, TypeError for anything else."""
        pane = Pane() if into is None else into
        pane.count, pane.first_ms, pane.last_ms, rows, plain = state
        pane.rows = list(map(self._row, rows))
        if plain is not None:
            pane.summaries = [
                need.kind.load(one) for need, one in zip(self._needs, plain, strict=True)
            ]
        return pane

    def _row(self, plain: Any) -> Any:
        if not self.has_place:
            return tuple(plain) if len(self.columns) > 1 else plain
        return (*plain[:-1], tuple(plain[-1]))


def pack(state: Any) -> bytes:
    """State of plain values as bytes (MessagePack)."""
    return _encode(state)


def unpack(data: bytes) -> Any:
    """The state that `pack` wrote. Raises: Corrupt("query.state")."""
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise Corrupt("query.state", reason=str(error)) from error


def _family(metric: MetricPlan) -> type[Any]:
    match metric.function:
        case "percentile" | "median":
            return Quantiles
        case "distinct":
            return Distinct
        case "topK" | "mode":
            return Frequent
        case "first" | "last" | "collect":
            return Ordered
        case _:
            return Numbers


def _counted(metric: MetricPlan, count: int, length_ms: int) -> Any:
    if metric.function == "rate":
        return count * metric.per_ms / max(length_ms, 1)
    return count if metric.function == "count" else None


def _numbers(read: Callable[[MetricPlan, Numbers], Any]) -> Callable[[MetricPlan, Any], Value]:
    return lambda metric, numbers: Value(read(metric, numbers))


def _distinct(_: MetricPlan, found: Distinct) -> Value:
    error = None if found.error is None else {"relativeStandardError": found.error}
    return Value(found.count(), error)


def _top(metric: MetricPlan, found: Frequent) -> Value:
    error = {"countError": found.error} if found.error else None
    rows = [{"value": value, "count": count} for value, count in found.top(metric.limit)]
    return Value(rows, error)


def _mode(_: MetricPlan, found: Frequent) -> Value:
    error = {"countError": found.error} if found.error else None
    rows = found.top(1)
    return Value(rows[0][0] if rows else None, error)


def _first(_: MetricPlan, found: Ordered) -> Value:
    return Value(found.first[0][1] if found.first else None)


def _last(_: MetricPlan, found: Ordered) -> Value:
    return Value(None if found.last is None else found.last[1])


def _collect(metric: MetricPlan, found: Ordered) -> Value:
    values = [value for _, value in found.first[: metric.limit]]
    left = found.count - len(values)
    return Value(values, {"leftOut": left} if left else None)


_READERS: Final[dict[str, Callable[[MetricPlan, Any], Value]]] = {
    "sum": _numbers(lambda _, numbers: numbers.total.value()),
    "avg": _numbers(lambda _, numbers: numbers.mean()),
    "min": _numbers(lambda _, numbers: numbers.smallest),
    "max": _numbers(lambda _, numbers: numbers.largest),
    "variance": _numbers(lambda metric, numbers: numbers.variance(sample=metric.sample)),
    "stddev": _numbers(lambda metric, numbers: numbers.stddev(sample=metric.sample)),
    "distinct": _distinct,
    "topK": _top,
    "mode": _mode,
    "first": _first,
    "last": _last,
    "collect": _collect,
}
