"""Regular expressions of linear time, compiled once.

The engine is RE2: no look-around, no back-references, and no text that makes it hang.
"""

from __future__ import annotations

import re as _re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from summit.base import limits
from summit.base.errors import Invalid

Search = Callable[[str], bool]

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = limits.REGEX_MEMORY_BYTES
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
    find = regex.search

    def search(text: str) -> bool:
        # Bytes: of a text the binding would also work out character positions, at twice the cost.
        try:
            return find(text.encode()) is not None
        except UnicodeEncodeError:  # half a surrogate pair, which JSON in UTF-8 cannot bring
            return find(text.encode(errors="replace")) is not None

    return search


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
