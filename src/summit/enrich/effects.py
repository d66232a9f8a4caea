"""What an operation does to one event, and how it is told: without any value of the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from summit.documents.transform_plan import OnError
from summit.enrich.places import Find, Value


class Effect(NamedTuple):
    """How many places were changed, and why one was not."""

    changes: int
    reason: str | None = None


Operation = Callable[[Value], Effect]
NOTHING: Final = Effect(0)
Fate = Literal["pass", "drop", "deadLetter"]


def worse(fate: Fate, policy: OnError) -> Fate:
    """What becomes of an event on which one more rule has failed; a dead letter loses least."""
    if policy == "deadLetter" or fate == "deadLetter":
        return "deadLetter"
    return "drop" if policy == "drop" else fate


class Refusal(Exception):
    """A value that cannot be changed in the way asked for; its text holds nothing of the value."""


def change_each(find: Find, change: Callable[[Any], Any]) -> Operation:
    """Puts `change(value)` in each place; one that refuses stays as it is, the others go on."""

    def operation(value: Value) -> Effect:
        changes, reason = 0, None
        for holder, key in find(value):
            old = holder[key]
            if old is None:
                continue
            try:
                new = change(old)
            except Refusal as refusal:
                reason = str(refusal)
                continue
            if new is not old and (type(new) is not type(old) or new != old):
                holder[key] = new
                changes += 1
        return Effect(changes, reason) if changes or reason else NOTHING

    return operation
