"""Topics that the system itself lives on: nobody else writes, makes or deletes them."""

from __future__ import annotations

from summit.base.errors import Invalid


def is_internal(name: str) -> bool:
    """Whether a topic is the broker's or Summit's own.

    >>> is_internal("_summit.progress"), is_internal("__consumer_offsets"), is_internal("_mine")
    (True, True, False)
    """
    return name.startswith(("_summit.", "__"))


def refuse_internal(name: object, pointer: str | None = None) -> None:
    """Raise Invalid("topic.internal") for such a topic."""
    if isinstance(name, str) and is_internal(name):
        raise Invalid("topic.internal", topic=name, pointer=pointer)
