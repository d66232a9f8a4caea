"""What an operation does to one event, and how it is told: without any value of the event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from summit.enrich.places import Place, Value


class Effect(NamedTuple):
    """How many places were changed, and why one was not."""

    changes: int
    reason: str | None = None


Operation = Callable[[Value], Effect]
NOTHING: Final = Effect(0)


class Refusal(Exception):
    """A value that cannot be changed in the way asked for; its text holds nothing of the value."""


def change_each(places: Iterable[Place], change: Callable[[Any], Any]) -> Effect:
    """Put `change(value)` in each place; one that refuses stays as it is, the others go on."""
    changes, reason = 0, None
    for place in places:
        old = place.value
        if old is None:
            continue
        try:
            new = change(old)
        except Refusal as refusal:
            reason = str(refusal)
            continue
        if new is not old and (type(new) is not type(old) or new != old):
            place.holder[place.key] = new
            changes += 1
    return Effect(changes, reason)
