"""What a rule remembers of a key's earlier events: `previous.x`, the last value of field x.

That of the last earlier event of the rule's stream that had one: texts, numbers, true and false. It
stays when no match has begun, until the key is dropped for `limits.keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from summit.base.limits import PREVIOUS_CHARS_MAX
from summit.cep.runs import KeyRuns
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Path
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured


class Previous:
    """The memory of one program: holds that of the key whose event is tested.

    Args:
        paths: The fields; their values stand in `KeyRuns.previous` in the same order.
    """

    def __init__(self, paths: Sequence[Path], layout: TypedLayout) -> None:
        self._places = {path: place for place, path in enumerate(paths)}
        self._readers = [_reader(path, layout) for path in paths]
        self._values: Sequence[Any] = ()

    def recall(self, key: KeyRuns) -> None:
        """The next events to be tested are those of this key."""
        self._values = key.previous

    def note(self, key: KeyRuns, event: Captured) -> None:
        """The event is an earlier one from now on."""
        old = key.previous or [None] * len(self._readers)
        key.previous = [
            new if (new := _plain(read(event.fields))) is not None else value
            for read, value in zip(self._readers, old, strict=True)
        ]

    def reader(self, path: Path) -> Callable[[Any], Any]:
        """What guards call for a field, with the captures of a run that do not matter here."""
        place = self._places[path]
        return lambda _captures: self._values[place] if self._values else None


def _reader(path: Path, layout: TypedLayout) -> Callable[[Any], Any]:
    names = Names()
    code = layout.field_code(path, names)
    found: Callable[[Any], Any] = names.define(f"def value(e):\n return {code}\n", "value")
    return found


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value if len(value) <= PREVIOUS_CHARS_MAX else None
    return value if type(value) in (int, float, bool) else None
