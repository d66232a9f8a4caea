"""What an operator is to the task that runs it: batches in, batches out, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from summit.operators.batch import END_OF_TIME_MS, Batch, Gathered

StateId = tuple[Any, ...]  # the key, then what tells several things of one key apart


class Operator(Protocol):
    """One that keeps nothing; all tasks of a graph may share it."""

    def take(self, batch: Batch, port: int) -> Batch:
        """What becomes of a batch that came through an input."""
        ...


class Plain:
    """A function from batch to batch as an operator."""

    __slots__ = ("_apply",)

    def __init__(self, apply: Callable[[Batch], Batch]) -> None:
        self._apply = apply

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Operator`."""
        del port
        return self._apply(batch)


class Keeper:
    """One that keeps state by key, and has something to do when event time comes to a point.

    Attributes:
        due_ms: The next such point; `END_OF_TIME_MS` = none.
        dirty: What has changed since it was last cleared.
        kind: What its state is; state of another kind is refused.
        lates: Records put aside because they were late.
        late_count: How many of them there were, ever.
    """

    kind = ""

    def __init__(self) -> None:
        self.due_ms = END_OF_TIME_MS
        self.dirty: set[StateId] = set()
        self.lates = Gathered()
        self.late_count = 0

    def take(self, batch: Batch, port: int) -> Batch:
        """What becomes of a batch that came through an input."""
        raise NotImplementedError

    def advance(self, clock_ms: int) -> Batch:
        """Event time has come to here: fire what is due, in order."""
        raise NotImplementedError

    def dump(self, state_id: StateId) -> bytes | None:
        """What is kept under an id; None = nothing any more."""
        raise NotImplementedError

    def load(self, state_id: StateId, data: bytes) -> None:
        """Keep again what was dumped; once for an id, before any record comes."""
        raise NotImplementedError

    def count(self) -> int:
        """How many things are kept."""
        raise NotImplementedError

    def put_aside(self, key: Any, value: Any, at_ms: int, clock_ms: int) -> None:
        """A record is late."""
        self.late_count += 1
        self.lates.add(key, value, at_ms, clock_ms, late=True)
