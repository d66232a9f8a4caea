"""`Pane`: what one group has in one window, or in one slice of it.

Events are first kept as rows of the fields that metrics read, and folded into summaries when there
are some: adding an event is one append, and a fold works on columns.
"""

from __future__ import annotations

from typing import Any


class Pane:
    """Rows that are not folded yet, and the summaries of those that are.

    Attributes:
        count: How many events are in `summaries`.
        first_ms, last_ms: Times of its first and last event; kept by windows that tell them.
    """

    __slots__ = ("count", "first_ms", "last_ms", "rows", "summaries")

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.count = 0
        self.summaries: list[Any] | None = None
        self.first_ms = self.last_ms = 0

    @property
    def events(self) -> int:
        """How many events it has."""
        return self.count + len(self.rows)
