"""Our expressions against CEL's own implementation, on random expressions and events.

What differs on purpose stands in docs/expressions.md, is left out of the random cases, and is
checked row by row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cel_expr_python import cel
from tests.events.cel_cases import FIELDS, Events, Expressions, Numbers

from summit.base.errors import Invalid
from summit.events.event import parse_event
from summit.events.expressions import (
    Names,
    compile_predicate,
    compile_value,
    false_code,
    parse_predicate,
    required_fields,
)
from summit.events.layouts import EventLayout, TypedLayout

DOCS = Path(__file__).parents[2] / "docs" / "expressions.md"
ROOTS = {name.partition(".")[0] for names in FIELDS.values() for name in names}
COUNT, EVENTS_EACH = 700, 5
Answer = bool | None  # None = unknown, CEL's error
Judge = Callable[[dict[str, Any]], Answer]


def cel_judge(text: str, names: set[str]) -> Judge:
    """CEL's answers. Raises what `compile` does."""
    env = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    program = env.compile(text, disable_check=True)

    def judge(event: dict[str, Any]) -> Answer:
        found = program.eval(data=event)
        return found.value() if found.type() == cel.Type.BOOL else None

    return judge


def our_judge(text: str) -> Judge:
    """Our answers; the five ways in which we get one must agree."""
    node = parse_predicate(text)
    layout = TypedLayout(required_fields(node))
    plain = EventLayout()
    value, typed_value = compile_value(node, plain), compile_value(node, layout)
    holds, typed_holds = compile_predicate(node, plain), compile_predicate(node, layout)
    names = Names()
    fails = names.define(
        f"def fails(e):\n return bool({false_code(node, layout, names)})\n", "fails"
    )

    def judge(event: dict[str, Any]) -> Answer:
        written = json.dumps(event).encode()
        parsed, typed = parse_event(written), layout.decode(written)
        found = value(parsed, None)
        assert typed_value(typed, None) is found
        assert holds(parsed) is typed_holds(typed) is (found is True)
        assert fails(typed) is (found is False)
        return found

    return judge


@pytest.mark.parametrize("numbers", ["int", "double", "mixed"])
def test_random_expressions(numbers: Numbers) -> None:
    expressions, events = Expressions(2026, numbers), Events(2026, numbers)
    answers: dict[Answer, int] = {True: 0, False: 0, None: 0}
    refused = 0
    for _ in range(COUNT):
        text = expressions.predicate()
        try:
            ours = our_judge(text)
        except Invalid as error:
            if error.code != "expression.type":  # a comparison that can never be true
                raise
            refused += 1
            continue
        theirs = cel_judge(text, ROOTS)
        for _ in range(EVENTS_EACH):
            event = events.one(maps="has(" in text, booleans=not set(text) & set("<>"))
            answer = theirs(event)
            assert ours(event) is answer, (text, event)
            answers[answer] += 1
    assert refused < COUNT / 20
    assert min(answers.values()) > COUNT / 2, answers


def documented() -> list[tuple[str, str, str, str]]:
    rows = re.findall(
        r"^\| `(.+?)` \| `(\{.*?\})` \| (\w+) \| (\w+) \| .+ \|$", DOCS.read_text(), re.MULTILINE
    )
    assert len(rows) == DOCS.read_text().partition("| why |")[2].count("\n| `")
    return rows


def answered(make: Callable[[], Judge], event: dict[str, Any], refusals: tuple[Any, ...]) -> str:
    try:
        judge = make()
    except refusals:
        return "refused"
    return {True: "true", False: "false", None: "unknown"}[judge(event)]


@pytest.mark.parametrize(("text", "event", "ours", "theirs"), documented())
def test_documented_differences(text: str, event: str, ours: str, theirs: str) -> None:
    given = json.loads(event)
    names = {*given, *re.findall(r"\b[a-z]\w*", re.sub(r'"[^"]*"', "", text))}
    assert answered(lambda: our_judge(text), given, (Invalid,)) == ours
    found = answered(lambda: cel_judge(text, names), given, (Exception,))
    assert found.replace("unknown", "error") == theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('size(["a", "a", "b"]) == 3', True),
        ('["b", "a"][0] == "b"', True),
        ('["b", "a"] == ["b", "a"]', True),
        ('["b", "a"] == ["a", "b"]', False),
        ('(["a"] + ["a"]).size() == 2', True),
    ],
)
def test_a_written_list_keeps_order_and_number(text: str, expected: bool) -> None:
    assert our_judge(text)({}) is cel_judge(text, set())({}) is expected


@pytest.mark.parametrize(
    ("text", "event", "expected"),
    [
        ('s.lowerAscii() == "abÄ\u0130"', {"s": "AbÄ\u0130"}, True),
        ('s.lowerAscii().endsWith("\\\\cmd.exe")', {"s": "C:\\CMD.EXE"}, True),
        ('s.lowerAscii() == "a"', {"s": 5}, None),
        ('holds(s == "a")', {}, False),
        ('!holds(s.lowerAscii() == "a")', {"s": 5}, True),
        ('!holds(s == "a") && holds(has(s))', {"s": "a"}, False),
    ],
)
def test_lower_case_and_holds(text: str, event: dict[str, Any], expected: Answer) -> None:
    assert our_judge(text)(event) is expected
