"""The expression language: what parses to what, and what is refused where."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.events import trees

from summit.base.errors import Invalid
from summit.events.expressions.ir import Field, Literal, StepAggregate, StepField
from summit.events.expressions.parser import parse_expression, parse_predicate
from summit.events.expressions.unparse import unparse

STEPS = ("failed", "success", "ssh-login")


class Err:
    """What is expected to be refused."""

    def __init__(self, code, column=None, text=""):
        self.code, self.column, self.text = code, column, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"),
        ("a.b.c", "a.b.c"),
        ("a || b && c == 1", "(a || (b && (c == 1)))"),
        ("(a || b) && !c", "((a || b) && !(c))"),
        ("a == 1 + 2 * 3", "(a == (1 + (2 * 3)))"),
        ("a - b - c == 0", "(((a - b) - c) == 0)"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a && b && c", "(a && b && c)"),
        ("a && (b && c)", "(a && b && c)"),
        ("-1 < x", "(-1 < x)"),
        ("- x < 1.5e3", "(-(x) < 1500.0)"),
        ("x == 0x1F", "(x == 31)"),
        (r"x == 'it\'s \u00e9\n'", r'''(x == "it's é\n")'''),
        (r"x == r'\d+'", r'(x == "\\d+")'),
        ("x in ['a', 'b',]", '(x in ["a", "b"])'),
        ("x == {'k': 1}", '(x == {"k": 1})'),
        ("a['b c']", "a.`b c`"),
        ("a[0].b", "((a)[0])[\"b\"]"),
        ("`user-agent`.contains('x')", '(`user-agent`).contains("x")'),
        ("`true` == true", "(`true` == true)"),
        ("a.startsWith('b') // a comment\n && c", '((a).startsWith("b") && c)'),
        ("has(a.b) && size(a.b) > 0 && a.b.size() > 0",
         "(has(a.b) && (size(a.b) > 0) && (size(a.b) > 0))"),
        ("a.exists(e, e == 1)", "(a).exists(e, (e == 1))"),
        ("failed.last.user == user", "(failed.last.user == user)"),
        ("failed.first.a.b == 1", "(failed.first.a.b == 1)"),
        ("`ssh-login`.last.x == 1", "(`ssh-login`.last.x == 1)"),
        ("unknown.last.user == 1", "(unknown.last.user == 1)"),
        ("count(failed) > 3", "(count(failed) > 3)"),
        ("distinct(failed.user.name) >= 2", "(distinct(failed.user.name) >= 2)"),
        ("x > duration('1m')", "(x > 60000)"),
        ("x > timestamp('1970-01-01T00:01:00Z')", "(x > 60000)"),
        ("x.inNetwork('10.0.0.0/8')", '(x).inNetwork("10.0.0.0/8")'),
        # ---- refused ----
        ("", Err("expression.syntax", 1, "a value expected, not the end")),
        ("a ==", Err("expression.syntax", 5)),
        ("a = 1", Err("expression.syntax", 3, "write '=='")),
        ("a & b", Err("expression.syntax", 3, "write '&&'")),
        ("a == 'x", Err("expression.syntax", 6, "not closed")),
        ("a b", Err("expression.syntax", 3, "unexpected 'b'")),
        ("(a", Err("expression.syntax", 3, "')' expected, not the end")),
        ("a == 1 == 2", Err("expression.syntax", 8)),
        ("a.", Err("expression.syntax", 3)),
        ("a.'b'", Err("expression.syntax", 3)),
        ("a; b", Err("expression.syntax", 2)),
        ("import os", Err("expression.syntax", 8)),
        ("lambda: 1", Err("expression.syntax", 7)),
        (r"a == '\q'", Err("expression.syntax", 6, "escape")),
        (r"a == '\ud800'", Err("expression.syntax", 6)),
        ("{1: 2} == a", Err("expression.syntax", 2)),
        ("a == 1e999", Err("expression.syntax", 6, "too large")),
        ("a == 99999999999999999999999999", Err("expression.syntax", 6, "too large")),
        ("in == 1", Err("expression.syntax", 1)),
        ("failed.last == 1", Err("expression.syntax", None, "failed.last.user")),
        ("count(failed.x) > 1", Err("expression.syntax", 1, "count(step)")),
        ("sum(failed) > 1", Err("expression.syntax", 1, "sum(step.field)")),
        ("count(faild) > 1", Err("expression.unknown_step", 7, "did you mean 'failed'?")),
        ("a.startswith('x')", Err("expression.unknown_function", 3, "'startsWith'")),
        ("eval('x')", Err("expression.unknown_function", 1)),
        ("__import__('os')", Err("expression.unknown_function", 1)),
        ("a.b.__class__()", Err("expression.unknown_function", 5)),
        ("has(a == 1)", Err("expression.syntax", 1, "needs a field")),
        ("has(a, b)", Err("expression.syntax", 1, "takes 1 argument, not 2")),
        ("a.matches(b)", Err("expression.syntax", 3, "written as a text")),
        ("a.matches('(')", Err("regex.invalid")),
        ("a.matches('(?=x)')", Err("regex.invalid")),
        ("a.inNetwork('10.0.0.0/64')", Err("network.invalid")),
        ("a.exists(e, a.exists(e, true))", Err("expression.syntax", 22)),
        ("x > duration('soon')", Err("duration.invalid")),
        ("x > timestamp('noon')", Err("expression.syntax", 5)),
        ("1 + 2", Err("expression.type", 1, "number, not true or false")),
        ("'a'", Err("expression.type", 1)),
        ("1 + 'a' == b", Err("expression.type", 3)),
        ("a && 'b'", Err("expression.type", 6)),
        ("!'a'", Err("expression.type", 1)),
        ("'a' ? b : c", Err("expression.type", 1)),
        ("count(failed) > '3'", Err("expression.type", 15, "never true")),
        ("a > true", Err("expression.type", 3)),
        ("'a' == 1", Err("expression.type", 5)),
        ("a in 'abc'", Err("expression.type", 3)),
        ("severity >= 'urgent'", Err("expression.type", 10, "no severity")),
        ("timestamp > 'yesterday'", Err("expression.type", 11, "no time")),
        ("a" * 20_000, Err("expression.too_large")),
        ("(" * 200 + "a" + ")" * 200, Err("expression.too_large")),
        ("!" * 2_000 + "a", Err("expression.too_large")),
        ("[" * 2_000, Err("expression.too_large")),
        ("a" + "[0]" * 500, Err("expression.too_large")),
        ("a" + " + a" * 500 + " > 1", Err("expression.too_large")),
        ("a" * 300, Err("path.invalid")),
        ("`a\tb` == 1", Err("path.invalid")),
    ],
)  # fmt: skip
def test_parse(text, expected):
    if isinstance(expected, str):
        node = parse_predicate(text, steps=STEPS)
        assert unparse(node) == expected
        assert parse_predicate(expected, steps=STEPS) == node
        return
    with pytest.raises(Invalid) as caught:
        parse_predicate(text, steps=STEPS)
    assert caught.value.code == expected.code
    if expected.column is not None:
        assert caught.value.details["column"] == expected.column
    assert expected.text in str(caught.value)
    assert "{" not in caught.value.advice


def test_step_references_become_nodes():
    assert parse_expression("failed.last.user", steps=STEPS) == StepField(
        "failed", "last", ("user",)
    )
    assert parse_expression("max(failed.x)", steps=STEPS) == StepAggregate("max", "failed", ("x",))
    assert parse_expression("failed.user", steps=STEPS) == Field(("failed", "user"))


def test_constants_that_python_calls_equal_are_different():
    one, real, true = Literal(1), Literal(1.0), Literal(True)
    assert len({one, real, true, Literal(1)}) == 3
    assert one != true


@settings(max_examples=200, deadline=None)
@given(trees.trees(conditions=False))
def test_a_tree_written_as_text_parses_to_the_same_tree_or_is_refused_by_kind(node):
    text = unparse(node)
    answer = answer_of(text, steps=trees.STEPS)
    # Random trees mix kinds, which the parser refuses; never as a syntax error.
    assert answer in (text, "expression.type", "expression.too_large")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("ab.()[]!&|=<>'\"`+-*/%?:,{} 01\\", max_size=60))
def test_no_text_breaks_the_parser(text):
    assert answer_of(text, steps=("a", "b"))


def answer_of(text, *, steps):
    """The tree's text, or the code of the error."""
    try:
        return unparse(parse_expression(text, steps=steps))
    except Invalid as error:
        return error.code
