"""Sigma rules: each test of the format matches what it should, and nothing near it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sigma.rules import document, imported, rule

from summit.base.errors import Invalid
from summit.documents import validate_pattern
from summit.flow.trying import try_pattern
from summit.sigma.importing import read_pipeline
from summit.sigma.logsources import read_mapping

CMD = "C:\\Windows\\System32\\cmd.exe"


def matches(found: dict[str, Any], event: dict[str, Any]) -> bool:
    events = [{"eventType": "windows.process_creation", "timestamp": 1, **event}]
    return len(try_pattern(validate_pattern(found).plan, events).matches) == 1


@pytest.mark.parametrize(
    ("selection", "good", "bad"),
    [
        ("Image|endswith: '\\cmd.exe'", [CMD, CMD.upper()], ["C:\\xcmd.exe", "", None, 5]),
        ("Image|startswith: 'C:\\Win'", [CMD, CMD.lower()], ["D:\\Win"]),
        ("Image|contains: 'system32'", [CMD], ["system-32"]),
        ("Image: 'CMD'", ["cmd", "CMD"], ["cmd.exe"]),
        ("Image|cased: 'Cmd'", ["Cmd"], ["cmd", "CMD"]),
        ("Image|contains|cased: 'Sys'", ["xSysx"], ["xsysx"]),
        ("Image: 'a*b?c'", ["aXXbYc", "ABxC", "a\nbxc"], ["abc", "xaXXbYc"]),
        ("Image: 'a\\*b'", ["a*b"], ["axb"]),
        ("Image: '*'", ["x", 1], [None]),
        ("Image: ''", [""], ["x", None]),
        ("Image: null", [None], ["", "x"]),
        ("Image: 4688", [4688, "4688", 4688.0], ["04688", 4689]),
        ("Image: '4688'", [4688, "4688"], ["x4688"]),
        ("Image: '\u00b2'", ["\u00b2"], ["2", 2]),
        (f"Image: '{'9' * 30}'", ["9" * 30], ["9"]),
        ("Image: true", [True, "true"], [1, False]),
        ("Image: [a, b]", ["A", "b"], ["c"]),
        ("Image|contains|all: [a, b]", ["xBxAx"], ["a", "b"]),
        ("Image|re: '^a.+c$'", ["abc"], ["ABC", "ac", "xabc"]),
        ("Image|re|i: 'a.+c'", ["xABCx"], ["ac"]),
        ("Image|cidr: '10.0.0.0/8'", ["10.1.2.3"], ["11.0.0.1", "x"]),
        ("Image|gt: 5", [6, 5.5], [5, "6"]),
        ("Image|lte: 5", [5, -1], [6]),
        ("Image|exists: true", ["x"], [None]),
        ("Image|exists: false", [None], ["x"]),
        ("Image|windash|contains: ' -enc'", ["x -Enc", "x /enc"], ["enc"]),
        ("Image|base64offset|contains: 'hello'", ["xaGVsbG8x", "hlbGxv"], ["hello"]),
        ("Image|wide|base64offset|contains: 'hi'", ["aABpA"], ["hi"]),
        ("Image|fieldref: Other", ["same"], ["Other", "x"]),
    ],
)  # fmt: skip
def test_values(selection: str, good: list[Any], bad: list[Any]) -> None:
    found = document(rule(f"selection:\n  {selection}\ncondition: selection"))
    for value in good:
        assert matches(found, {"Image": value, "Other": "same"}), value
    for value in bad:
        assert not matches(found, {"Image": value, "Other": "same"}), value
    assert not matches(found, {"Image": good[0], "Other": "same", "eventType": "windows.other"})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a and b", {"ab"}),
        ("a or b", {"a", "b", "ab"}),
        ("a and not b", {"a"}),
        ("not a", {"b", "none", "odd"}),
        ("not 1 of c*", {"a", "b", "ab", "none", "odd"}),
        ("1 of them", {"a", "b", "ab", "c"}),
        ("all of c*", set()),
        ("a and not (b or c1)", {"a"}),
    ],
)
def test_conditions(condition: str, expected: set[str]) -> None:
    found = document(
        rule(
            "a:\n  A: yep\nb:\n  B|contains: ep\nc1:\n  C: 1\nc2:\n  - D: 2\n  - E|endswith: x\n"
            f"condition: {condition}"
        )
    )
    events = {
        "a": {"A": "yep"}, "b": {"B": "yep"}, "ab": {"A": "yep", "B": "yep"}, "none": {},
        "c": {"C": 1}, "odd": {"A": 5, "B": ["ep"], "C": None},
    }  # fmt: skip
    if "c" not in expected and condition == "not a":
        expected = {*expected, "c"}
    assert {name for name, event in events.items() if matches(found, event)} == expected


def test_what_else_is_kept() -> None:
    text = rule(
        "selection:\n  c-uri|contains: /x\n  data.user: a\ncondition: selection", "n", "A ${b}"
    )
    found = document(text)
    assert found["id"] == "n"
    assert found["action"]["config"] == {"severity": "high", "title": "A $ {b}"}
    assert found["tags"] == ["attack.t1059", "attack.execution"]
    assert matches(found, {"c-uri": "/X/", "data": {"user": "A"}})


def test_words_without_a_field() -> None:
    text = rule("keywords:\n  - evil\n  - 'b?d'\ncondition: keywords")
    assert matches(document(text), {"message": "such EVIL"})
    assert matches(document(text), {"message": "so bad."})
    assert not matches(document(text), {"text": "evil"})
    mapped = document(text, mapping={"keywordFields": ["message", "text"]})
    assert matches(mapped, {"text": "evil"})


def test_log_sources_and_pipelines() -> None:
    text = rule("selection:\n  Image|endswith: cmd.exe\ncondition: selection")
    row = {
        "product": "windows", "category": "process_creation", "eventType": ["start", "exec"],
        "topics": ["edr"], "where": "os == 'win'".replace("'", '"'),
    }  # fmt: skip
    pipeline = "transformations: [{type: field_name_mapping, mapping: {Image: process.path}}]"
    found = document(text, mapping={"logsources": [row]}, pipelines=(pipeline,))
    assert found["topics"] == ["edr"]
    assert matches(found, {"eventType": "exec", "os": "win", "process": {"path": CMD}})
    assert not matches(found, {"eventType": "exec", "os": "mac", "process": {"path": CMD}})
    with pytest.raises(Invalid, match="no mapping"):
        read_mapping({"logsources": [{"produkt": "x"}]})
    with pytest.raises(Invalid, match="no processing pipeline"):
        read_pipeline("transformations: [{type: nope}]")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (rule("selection:\n  Image|re: '(?=a)b'\ncondition: selection"), "regularexpression"),
        (rule("selection:\n  Image|expand: '%x%'\ncondition: selection"), "placeholder"),
        (rule("selection:\n  Image: a\ncondition: selection | count() > 5"), "condition"),
        (rule("selection:\n  Image|nope: a\ncondition: selection"), "modifier"),
        ("title: [", "parse"),
        ("title: x\nlogsource: {product: a}\n", "detection"),
    ],
)
def test_what_cannot_be_had_has_its_reason(text: str, reason: str) -> None:
    result = imported(text, rule("selection:\n  Image: a\ncondition: selection", "other"))
    assert [each.document["id"] for each in result.imported] == ["other"]
    assert {each.reason for each in result.refused} == {reason}
    assert result.refused[0].source == "0.yml"
