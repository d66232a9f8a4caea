"""Texts to plain documents, and the texts that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.documents import refused

from summit.base import limits
from summit.base.errors import Invalid
from summit.documents import parse_documents


def values(text: str | bytes, source: str = "rules.yaml") -> list[dict[str, Any]]:
    return [parsed.values for parsed in parse_documents(text, source)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", [{"a": 1}]),
        (b"\xef\xbb\xbfa: 1", [{"a": 1}]),
        ("a: 1\n---\n---\nb: 2\n...\n", [{"a": 1}, {"b": 2}]),
        ("", []),
        ("# only a comment\n", []),
        ("- {a: 1}\n- {b: 2}\n", [{"a": 1}, {"b": 2}]),
        ("a: {b: [c, 'd', 1.5, null, ~, true]}", [{"a": {"b": ["c", "d", 1.5, None, None, True]}}]),
        ("a: !!str 5\nb: !!float '1.5'", [{"a": "5", "b": 1.5}]),
        ("a: |\n  two\n  lines\n", [{"a": "two\nlines\n"}]),
        ("x: &m [1]\ny: *m", [{"x": [1], "y": [1]}]),
    ],
)
def test_yaml(text: str | bytes, expected: list[dict[str, Any]]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("1:30", "1:30"),
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", "1_000"),
        ("5m", "5m"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("", None),
        ("NULL", None),
        ("nullable", "nullable"),
        ("<<", "<<"),
        ("=", "="),
        ("'5'", "5"),
    ],
)
def test_plain_scalars_are_those_of_json(text: str, value: object) -> None:
    found = values(f"a: {text}")[0]["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_that_look_like_booleans_are_texts() -> None:
    assert values("on: 1\nyes: 2\nno: 3") == [{"on": 1, "yes": 2, "no": 3}]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\na: 2", 2, "'a' stands here twice"),
        ("x:\n  b: {c: 1, c: 2}", 2, "'c' stands here twice"),
        ("a: [1", 2, "expected"),
        ("a: 1\n b: 2", 2, "mapping values are not allowed"),
        ("a: *b", 1, "undefined alias"),
        ("a: 'x", 1, "unexpected end of stream"),
        ("a: \t- b", 1, ""),
        ("just text", 1, "a document is a map of fields"),
        ("- 1", 1, "a document is a map of fields"),
        ("- [{a: 1}]", 1, "a document is a map of fields"),
        ("404: x", 1, "write '404' in quotes"),
        ("true: x", 1, "write 'true' in quotes"),
        ("[a]: x", 1, "a field's name must be a text"),
        ("x: &a {b: 1}\ny:\n  <<: *a", 3, "merge keys"),
        ("a: !!binary aGk=", 1, "tag !!binary"),
        ("a: !!timestamp 2024-01-01", 1, "tag !!timestamp"),
        ("a: !!set {b}", 1, "tag !!set"),
        ("a: !!python/object/apply:os.system [ls]", 1, "tag !!python"),
        ("a: !mine 3", 1, "tag !mine"),
        ("a: !!int abc", 1, "is not one that JSON can hold"),
        ("a: !!bool maybe", 1, "tag !!bool"),
        ("a: .nan", 1, "is not one that JSON can hold"),
        ("a: -.inf", 1, "is not one that JSON can hold"),
        ("a: 1e999", 1, "is not one that JSON can hold"),
        ("a: " + "9" * 400, 1, "is not one that JSON can hold"),
        ("a: x\0y", 1, ""),
        ("a: \x01", 1, ""),
        ("a: \ud800", 1, ""),
        (b"a: 1\nb: \xff", 2, "UTF-8"),
        ("%YAML 9.9\n---\na: 1", 1, ""),
        ("@: 1", 1, "cannot start any token"),
    ],
)
def test_yaml_refused(text: str | bytes, line: int, reason: str) -> None:
    error = refused(lambda: parse_documents(text, "r.yaml"))
    assert error.code == "document.syntax"
    assert error.details["line"] == line
    assert reason in str(error)
    assert str(error).startswith(f"r.yaml, line {line}: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('[{"a": 1}, {"b": 2}]', [{"a": 1}, {"b": 2}]),
        ('{"a": 1}\n{"b": 2}\n\n', [{"a": 1}, {"b": 2}]),
        ('{\n"a": 1\n}\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        ("  \n", []),
        ("[]", []),
        ('{"a": "\\ud83d\\ude00"}', [{"a": "😀"}]),
    ],
)
@pytest.mark.parametrize("source", ["r.json", "r.ndjson", "r.jsonl", "body"])
def test_json(text: str, expected: list[dict[str, Any]], source: str) -> None:
    assert values(text, source) == expected


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{"a": 1', 1, "delimiter"),
        ('{"a": 1}\n{"b": }', 2, "Expecting value"),
        ('{"a": 1, "a": 2}', 1, "'a' stands twice"),
        ('{"a": NaN}', 1, "NaN"),
        ('{"a": -Infinity}', 1, "-Infinity"),
        ('{"a": 1e999}', 1, "too large"),
        ('{"a": ' + "9" * 5000 + "}", 1, "too large"),
        ('\n{"a": "\\ud800"}', 2, "surrogate"),
        ('{"\\udc00": 1}', 1, "surrogate"),
        ("3", 1, "a document is a map"),
        ('["a"]', 1, "a document is a map"),
        ("a: 1", 1, "Expecting value"),
    ],
)
def test_json_refused(text: str, line: int, reason: str) -> None:
    error = refused(lambda: parse_documents(text, "r.json"))
    assert (error.code, error.details["line"]) == ("document.syntax", line)
    assert reason in str(error)


def test_without_an_ending_the_text_tells() -> None:
    assert values("{a: 1}", "standard input") == [{"a": 1}]
    assert values('{"a": 1}{"b": 2}', "standard input") == [{"a": 1}, {"b": 2}]
    assert values("a: 1", "standard input") == [{"a": 1}]
    assert values('# {\n{"a": 1}', "standard input") == [{"a": 1}]
    # It is neither; JSON was meant, so its error is told.
    error = refused(lambda: parse_documents('{"a": 1,\n "b" 2}', "standard input"))
    assert "Expecting ':' delimiter" in str(error)


def test_what_is_known_of_a_document() -> None:
    text = (
        "kind: stream\nid: s\n---\n\nsteps: []\n---\n"
        "kind: collector\nname: c\n---\nkind: 5\nid: 6\n"
    )
    found = parse_documents(text, "r.yaml")
    assert [(p.kind, p.id, p.line, p.number) for p in found] == [
        ("stream", "s", 1, 1),
        ("pattern", "", 5, 2),
        ("collector", "c", 7, 3),
        ("", "", 10, 4),
    ]
    assert found[1].place == "r.yaml:5"


NESTED = limits.DOCUMENT_DEPTH_MAX + 5


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("x" * (limits.DOCUMENT_BYTES_MAX + 1), "r.yaml"),
        ("a: " + "[" * NESTED + "]" * NESTED, "r.yaml"),
        ("a: " + "[" * 200_000, "r.yaml"),
        ("a: " + "{b: " * 50_000, "r.yaml"),
        ("".join(f"{' ' * n}a:\n" for n in range(NESTED)), "r.yaml"),
        ("- " * 100_000, "r.yaml"),
        ('{"a": ' + "[" * NESTED + "]" * NESTED + "}", "r.json"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "r.json"),
        ('{"a":' * 100_000, "r.json"),
        ("a: [" + "1," * (limits.DOCUMENT_NODES_MAX + 1) + "]", "r.yaml"),
        ('{"a": [' + "1," * limits.DOCUMENT_NODES_MAX + "1]}", "r.json"),
        ("a: &a [*a]", "r.yaml"),
        ("&a {b: *a}", "r.yaml"),
    ],
    ids=lambda text: text[:12],
)
@pytest.mark.timeout(30)
def test_too_large(text: str, source: str) -> None:
    error = refused(lambda: parse_documents(text, source))
    assert error.code == "document.too_large"


def test_the_billion_laughs() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    error = refused(lambda: parse_documents("\n".join(lines), "r.yaml"))
    assert error.code == "document.too_large"
    assert str(error) == "r.yaml: more than 200000 values"


def test_the_limit_counts_all_documents_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOCUMENT_NODES_MAX", 900)
    one = "a: [" + "1," * 300 + "]\n"
    assert len(parse_documents("---\n".join([one] * 2), "r.yaml")) == 2
    assert refused(lambda: parse_documents("---\n".join([one] * 4), "r.yaml")).code == (
        "document.too_large"
    )


def code_of(text: str | bytes, source: str) -> str:
    """The code of the error, or nothing when the text holds documents."""
    try:
        found = parse_documents(text, source)
    except Invalid as error:
        return error.code
    return "" if all(isinstance(parsed.values, dict) for parsed in found) else "no document"


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from("abk:{}[]&*!|>-?,#'\" \n\t%@`01.~<\\"), max_size=60))
def test_any_text_gives_documents_or_an_error(text: str) -> None:
    for source in ("r.yaml", "r.json", "body"):
        assert code_of(text, source) in ("", "document.syntax", "document.too_large")


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=40))
def test_any_bytes_give_documents_or_an_error(data: bytes) -> None:
    assert code_of(data, "r.yaml") in ("", "document.syntax", "document.too_large")
