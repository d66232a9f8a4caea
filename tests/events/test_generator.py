"""Generated predicates against the slow interpreter, on both layouts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.events import trees
from tests.oracles.expressions import evaluate, same

from summit.events.event import Transport, make_event, parse_event
from summit.events.expressions import ir
from summit.events.expressions.analysis import (
    equality_constraint,
    reference_fields,
    required_fields,
    step_references,
)
from summit.events.expressions.generator import (
    Names,
    compile_predicate,
    compile_run_predicate,
    compile_value,
    false_code,
)
from summit.events.expressions.parser import parse_predicate
from summit.events.layouts import EventLayout, TypedLayout

RECORD = {"topic": "topic-1", "key": "a", "partition": 3, "offset": 9, "timestamp": 7}
TRANSPORT = Transport(topic="topic-1", key="a", partition=3, offset=9, timestamp=7)


class Run:
    def __init__(self, values):
        self._values = values

    def reference(self, node):
        return self._values.get(node)


def compile_false(node, layout):
    names = Names()
    code = false_code(node, layout, names)
    return names.define(f"def predicate(e, r):\n return True if {code} else False\n", "predicate")


def same_value(left, right):
    if left is None or right is None:
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_value(left[n], right[n]) for n in left)
    return type(left) is type(right) and same(left, right)


@st.composite
def cases(draw):
    """A tree, an event, and what the run says about each reference of the tree."""
    node = draw(trees.trees())
    references = sorted(step_references(node), key=str)
    return node, draw(trees.events()), {found: draw(trees.scalars) for found in references}


@settings(max_examples=300, deadline=None)
@given(cases())
def test_generated_code_is_what_the_interpreter_says(case):
    node, value, known = case
    expected = evaluate(node, value, record=RECORD, run=known)
    run = Run(known)
    raw = msgspec.json.encode(value)
    typed = TypedLayout(required_fields(node))
    struct = typed.decode(raw)
    if typed.transport:
        struct.t = TRANSPORT
    for layout, event in ((EventLayout(), make_event(value, TRANSPORT)), (typed, struct)):
        assert compile_run_predicate(node, layout)(event, run) is (expected is True)
        assert compile_false(node, layout)(event, run) is (expected is False)
        assert same_value(compile_value(node, layout)(event, run), expected)


@settings(max_examples=200, deadline=None)
@given(trees.trees(), trees.events())
def test_an_equality_constraint_is_never_narrower_than_the_truth(node, value):
    for path in (("x",), ("eventType",)):
        allowed = equality_constraint(node, path)
        if allowed is None or evaluate(node, value, record=RECORD) is not True:
            continue
        found = evaluate(ir.Field(path), value, record=RECORD)
        assert isinstance(found, (list, dict)) or found in allowed


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        # a missing field makes the top false, whatever stands around it
        ("user == 'eve'", {}, False),
        ("!(user == 'eve')", {}, False),
        ("user != 'eve'", {}, False),
        ("!(user == 'eve')", {"user": "bob"}, True),
        # three-valued logic
        ("x == 1 && false || y == 2", {"y": 2}, True),
        ("x == 1 || y == 2", {"y": 2}, True),
        ("!(x == 1 && y == 2)", {"y": 3}, True),
        ("!(x == 1 || y == 2)", {"y": 3}, False),
        ("(x > 1) == true", {}, False),
        ("x > 1 ? true : true", {}, False),
        # typed equality
        ("x == 1", {"x": 1.0}, True),
        ("x == 1", {"x": True}, False),
        ("x == 1", {"x": "1"}, False),
        ("x == '1'", {"x": 1}, False),
        ("x == true", {"x": 1}, False),
        ("x == 0", {"x": False}, False),
        ("x != 0", {"x": False}, True),
        ("x == y", {"x": 1, "y": True}, False),
        ("x == [1, 2]", {"x": [1.0, 2]}, True),
        ("x == {'a': [true]}", {"x": {"a": [1]}}, False),
        # null is a field that is not there
        ("x == null", {}, True),
        ("x != null", {"x": None}, False),
        ("has(x)", {"x": None}, False),
        ("has(x.y)", {"x": {"y": 0}}, True),
        # order: numbers, text by code point, never across kinds
        ("x < 'b'", {"x": "a"}, True),
        ("x > 1", {"x": "2"}, False),
        ("!(x > 1)", {"x": "2"}, False),
        ("1 < x", {"x": 2}, True),
        ("x >= y", {"x": 2, "y": 2.0}, True),
        ("x < 'é'", {"x": "z"}, True),
        # severities by rank, times as times
        ("severity >= 'high'", {"severity": "CRITICAL"}, True),
        ("severity >= 'high'", {"severity": "medium"}, False),
        ("severity < 'high'", {"severity": "strange"}, False),
        ("alert.severity > 'low'", {"alert": {"severity": "info"}}, False),
        ("severity > data.severity", {"severity": "high", "data": {"severity": "low"}}, True),
        ("timestamp >= '1970-01-01T00:00:01Z'", {"timestamp": 1_000}, True),
        ("timestamp < '1970-01-01T00:00:01Z'", {"timestamp": "1970-01-01T00:00:01Z"}, False),
        ("timestamp - duration('1s') == 0", {"timestamp": 1_000}, True),
        ("x > timestamp('1970-01-01T00:00:00+01:00')", {"x": -3_600_000}, False),
        # look-up order, pinned prefixes
        ("x == 2", {"metadata": {"x": 2}, "data": {"x": 3}}, True),
        ("data.x == 3", {"metadata": {"x": 2}, "data": {"x": 3}}, True),
        ("data.x == 3", {"enrichedData": {"data": {"x": 3}}}, False),
        ("x == 1", {"x": None, "enrichedData": {"x": 1}}, True),
        ("user.name == 'eve'", {"user": {}, "data": {"user": {"name": "eve"}}}, True),
        ("source == 'a'", {"eventSource": "a"}, True),
        ("topic == 'topic-1' && partition == 3 && offset == 9 && key == 'a'", {}, True),
        ("topic == 'mine'", {"topic": "mine"}, True),
        ("timestamp == 7", {}, True),
        # arithmetic
        ("x / 2 == 3.5", {"x": 7}, True),
        ("x % 3 == -1", {"x": -7}, True),
        ("x / 0 == 1 || true", {"x": 1}, True),
        ("x * 9007199254740992 * 9007199254740992 > 0", {"x": 1}, False),
        ("x + 'b' == 'ab'", {"x": "a"}, True),
        ("-x == 5", {"x": -5}, True),
        # texts, lists, maps
        ("x in ['a', 'b']", {"x": "b"}, True),
        ("x in ['a', 1]", {"x": True}, False),
        ("!(x in ['a'])", {"x": 5}, True),
        ("!(x in ['a'])", {}, False),
        ("'a' in tags", {"tags": ["a"]}, True),
        ("'a' in tags", {"tags": {"a": 1}}, True),
        ("tags.contains('a')", {"tags": "xay"}, True),
        ("x.startsWith('a') && x.endsWith('c') && x.size() == 3", {"x": "abc"}, True),
        ("!x.startsWith('a')", {"x": 5}, False),
        ("x.matches('^a+$')", {"x": "aaa"}, True),
        ("x.matches('b')", {"x": "abc"}, True),
        ("tags.exists(t, t.startsWith('a'))", {"tags": [1, "ab"]}, True),
        ("tags.all(t, t > 1)", {"tags": [2, 3]}, True),
        ("tags.all(t, t > 1)", {"tags": []}, True),
        ("tags.all(t, t > 1)", {"tags": [2, "x"]}, False),
        ("rows.exists(r, r.id == 2 && r.tags.exists(t, t == x))",
         {"x": "q", "rows": [{"id": 2, "tags": ["q"]}]}, True),
        ("rows[1].id == 5", {"rows": [{}, {"id": 5}]}, True),
        ("rows[x].id == 5", {"rows": [{}, {"id": 5}], "x": 1}, True),
        ("rows[-1] == 5", {"rows": [5]}, False),
        ("data['a b'].`c-d` == 1", {"data": {"a b": {"c-d": 1}}}, True),
        ("ip.inNetwork('10.0.0.0/8', '2001:db8::/32')", {"ip": "::ffff:10.1.2.3"}, True),
        ("!ip.inNetwork('10.0.0.0/8')", {"ip": "192.0.2.1"}, True),
        ("!ip.inNetwork('10.0.0.0/8')", {"ip": "no address"}, False),
        # names are keys, never attributes
        ("has(__class__) || has(x.__class__) || has(x.keys)", {"x": {}}, False),
        ("__proto__.polluted == true", {"__proto__": {"polluted": True}}, True),
    ],
)  # fmt: skip
def test_meaning(text, value, expected):
    node = parse_predicate(text)
    event = parse_event(msgspec.json.encode(value), topic="topic-1", partition=3, offset=9,
                        key=b"a", timestamp_ms=7)  # fmt: skip
    assert compile_predicate(node, EventLayout())(event) is expected
    layout = TypedLayout(required_fields(node))
    struct = layout.decode(msgspec.json.encode(value))
    if layout.transport:
        struct.t = TRANSPORT
    assert compile_predicate(node, layout)(struct) is expected
    assert (evaluate(node, value, record=RECORD) is True) is expected


def test_step_references_are_read_from_the_run():
    text = "user == failed.last.user && count(failed) >= 3 && sum(failed.bytes) + bytes > 10"
    node = parse_predicate(text, steps=("failed",))
    assert reference_fields(node) == {("user",), ("bytes",)}
    assert required_fields(node) == {("user",), ("bytes",)}
    run = Run({
        ir.StepField("failed", "last", ("user",)): "eve",
        ir.StepAggregate("count", "failed", None): 3,
        ir.StepAggregate("sum", "failed", ("bytes",)): 8,
    })  # fmt: skip
    predicate = compile_run_predicate(node, EventLayout())
    assert predicate(make_event({"user": "eve", "bytes": 3}), run)
    assert not predicate(make_event({"user": "eve", "bytes": 2}), run)
    assert not predicate(make_event({"user": "eve", "bytes": 3}), Run({}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eventType == 'a'", {"a"}),
        ("'a' == eventType && x > 1", {"a"}),
        ("eventType == 'a' || eventType == 'b' && x > 1", {"a", "b"}),
        ("eventType in ['a', 'b'] && eventType in ['b', 'c']", {"b"}),
        ("eventType == 'a' || x == 1", None),
        ("!(eventType == 'a')", None),
        ("eventType != 'a'", None),
        ("eventType == null", None),
        ("eventType in tags", None),
        ("false", set()),
    ],
)
def test_equality_constraint(text, expected):
    assert equality_constraint(parse_predicate(text), ("eventType",)) == expected


def test_text_of_a_user_never_reaches_the_source():
    evil = "'); __import__('os').system('true'); ('"
    node = ir.And((
        ir.Compare("==", ir.Field(("x", "__import__('os')")), ir.Literal(evil)),
        ir.Contains(ir.Field(("x",)), ir.Literal(evil)),
        ir.In(ir.Field(("x",)), ir.ListOf((ir.Literal(evil),))),
    ))  # fmt: skip
    for layout in (EventLayout(), TypedLayout(required_fields(node))):
        names = Names()
        code = false_code(node, layout, names)
        assert "import" not in code
        assert set(code) <= set("abcdefghijklmnopqrstuvwxyzFNT_0123456789 ().,:=!<>")


def test_the_deepest_tree_still_compiles():
    text = "x.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o == 1"
    for _ in range(21):
        text = f"({text} ? y > 1 : !z)"
    node = parse_predicate(text)
    for layout in (EventLayout(), TypedLayout(required_fields(node))):
        assert compile_predicate(node, layout) is not None


def test_typed_layout_decodes_only_what_is_needed():
    layout = TypedLayout([("user", "name"), ("eventType",)])
    event = layout.decode(b'{"eventType":"a","user":{"name":"eve","rest":[1]},"other":{"x":[1]}}')
    assert "rest" not in repr(event)
    assert "other" not in repr(event)
    assert getattr(event, layout.attribute("eventType")) == "a"
    assert not layout.transport
    with pytest.raises(KeyError):
        layout.attribute("other")
