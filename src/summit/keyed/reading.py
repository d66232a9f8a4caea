"""The chunk that is being read: what is made of its records, by their position in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from summit.documents.stream import StreamPlan
from summit.events.event import Transport
from summit.keyed.captured import Captured, Keep, Origin, capture, transport_of
from summit.keyed.chunks import Chunk
from summit.keyed.outputs import Late, Rejected, Remote
from summit.keyed.waiting import WaitingEvent


class Reading:
    """One chunk.

    Args:
        origin: Its topic partition.
        stream: How its topic is read.
        keep: See `RuleSet.keep`.
    """

    __slots__ = ("_keep", "chunk", "origin", "stream")

    def __init__(self, chunk: Chunk, origin: Origin, stream: StreamPlan, keep: Keep) -> None:
        self.chunk = chunk
        self.origin = origin
        self.stream = stream
        self._keep = keep

    @property
    def place(self) -> tuple[str, int]:
        """Its topic and partition."""
        return self.chunk.topic, self.chunk.partition

    def in_order_from(self, watermark_ms: int) -> int:
        """The time from which on events are in order, where the largest one is `watermark_ms`."""
        return watermark_ms - self.stream.delay_ms

    def captured(self, n: int, event: Any, time_ms: int, own_ms: int) -> Captured:
        """An event as lanes keep it."""
        place = (self.origin, self.chunk.offsets[n])
        value, headers = self.chunk.values[n], self._headers(n)
        return capture(event, value, headers, (time_ms, own_ms), place, self._keep)

    def waiting(self, n: int, event: Any, own_ms: int) -> WaitingEvent:
        """An event as it waits for the frontier."""
        chunk = self.chunk
        return WaitingEvent(
            self.origin, chunk.offsets[n], own_ms, chunk.timestamps_ms[n],
            chunk.values[n] or b"", self._key(n), self._headers(n), event,
        )  # fmt: skip

    def sent(self, n: int, taken_ms: int, groups: Iterable[int]) -> list[Remote]:
        """An event as other workers get it, once for each key group."""
        return [self._remote(n, taken_ms, group) for group in sorted(set(groups))]

    def _remote(self, n: int, taken_ms: int, group: int) -> Remote:
        chunk = self.chunk
        value = chunk.values[n]
        assert value is not None
        return Remote(
            group, chunk.topic, chunk.partition, chunk.offsets[n], chunk.timestamps_ms[n],
            taken_ms, self._key(n), value, self._headers(n),
        )  # fmt: skip

    def rejected(self, n: int, code: str, message: str, rule: str | None) -> Rejected:
        """A record that cannot be processed."""
        chunk = self.chunk
        return Rejected(chunk.topic, chunk.partition, chunk.offsets[n], code, message, rule)

    def late(self, n: int, own_ms: int, watermark_ms: int) -> Late:
        """An event that comes too late for rules that do not allow for that."""
        chunk = self.chunk
        return Late(chunk.topic, chunk.partition, chunk.offsets[n], own_ms, watermark_ms)

    def transport(self, n: int) -> Transport:
        """The record around an event, as rules read it."""
        chunk = self.chunk
        return transport_of(
            chunk.topic, chunk.partition, chunk.offsets[n], self._key(n), chunk.timestamps_ms[n],
            self._headers(n),
        )  # fmt: skip

    def _key(self, n: int) -> bytes | None:
        return None if self.chunk.keys is None else self.chunk.keys[n]

    def _headers(self, n: int) -> Any:
        return None if self.chunk.headers is None else self.chunk.headers[n]


NOTHING: Final = Reading(
    Chunk("", -1, (), (), ()), Origin("", -1), StreamPlan(), lambda _event, _value: (b"", False)
)
