"""Regular expressions and networks, compiled once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.events.networks import compile_networks
from summit.events.regexes import compile_search


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("fail", "login failed", True),
        ("^fail", "login failed", False),
        ("^login failed", "login failed", True),
        ("fail(ed|ure)$", "login failure", True),
        ("É+", "caféÉ", True),
        (r"^.$", "é", True),
        (r"\w+@\w+\.com", "to eve@example.com", True),
        ("(?i)ADMIN", "admin", True),
        ("a.c", "a\udc80c", True),
        ("", "", True),
    ],
)
def test_search(pattern, text, expected):
    assert compile_search(pattern)(text) is expected


@settings(max_examples=100, deadline=None)
@given(st.text("ab^$.*+?|()é ", max_size=6), st.text("abé \n", max_size=8))
def test_the_same_is_found_as_elsewhere(pattern, text):
    try:
        expected = re.compile(pattern)
        search = compile_search(pattern)
    except (re.error, Invalid):
        return  # the two dialects refuse different things
    if "$" in pattern and text.endswith("\n"):
        return  # Python's $ also matches before a last newline
    assert search(text) == (expected.search(text) is not None)


def test_networks():
    inside = compile_networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
    answers = {
        "10.255.0.1": True, "11.0.0.1": False, "192.0.2.7": True, "192.0.2.8": False,
        "2001:db8::1": True, "::ffff:10.0.0.1": True, "::1": False, "host": None, "": None,
    }  # fmt: skip
    assert {text: inside(text) for text in answers} == answers
    assert inside(167_772_161) is None
    assert inside(None) is None
    with pytest.raises(Invalid):
        compile_networks(["10.0.0.0/33"])
