"""What the collector needs of a kind of database: the snapshot, then the stream, as batches.

    open(position) ─► read ─► read ─► … ─► close        confirm(position) after each durable write

A source reads ahead on a thread of its own, bounded, so that a slow broker slows the database.
Errors say what becomes of the collector: `Unavailable`: it opens the source again, from the last
position that was written; anything else: it fails, and says what to do.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from summit.ingest.database.changes import Change

Position = dict[str, Any]  # of values that JSON can hold; the collector only keeps it


class Batch(NamedTuple):
    """Some changes, in order.

    Attributes:
        changes: May be empty: then only the position has moved (a heartbeat).
        position: Where to go on once these and all before them are written; None: there is no such
            place here, they are written together with the next ones.
    """

    changes: list[Change]
    position: Position | None


class Source(Protocol):
    """One database as one collector reads it. Its loop is the collector's."""

    @property
    def source_id(self) -> str:
        """The kind and the name of the database, `postgresql:shop`; known from the start."""
        ...

    async def open(self, position: Position | None) -> None:
        """Connect, see that everything is as it must be, and find the place.

        Args:
            position: That of the last batch that was written; None: nothing was, ever. What was
                read behind it before comes again, under the same coordinates.
        Raises: Unavailable("database.unreachable"); Invalid("database.refused"),
            ("database.unfit"), ("database.position_lost"), ("extra.missing").
        """
        ...

    async def read(self) -> Batch | None:
        """The next changes; waits for some. None: there are none any more (`initialOnly`).

        May be cancelled while it waits, without losing anything. Raises as `open`.
        """
        ...

    async def confirm(self, position: Position) -> None:
        """A batch's position is written durably: the database need not keep what is before it."""
        ...

    def status(self) -> dict[str, Any]:
        """For people: `phase`, `snapshot` (tables and rows, done and to do), `lagBytes`, …."""
        ...

    def warnings(self) -> list[str]:
        """What is not right and may become worse, each with what to do."""
        ...

    async def close(self) -> None:
        """Let go of every connection and thread; also after a failed `open`. Idempotent."""
        ...
