"""Regular expressions of linear time, compiled once.

The engine is RE2: no look-around, no back-references, and no text that makes it hang.
"""

from __future__ import annotations

import re as _re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import re2

from summit.base import limits
from summit.base.errors import Invalid

Search = Callable[[str], bool]
Find = Callable[[str], "list[int] | None"]

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = limits.REGEX_MEMORY_BYTES
_PIECES_EACH: Final = (20_000, 2_000)  # of one automaton; one costs a text the same as five
_PLAIN: Final = _re.compile(r"(\^?)([A-Za-z0-9 _/:;,@=<>\"'!%&~#-]+)", _re.ASCII)


@lru_cache(maxsize=1_024)
def compile_search(pattern: str) -> Search:
    """A function that says whether the pattern is found somewhere in a text.

    Patterns without special characters become plain text search.

    Raises: Invalid("regex.invalid").

    >>> compile_search("fail(ed|ure)")("login failed")
    True
    """
    regex = compile_regex(pattern)
    plain = _PLAIN.fullmatch(pattern)
    if plain is not None:
        part = plain[2]
        if plain[1]:
            return lambda text: text.startswith(part)
        return lambda text: part in text
    find = _finder(regex)
    last: tuple[str | None, bool] = (None, False)

    def search(text: str) -> bool:
        nonlocal last
        asked, found = last
        if asked is text:  # rules that share a pattern ask for one text after one another
            return found
        # Bytes: of a text the binding would also work out character positions, at twice the cost.
        try:
            found = find(text.encode())
        except UnicodeEncodeError:  # half a surrogate pair, which JSON in UTF-8 cannot bring
            found = find(text.encode(errors="replace"))
        last = (text, found)
        return found

    return search


def _finder(regex: Any) -> Callable[[bytes], bool]:
    """Whether the expression is found in bytes.

    Straight from the engine where the binding lets us: its `search` makes a generator and an object
    of the match, which takes longer than the search itself.
    """
    match = getattr(getattr(regex, "_regexp", None), "Match", None)
    anywhere = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
    if match is None or anywhere is None:
        search = regex.search
        return lambda data: search(data) is not None
    return lambda data: match(anywhere, data, 0, len(data))[0][0] >= 0


def compile_pieces(pieces: Sequence[str]) -> Find | None:
    """A function that gives the numbers of the pieces that a text holds, without regard to case.

    It may give more than are there, never fewer; None in place of numbers: it cannot tell. None in
    place of the function: the engine has no room for so many.

    Cost: linear in the text, whatever the number of pieces (a DFA over all of them).

    >>> find = compile_pieces(["cmd.exe", "whoami"])
    >>> sorted(find("CMD.EXE /c whoami"))
    [0, 1]
    """
    parts = next(filter(None, (_sets_of(pieces, each) for each in _PIECES_EACH)), None)
    if parts is None:
        return None

    def find(text: str) -> list[int] | None:
        try:
            data = text.encode()
            return [first + number for first, match in parts for number in match(data) or ()]
        except UnicodeEncodeError:  # half a surrogate pair
            return None

    def find_one(text: str) -> list[int] | None:
        try:
            return only(text.encode()) or []
        except UnicodeEncodeError:
            return None

    only: Any = parts[0][1] if len(parts) == 1 else None
    return find if only is None else find_one


def _sets_of(pieces: Sequence[str], each: int) -> list[tuple[int, Any]] | None:
    """Automata for so many pieces each: the number of the first, and what matches a text.

    None = one of them has no room.
    """
    parts: list[tuple[int, Any]] = []
    for first in range(0, len(pieces), each):
        some = pieces[first : first + each]
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = False
        options.literal = True
        options.max_mem = limits.PIECES_MEMORY_BYTES * (2 if len(some) > _PIECES_EACH[-1] else 1)
        found = re2.Set.SearchSet(options)
        for piece in some:
            found.Add(piece)
        found.Compile()
        # A set without room for its automaton finds nothing, and says nothing of it.
        if len(some) - 1 not in (found.Match(some[-1]) or ()):
            return None
        parts.append((first, getattr(getattr(found, "_set", None), "Match", found.Match)))
    return parts


def compile_regex(pattern: str) -> Any:
    """The compiled pattern (RE2's object).

    Raises: Invalid("regex.invalid").
    """
    if len(pattern) > limits.REGEX_CHARS_MAX:
        raise Invalid("regex.invalid", pattern=pattern[:80], reason="it is too long")
    try:
        return re2.compile(pattern, _OPTIONS)
    except UnicodeEncodeError as error:
        raise Invalid("regex.invalid", pattern="…", reason="it is not Unicode text") from error
    except re2.error as error:
        text = str(error.args[0] if error.args else error)
        if isinstance(error.args[0] if error.args else None, bytes):
            text = error.args[0].decode(errors="replace")
        raise Invalid("regex.invalid", pattern=pattern, reason=text) from error
