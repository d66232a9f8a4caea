"""Random expression trees, events and runs for property tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from summit.events.expressions import ir
from summit.events.expressions.building import comparison

STEPS = ("a", "b")
FIELDS = (
    ("x",), ("y",), ("source",), ("eventType",), ("severity",), ("timestamp",), ("topic",),
    ("key",), ("user", "name"), ("data", "x"), ("metadata", "y"), ("data",), ("items",),
    ("items", "0"), ("items", "1", "x"), ("user",), ("__proto__",), ("user", "__class__"),
)  # fmt: skip
TEXTS = ("", "a", "ab", "b", "high", "low", "1", "x", "10.0.0.1", "topic-1")

texts = st.sampled_from(TEXTS)
numbers = st.sampled_from((0, 1, -1, 2, 1.0, 0.5, -2.5, 7, 1 << 40)) | st.integers(-3, 3)
scalars = st.one_of(texts, numbers, st.booleans(), st.none())


def json_values(depth: int = 2) -> st.SearchStrategy[Any]:
    """Small JSON values over few names, so that fields and values meet."""
    names = st.sampled_from(("x", "y", "name", "user", "0", "a", "__class__"))
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=4 * depth,
    )


def events() -> st.SearchStrategy[dict[str, Any]]:
    """Events whose timestamp, if any, is one."""
    inner = json_values()
    root = st.dictionaries(
        st.sampled_from(
            ("x", "y", "source", "eventSource", "eventType", "severity", "user", "items", "data",
             "metadata", "enrichedData", "topic", "__proto__")
        ),
        inner,
        max_size=6,
    )  # fmt: skip
    times = st.sampled_from((None, 5, 0, 1_700_000_000_000, "2023-11-14T22:13:20Z", 12.75))
    return st.builds(_event, root, times)


def _event(root: dict[str, Any], time: Any) -> dict[str, Any]:
    return root if time is None else {**root, "timestamp": time}


@st.composite
def trees(draw: st.DrawFn, *, conditions: bool = True, depth: int = 3) -> ir.Node:
    """Trees of all kinds, up to a depth.

    Args:
        conditions: Whether nodes that only conditions make may be in it.
    """
    return _tree(draw, draw(st.integers(0, depth)), conditions, bound=False)


def _tree(draw: st.DrawFn, depth: int, conditions: bool, bound: bool) -> ir.Node:
    def inner() -> ir.Node:
        return _tree(draw, draw(st.integers(0, depth - 1)), conditions, bound)

    def quantified() -> ir.Node:
        kind = draw(st.sampled_from(("exists", "all")))
        if bound:
            return ir.Size(inner())
        return ir.Quantified(kind, "v", inner(), _tree(draw, depth - 1, conditions, bound=True))

    if depth <= 0:
        return _leaf(draw, bound)
    kinds: list[Callable[[], ir.Node]] = [
        lambda: ir.Arithmetic(draw(_ARITHMETIC), inner(), inner()),
        lambda: ir.Negate(_not_constant(inner())),
        lambda: ir.Size(inner()),
        lambda: ir.Index(inner(), _no_text(inner())),
        lambda: ir.ListOf(tuple(inner() for _ in range(draw(st.integers(0, 3))))),
        lambda: ir.MapOf(tuple((name, inner()) for name in draw(_NAMES))),
        lambda: comparison(draw(_ORDERS), inner(), inner()),
        lambda: comparison(draw(_ORDERS), inner(), _leaf(draw, bound)),
        lambda: ir.And(_flat(ir.And, (inner(), inner()))),
        lambda: ir.Or(_flat(ir.Or, (inner(), inner(), inner()))),
        lambda: ir.Not(inner()),
        lambda: ir.Choose(inner(), inner(), inner()),
        lambda: ir.In(inner(), inner()),
        lambda: ir.In(inner(), _list_of(draw, texts)),
        lambda: ir.Contains(inner(), inner()),
        lambda: ir.StartsWith(inner(), inner()),
        lambda: ir.EndsWith(inner(), inner()),
        lambda: ir.Matches(inner(), draw(_PATTERNS)),
        lambda: ir.InNetwork(inner(), draw(_NETWORKS)),
        lambda: ir.Present(draw(_fields | _references)),
        quantified,
    ]
    if conditions:
        kinds += [
            lambda: ir.AnyIn(inner(), _list_of(draw, scalars)),
            lambda: ir.NotTrue(inner()),
            lambda: ir.Compare(draw(_ORDERS), inner(), inner(), draw(_COMPARE_AS)),
        ]
    return kinds[draw(st.integers(0, len(kinds) - 1))]()


_ARITHMETIC = st.sampled_from(("+", "-", "*", "/", "%"))
_ORDERS = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
_COMPARE_AS = st.sampled_from(("severity", "number", "string", "time"))
_PATTERNS = st.sampled_from(("a", "^a", "[ab]+$", "x|1", ""))
_NETWORKS = st.sampled_from((("10.0.0.0/8",), ("10.0.0.1/32", "::/0")))
_NAMES = st.lists(st.sampled_from(("x", "a b", "0")), max_size=2, unique=True)
_PATHS = st.sampled_from((("x",), ("user", "name")))
_fields: st.SearchStrategy[ir.Node] = st.sampled_from(FIELDS).map(ir.Field)
_references: st.SearchStrategy[ir.Node] = st.one_of(
    st.builds(ir.StepField, st.sampled_from(STEPS), st.sampled_from(("first", "last")), _PATHS),
    st.builds(
        ir.StepAggregate,
        st.sampled_from(("sum", "min", "max", "avg", "distinct")),
        st.sampled_from(STEPS),
        _PATHS,
    ),
    st.builds(ir.StepAggregate, st.just("count"), st.sampled_from(STEPS), st.none()),
)


def _leaf(draw: st.DrawFn, bound: bool) -> ir.Node:
    if bound and draw(st.booleans()):
        return ir.Variable("v")
    kind = draw(st.integers(0, 4))
    if kind < 2:
        return ir.Literal(draw(scalars))
    return draw(_fields if kind < 4 else _references)


def _list_of(draw: st.DrawFn, constants: st.SearchStrategy[Any]) -> ir.ListOf:
    return ir.ListOf(tuple(ir.Literal(value) for value in draw(st.lists(constants, max_size=3))))


def _flat(kind: type[ir.And | ir.Or], items: tuple[ir.Node, ...]) -> tuple[ir.Node, ...]:
    return tuple(
        part for item in items for part in (item.items if isinstance(item, kind) else (item,))
    )


def _not_constant(node: ir.Node) -> ir.Node:
    # Minus a constant is a constant.
    return ir.Size(node) if isinstance(node, ir.Literal) else node


def _no_text(node: ir.Node) -> ir.Node:
    # An index that is a constant text would be read as one part more of a field's path.
    text = isinstance(node, ir.Literal) and isinstance(node.value, str)
    return ir.Size(node) if text else node
