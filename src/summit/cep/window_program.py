"""What a window rule computes: which values of events it keeps, and how figures come of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from summit.cep.aggregates import (
    Counted,
    Extreme,
    Keep,
    Moments,
    MovingExtreme,
    Ordered,
    Present,
    distinct_value,
)
from summit.documents.window_plan import WindowPlan
from summit.events.expressions.generator import Names, Predicate, compile_predicate
from summit.events.expressions.ir import Path
from summit.events.expressions.window_calls import WindowCall, WindowFunction
from summit.events.layouts import TypedLayout
from summit.keyed.rule import EVENT_TYPE


class View(Protocol):
    """The events of a window, as figures look at them."""

    scores: dict[str, Any] | None

    @property
    def count(self) -> int: ...
    @property
    def first_ms(self) -> int: ...
    @property
    def last_ms(self) -> int: ...
    def keep(self, index: int) -> Any: ...


Figure = Callable[[View], Any]
Row = Callable[[Any], tuple[Any, ...]]
# How the values of a field are kept, and of which field.
_Kept = tuple[str, Path]

_MAKERS: Final[dict[str, Callable[[], Any]]] = {
    "moments": Moments,
    "squares": lambda: Moments(squares=True),
    "present": Present,
    "counted": Counted,
    "scored": Counted,
    "ordered": Ordered,
    "most": lambda: Extreme(1),
    "least": lambda: Extreme(-1),
}
_MOVING: Final[dict[str, Callable[[], Any]]] = {
    **_MAKERS,
    "most": lambda: MovingExtreme(1),
    "least": lambda: MovingExtreme(-1),
}
_KEPT_AS: Final[dict[WindowFunction, str]] = {
    "sum": "moments", "avg": "moments", "stddev": "squares", "count": "present",
    "distinct": "counted", "values": "counted", "percentile": "ordered", "max": "most",
    "min": "least",
}  # fmt: skip
_READS: Final[dict[WindowFunction, Callable[[Any], Any]]] = {
    "sum": lambda keep: keep.sum, "avg": lambda keep: keep.mean,
    "stddev": lambda keep: keep.deviation, "count": lambda keep: keep.count,
    "distinct": lambda keep: len(keep.counts), "values": lambda keep: keep.shown(),
    "max": lambda keep: keep.value, "min": lambda keep: keep.value,
}  # fmt: skip


class WindowProgram:
    """One window plan, prepared.

    Attributes:
        kept: Kind and field of each keep, in order.
        figures: By the text of the call.
        having: Whether a window is to be told; None = always.
        values_dropped: How many values limits have kept out.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self.plan = plan
        self.events_max = plan.events_max
        self.evidence_max = plan.evidence_max
        self.values_dropped = 0
        self.kept = _kept(plan)
        self.figures: dict[str, Figure] = {call.text: self._figure(call) for call in plan.calls}
        self._named = dict(plan.names)
        self.having: Predicate | None = None
        if plan.having is not None:
            self.having = compile_predicate(plan.having, _WindowLayout(self))
        self.compared = [call for call in plan.calls if call.function == "zscore"]

    def fields(self) -> Iterator[Path]:
        """Every field whose values are kept."""
        yield from (path for _, path in self.kept)

    def figure(self, name: str) -> Figure:
        """The figure of a call's text, or of the name that the document gives it."""
        return self.figures[self._named.get(name, name)]

    def new_keeps(self, *, moving: bool = False) -> list[Any]:
        """Keeps without values; `moving` ones can let the oldest values go."""
        makers = _MOVING if moving else _MAKERS
        return [makers[kind]() for kind, _ in self.kept]

    def new_keep(self, index: int) -> Any:
        """One keep without values."""
        return _MAKERS[self.kept[index][0]]()

    def values(self, view: View) -> dict[str, Any]:
        """All figures, by the texts of their calls and by their names."""
        found = {text: figure(view) for text, figure in self.figures.items()}
        return found | {name: found[text] for name, text in self.plan.names}

    def row_of(self, layout: TypedLayout) -> Row:
        """A function that gives the values of a decoded event, one for each keep; None enters
        none."""
        names = Names()
        codes = [self._value_code(kind, path, layout, names) for kind, path in self.kept]
        source = f"def row(e):\n return ({''.join(f'{code}, ' for code in codes)})\n"
        made: Row = names.define(source, "row")
        return made

    def _value_code(self, kind: str, path: Path, layout: TypedLayout, names: Names) -> str:
        code, local = layout.field_code(path, names), names.fresh()
        if kind == "present":
            return code
        if kind == "counted":
            return (
                f"({local} if type({local} := {code}) is str else {names.bind(_distinct)}({local}))"
            )
        if kind == "scored":
            weights = names.bind(dict(self.plan.scores))
            return f"({local} if type({local} := {code}) is str and {local} in {weights} else None)"
        return f"({local} if type({local} := {code}) is int or type({local}) is float else None)"

    def _figure(self, call: WindowCall) -> Figure:
        text = call.text
        if call.function == "zscore":
            return lambda view: None if view.scores is None else view.scores.get(text)
        if call.function == "rate":
            return self._rate()
        if call.function == "count" and call.path is None:
            return lambda view: view.count
        index = self.kept.index(self._kept_of(call))
        if call.function == "score":
            return _score(index, dict(self.plan.scores))
        if call.function == "percentile":
            percent = call.percent
            return lambda view: view.keep(index).percentile(percent)
        read = _READS[call.function]
        return lambda view: read(view.keep(index))

    def _kept_of(self, call: WindowCall) -> _Kept:
        if call.function == "score":
            return "scored", EVENT_TYPE
        assert call.path is not None
        wanted = _KEPT_AS[call.function], call.path
        if wanted not in self.kept and wanted[0] == "moments":
            return "squares", call.path
        return wanted

    def _rate(self) -> Figure:
        plan = self.plan
        if plan.kind == "session":
            gap_ms = plan.gap_ms or 0
            return lambda view: view.count * 1000 / (view.last_ms - view.first_ms + gap_ms)
        size_ms = plan.size_ms or 1
        return lambda view: view.count * 1000 / size_ms


class _WindowLayout:
    """How `having` reads a window: `e` is its view."""

    def __init__(self, program: WindowProgram) -> None:
        self._program = program

    def field_code(self, path: Path, names: Names) -> str:
        return f"{names.bind(self._program.figure('.'.join(path)), 'figure')}(e)"

    def reference_code(self, node: Any, names: Names) -> str:
        raise AssertionError(node)


def _kept(plan: WindowPlan) -> list[_Kept]:
    found: dict[_Kept, None] = {}
    for call in plan.calls:
        if call.function == "score":
            found["scored", EVENT_TYPE] = None
        elif call.path is not None:
            found[_KEPT_AS[call.function], call.path] = None
    return [each for each in found if each[0] != "moments" or ("squares", each[1]) not in found]


def _score(index: int, weights: dict[str, int | float]) -> Figure:
    def score(view: View) -> int | float:
        return sum(weights[name] for name in sorted(view.keep(index).counts))

    return score


def _distinct(value: Any) -> Any:
    return None if value is None else distinct_value(value)


def load_keep(kind: str, plain: Any) -> Keep:
    """What a keep's `plain` gave. Raises: ValueError, TypeError."""
    match kind:
        case "moments" | "squares":
            return Moments.load(plain)
        case "present":
            return Present(int(plain))
        case "ordered":
            return Ordered(plain)
        case "most" | "least":
            return Extreme(1 if kind == "most" else -1, plain)
        case _:
            return Counted((_hashable(value), int(count)) for value, count in plain)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
