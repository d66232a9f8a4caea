"""What a definition refers to and is not there: warnings, as it may come later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from summit.journal.definition_log import DefinitionLog
from summit.journal.definitions import Checked

_NOT_RULES: Final = ("tests",)  # their events may have fields of any name


def advise(checked: Checked, log: DefinitionLog) -> list[str]:
    """Warnings about a document that was just put in force.

    Args:
        log: The definitions in force, this one among them.
    """
    named = dict.fromkeys(_notifications(checked.document))
    unknown = [name for name in named if log.get("notification", name) is None]
    if not unknown:
        return []
    return [
        f"no notification is called {', '.join(unknown)}: as long as that is so, nobody is told"
    ]


def _notifications(value: Any) -> Iterator[str]:
    """The names under `notify`, wherever in a document it stands."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "notify" and isinstance(inner, list | tuple):
                yield from (each for each in inner if isinstance(each, str))
            elif name not in _NOT_RULES:
                yield from _notifications(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _notifications(inner)
