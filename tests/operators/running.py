"""Running the parts of a graph that was declared, without a broker: batches in, outputs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from summit.operators.graph import Sink
from summit.operators.task import Task
from summit.streams.app import StreamApp

Row = tuple[str, int, Any, Any, int]  # entry, partition, key, value, time
Out = tuple[str, Any, Any, int]  # topic, key, value, time


class Running:
    """The one part of a graph without `key_by`, in one task.

    Args:
        inputs: Entries and partitions that it reads.
    """

    def __init__(
        self, declare: Callable[[StreamApp], Any], inputs: Iterable[tuple[str, int]]
    ) -> None:
        app = StreamApp("test")
        declare(app)
        (self.part,) = app.graph.parts()
        self._inputs = list(inputs)
        self.state: dict[bytes, bytes] = {}
        self.out: list[Out] = []
        self._make()

    def _make(self) -> None:
        self.task = Task(self.part, 0)
        for name, number in self._inputs:
            self.task.open(name, number)
        self.task.restore(self.state.items())

    def take(self, rows: list[Row]) -> None:
        """Rows in order; neighbours of one input as one batch."""
        at = 0
        while at < len(rows):
            end = at
            while end < len(rows) and rows[end][:2] == rows[at][:2]:
                end += 1
            keys, values, times = (
                list(column) for column in zip(*(r[2:] for r in rows[at:end]), strict=True)
            )
            self.task.take(*rows[at][:2], keys, values, times)
            self.fetch()
            at = end

    def fetch(self) -> None:
        """Move what has come out to `out`."""
        for node, batch in self.task.fetch():
            assert isinstance(node, Sink)
            rows = zip(batch.keys, batch.values, batch.times, strict=True)
            self.out += [(node.topic, key, value, at) for key, value, at in rows]

    def save(self) -> None:
        """Keep what has changed, as a changelog does."""
        for name, data in self.task.changes():
            if data is None:
                self.state.pop(name, None)
            else:
                self.state[name] = data

    def restart(self) -> None:
        """Go on in a new task with what was kept."""
        self.save()
        self._make()
