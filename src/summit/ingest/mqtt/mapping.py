"""Topic filters of MQTT, and what their wildcards stand for. Source: MQTT 5.0, section 4.7."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from summit.ingest.checks import bad_setting

_HOLE: Final = re.compile(r"\$\{(\d+)\}")


def check_filter(text: str, pointer: str) -> None:
    """Refuse what is no topic filter. Raises Invalid."""
    levels = text.split("/")
    wrong = (
        not text
        or "\0" in text
        or any("#" in level and (level != "#" or n != len(levels) - 1)
               for n, level in enumerate(levels))
        or any("+" in level and level != "+" for level in levels)
    )  # fmt: skip
    if wrong:
        raise bad_setting(pointer, f"'{text}' is no MQTT topic filter (a/+/b, a/#)")


def check_key(text: str, filter_: str) -> None:
    """Refuse a key that speaks of a wildcard which the filter does not have. Raises Invalid."""
    wildcards = sum(level in ("+", "#") for level in filter_.split("/"))
    for hole in _HOLE.findall(text):
        if not 1 <= int(hole) <= wildcards:
            raise bad_setting("/key", f"the filter has {wildcards} wildcards, not {hole}")


def compile_filter(text: str) -> Callable[[str], list[str] | None]:
    """A function that gives what each wildcard stands for in a topic; None where it fits not.

    >>> compile_filter("a/+/b/#")("a/x/b/c/d")
    ['x', 'c/d']
    """
    levels = text.split("/")
    is_open = levels[-1] == "#"
    named = ["([^/]*)" if level == "+" else re.escape(level) for level in levels if level != "#"]
    # `a/#` also fits `a` itself, and then the wildcard stands for nothing.
    rest = ("(?:/(.*))?" if named else "(.*)") if is_open else ""
    found = re.compile("/".join(named) + rest, re.DOTALL)
    first_is_open = text[0] in "+#"

    def match(topic: str) -> list[str] | None:
        if first_is_open and topic.startswith("$"):
            return None
        fits = found.fullmatch(topic)
        return None if fits is None else [each or "" for each in fits.groups()]

    return match


def fill_key(text: str, stands_for: list[str]) -> bytes:
    """The key, with what the wildcards stand for.

    >>> fill_key("s-${1}", ["kitchen"])
    b's-kitchen'
    """
    return _HOLE.sub(lambda hole: stands_for[int(hole[1]) - 1], text).encode()
