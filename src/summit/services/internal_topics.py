"""Topics that the system itself lives on: nobody else writes, makes or deletes them."""

from __future__ import annotations

from summit.base.errors import Invalid
from summit.identity.principal import is_internal


def refuse_internal(name: object, pointer: str | None = None) -> None:
    """Raise Invalid("topic.internal") for such a topic."""
    if isinstance(name, str) and is_internal(name):
        raise Invalid("topic.internal", topic=name, pointer=pointer)
