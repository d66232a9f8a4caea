"""extract and parse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.transforms import refused, result

from summit.enrich.effects import Refusal
from summit.enrich.texts import read_pairs

T0 = 1_700_000_000_000  # 14 November 2023


@pytest.mark.parametrize(
    ("found", "config", "expected"),
    [
        ("user=eve ip=x", {"pattern": r"user=(\w+)"}, {"f": "eve"}),
        ("user=eve", {"pattern": r"\w+$"}, {"f": "eve"}),
        ("user=eve", {"pattern": r"(\w+)=(\w+)", "group": 2}, {"f": "eve"}),
        ("user=eve", {"pattern": r"(?P<k>\w+)=(?P<v>\w+)", "group": "v"}, {"f": "eve"}),
        ("user=eve", {"pattern": "user=", "group": 0}, {"f": "user="}),
        ("user=eve", {"pattern": r"=(\w+)", "outputField": "a.b"},
         {"f": "user=eve", "a": {"b": "eve"}}),
        ("nothing", {"pattern": r"=(\w+)"}, {"f": "nothing"}),
        ("nothing", {"pattern": r"=(\w+)", "outputField": "a"}, {"f": "nothing"}),
        ("a", {"pattern": r"a(b)?"}, {"f": "a"}),  # the group took no part
        (12, {"pattern": r"1"}, {"f": 12}),
        (["user=eve"], {"pattern": r"="}, {"f": ["user=eve"]}),
    ],
)  # fmt: skip
def test_extract(found: Any, config: dict[str, Any], expected: dict[str, Any]) -> None:
    assert result({"f": found}, "extract", "f", **config) == expected


@pytest.mark.parametrize(
    ("found", "config", "expected"),
    [
        ('{"a": 1}', {"format": "json"}, {"a": 1}),
        ("[1]", {"format": "json"}, [1]),
        ("eve,7", {"format": "csv", "columns": ["user", "n"]}, {"user": "eve", "n": "7"}),
        ('"a,""b";c', {"format": "csv", "columns": ["x", "y"], "delimiter": ";"},
         {"x": 'a,"b', "y": "c"}),
        ("eve", {"format": "csv", "columns": ["user", "n"]}, {"user": "eve"}),
        ('user=eve msg="not known" n=1', {"format": "keyValue"},
         {"user": "eve", "msg": "not known", "n": "1"}),
        ("a:1; b:2;c", {"format": "keyValue", "pairSeparator": ";", "keySeparator": ":"},
         {"a": "1", "b": "2", "_unparsed": "c"}),
        ("a=1 a=2 a=3", {"format": "keyValue"}, {"a": ["1", "2", "3"]}),
        ("eve from 192.0.2.7",
         {"format": "regex", "pattern": r"(?P<u>\w+) from (?P<ip>\S+)(?P<p>:)?"},
         {"u": "eve", "ip": "192.0.2.7"}),
    ],
)  # fmt: skip
def test_parse(found: str, config: dict[str, Any], expected: Any) -> None:
    assert result({"f": found}, "parse", "f", **config) == {"f": expected}
    kept = result({"f": found}, "parse", "f", outputField="data.f", **config)
    assert kept == {"f": found, "data": {"f": expected}}


@pytest.mark.parametrize(
    ("found", "config"),
    [
        ("{", {"format": "json"}),
        ("a\nb", {"format": "csv", "columns": ["x"]}),
        ("", {"format": "csv", "columns": ["x"]}),
        ("a,b", {"format": "csv", "columns": ["x"]}),
        ('"a', {"format": "csv", "columns": ["x"]}),
        ("no pairs", {"format": "keyValue"}),
        ("x", {"format": "regex", "pattern": "(?P<a>y)"}),
        ("x", {"format": "syslog"}),
        ("Nov 14 04:05:06 web1 sshd[1]: hello", {"format": "syslog"}),  # which year?
        (12, {"format": "regex", "pattern": "(?P<a>1)"}),
        ({"a": 1}, {"format": "keyValue"}),
    ],
)
def test_what_is_no_such_text_stays(found: Any, config: dict[str, Any]) -> None:
    assert refused({"f": found}, "parse", "f", **config)


def test_syslog() -> None:
    line = "<38>Nov 14 22:13:20 web1 sshd[811]: Connection closed"
    new = result({"timestamp": T0, "message": line}, "parse", "message", format="syslog")
    assert new["message"] == {
        "timestamp": T0, "host": "web1", "program": "sshd", "pid": 811,
        "message": "Connection closed", "facility": "auth", "level": "info", "severity": "info",
    }  # fmt: skip


def test_repeated_syslog_says_how_often() -> None:
    line = "2023-11-14T22:13:20Z web1 sshd[1]: message repeated 3 times: [ failed]"
    parsed = result({"m": line}, "parse", "m", format="syslog")["m"]
    assert (parsed["message"], parsed["repeats"]) == ("failed", 3)


@given(
    st.dictionaries(
        st.text(alphabet="abc", min_size=1, max_size=3), st.text(alphabet='ab= "\\', max_size=6),
        min_size=1,
    )
)  # fmt: skip
def test_quoted_pairs_come_back(pairs: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = " ".join(f"{name}={quoted(value)}" for name, value in pairs.items())
    assert read_pairs(text, None, "=") == pairs


@given(st.text(alphabet='ab= ;"\\\n', max_size=30))
def test_no_text_is_too_much_for_pairs(text: str) -> None:
    for pair in (None, ";"):
        try:
            found = read_pairs(text, pair, "=")
        except Refusal:
            continue
        assert found
