"""The longest piece of text without which a regular expression finds nothing, case aside."""

from __future__ import annotations

import re
from typing import Final

_FLAGS: Final = re.compile(r"\(\?([imsU]+)\)")
_COUNT: Final = re.compile(r"\d+(,\d*)?\}")
_EITHER_CASE: Final = re.compile(r"(?i:([a-z])\1)\]", re.ASCII)  # behind the bracket: [Xx]
_BREAKS: Final = frozenset(".^$")
_QUANTIFIERS: Final = frozenset("*?{")


def required_piece(pattern: str) -> str:
    """A piece that is in every text where the pattern is found; empty = none is known.

    Without regard to case. Only what surely is text counts: groups, classes, alternatives and
    escapes of letters do not, but a class of one letter in both cases does.

    >>> required_piece(r"[Rr][Uu][Nn][Dd][Ll][Ll]32(\\.exe)?")
    'RUNDLL32'
    >>> required_piece(r"(?i)^.*cmd\\.exe /c.+(a|b)x?$")
    'cmd.exe /c'
    """
    flags = _FLAGS.match(pattern)
    place = flags.end() if flags else 0
    runs: list[str] = []
    run = ""
    while place < len(pattern):
        sign = pattern[place]
        place += 1
        if sign == "|":
            return ""  # alternatives of the whole
        if sign == "[" and (either := _EITHER_CASE.match(pattern, place)) is not None:
            run += either[1]
            place = either.end()
        elif sign in "([":
            place = _behind(pattern, place, sign)
            if place < 0:
                return ""
            runs.append(run)
            run = ""
        elif sign in _QUANTIFIERS:
            runs.append(run[:-1])
            run = ""
            count = _COUNT.match(pattern, place) if sign == "{" else None
            place = place if count is None else count.end()
        elif sign == "+":
            runs.append(run)  # the last sign is there, and perhaps again
            run = ""
        elif sign in _BREAKS:
            runs.append(run)
            run = ""
        elif sign == "\\":
            escaped = pattern[place : place + 1]
            place += 1
            if escaped.isalnum() or not escaped.isascii():
                if escaped in ("Q", "x", "p", "P"):
                    return ""
                runs.append(run)
                run = ""
            else:
                run += escaped
        else:
            run += sign
    runs.append(run)
    return max(runs, key=len)


def _behind(pattern: str, place: int, opening: str) -> int:
    """The place behind a group or class that was just opened; -1 = it cannot be told."""
    if opening == "[":
        if pattern.startswith("^", place):
            place += 1
        if pattern.startswith("]", place):
            place += 1
        while place < len(pattern) and pattern[place] != "]":
            if pattern.startswith("[:", place):
                place = pattern.find(":]", place) + 1
                if place <= 0:
                    return -1
            place += 2 if pattern[place] == "\\" else 1
        return place + 1
    if pattern.startswith("?", place) and not pattern.startswith("?:", place):
        return -1  # flags in the middle, names
    while place < len(pattern):
        sign = pattern[place]
        place += 1
        if sign == "\\":
            place += 1
        elif sign in "([":
            place = _behind(pattern, place, sign)
            if place < 0:
                return -1
        elif sign == ")":
            return place
    return -1
