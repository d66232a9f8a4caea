"""Pieces that a regular expression needs: there whenever it is found, whatever it looks like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.events.regex_pieces import required_piece
from summit.events.regexes import compile_pieces, compile_search

PARTS = (
    "a", "b", "ab", "\\.", "\\\\", ".", "a*", "b+", "a?", "ab{2}", "a{0,1}", "b{,2}", "a{b|c}",
    "[Bb]", "[Aa]?", "[aA]{2}", "[ab]", "[^a]b", "[]a]", "[[:alpha:]]", "(ab)", "(a|b)",
    "(?:ab)+", "(?:a(b)c)?", "|", "^", "$",
    "\\d", "\\b", "{", "}", "\\x41", "\\Qa.b\\E", "(?i)", "(?i:a)", "(?P<n>a)", "é",
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PARTS), max_size=6).map("".join),
    st.lists(st.text("abcA.\\{}|1é ", max_size=8), max_size=8),
)
def test_what_is_found_holds_the_piece(pattern: str, texts: list[str]) -> None:
    try:
        search = compile_search(pattern)
    except Invalid:
        return
    piece = required_piece(pattern).lower()
    for text in texts:
        if search(text):
            assert piece in text.lower()


@pytest.mark.parametrize(
    ("pattern", "piece"),
    [
        ("abc", "abc"),
        ("(?is)^.*cmd\\.exe /c.*x$", "cmd.exe /c"),
        ("ab|cd", ""),
        ("xy(ab|cd)z", "xy"),
        ("abc?d", "ab"),
        ("abc{2,3}de", "ab"),
        ("abc+de", "abc"),
        ("[abc]de", "de"),
        ("x[Cc][mM][Dd]+[.]exe", "xCmD"),
        ("\\d\\w", ""),
    ],
)
def test_the_longest_is_taken(pattern: str, piece: str) -> None:
    assert required_piece(pattern) == piece


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("abAB.\\*é", min_size=1, max_size=4), min_size=1, max_size=12),
    st.text("abAB.\\*éÉ ", max_size=20),
)
def test_all_pieces_that_are_there_are_found(pieces: list[str], text: str) -> None:
    find = compile_pieces(pieces)
    assert find is not None
    found = find(text)
    assert found is not None
    there = {n for n, piece in enumerate(pieces) if piece.lower() in text.lower()}
    assert there <= set(found)
    exactly = {n for n in found if pieces[n].casefold() in text.casefold()}
    assert exactly == set(found)


def test_thousands_of_pieces_and_odd_texts() -> None:
    pieces = [f"piece-{number:05}-" for number in range(5_000)]
    find = compile_pieces(pieces)
    assert find is not None
    assert find("a PIECE-00007-x piece-04999- piece-2") in ([7, 4_999], [4_999, 7])
    assert find("") == []
    assert find("\ud800") is None  # it cannot tell
