"""Texts with holes."""

from __future__ import annotations

import pytest

from summit.documents.problems import Problems
from summit.documents.templates import read_template
from summit.events.expressions.ir import Field, StepAggregate, StepField


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("${user}", (Field(("user",)),)),
        ("from ${user.name}!", ("from ", Field(("user", "name")), "!")),
        ("${a}${b}", (Field(("a",)), Field(("b",)))),
        ("${ a }", (Field(("a",)),)),
        ("${`user-agent`}", (Field(("user-agent",)),)),
        ("${`a}b`}", (Field(("a}b",)),)),
        ("${failed.last.user}", (StepField("failed", "last", ("user",)),)),
        ("${failed.first.a.b}", (StepField("failed", "first", ("a", "b")),)),
        ("${failed.user}", (Field(("failed", "user")),)),
        ("${count(failed)}x", (StepAggregate("count", "failed", None), "x")),
        ("${distinct(failed.user)}", (StepAggregate("distinct", "failed", ("user",)),)),
        ("$${user}", ("${user}",)),
        ("$5 and $ and {x}", ("$5 and $ and {x}",)),
        ("costs $$5", ("costs $$5",)),
        ("${a}$${b}${c}", (Field(("a",)), "${b}", Field(("c",)))),
    ],
)
def test_parts(text: str, parts: tuple[object, ...]) -> None:
    problems = Problems()
    template = read_template(text, "/title", problems, steps=("failed",))
    assert problems.found == []
    assert template is not None
    assert (template.text, template.parts) == (text, parts)


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("x ${user", "document.invalid", "'${' at column 3 is not closed"),
        ("${}", "expression.syntax", "(column 3)"),
        ("ab ${a b}", "expression.syntax", "(column 8)"),
        ("${user-agent}", "document.invalid", "backquotes"),
        ("${1 + 2}", "document.invalid", "must be a field"),
        ("${a == b}", "document.invalid", "must be a field"),
        ("${count(other)}", "expression.unknown_step", "'other'"),
        ("${cuont(failed)}", "expression.unknown_function", "did you mean 'count'"),
        ("${failed.last}", "expression.syntax", "a field expected"),
        ("${size(a)}", "document.invalid", "must be a field"),
        ("${'}", "document.invalid", "not closed"),
    ],
)
def test_refused(text: str, code: str, part: str) -> None:
    problems = Problems()
    assert read_template(text, "/title", problems, steps=("failed",)) is None
    assert [(p.pointer, p.code) for p in problems.found] == [("/title", code)]
    assert part in problems.found[0].message


def test_all_holes_are_looked_at() -> None:
    problems = Problems()
    read_template("${a-b} ${} ${x}", "/title", problems)
    assert len(problems) == 2
