"""The loop over the events of a chunk: decode, keep time, look up the type. Nothing else.

It is generated, because it runs for every event and most events end here: the fields it reads are
attributes of a struct that is made for the active rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from summit.events.event import Transport
from summit.events.expressions.generator import Names
from summit.events.layouts import TypedLayout
from summit.keyed.decisions import Found
from summit.keyed.type_index import ERRORS, TypeIndex


class Sink(Protocol):
    """What the loop hands events to; `n` is the position in the chunk."""

    def undecodable(self, n: int) -> None:
        """The value is not the JSON that the layout wants."""
        ...

    def odd_time(self, n: int, own: object) -> int | None:
        """The time of an event whose own is no integer; None = the event is rejected."""
        ...

    def ahead(self, n: int, own: int) -> int | None:
        """The time of an event that lies far past its record; None = the event is rejected."""
        ...

    def fire(self, watermark_ms: int) -> float:
        """The watermark has reached the timer; gives the next one."""
        ...

    def transport(self, n: int) -> Transport:
        """The record around an event."""
        ...


class Concern(Protocol):
    """Takes an event that concerns rules; gives the next timer, which they may have set."""

    def __call__(
        self, n: int, event: Any, own_ms: int, watermark_ms: int, found: Found
    ) -> float: ...


class Scan(Protocol):
    """The loop. Gives the largest event time, where it began with `watermark_ms`.

    Args:
        ahead_ms: How far an event's time may lie past its record's.
    """

    def __call__(
        self,
        values: Sequence[Any],
        stamps: Sequence[int],
        index: TypeIndex,
        watermark_ms: int,
        timer_ms: float,
        ahead_ms: int,
        sink: Sink,
        concern: Concern,
    ) -> int: ...


_SOURCE = """\
def scan(values, stamps, index, watermark, timer, ahead, sink, concern):
 index.begin(len(values))
 decode = index.decode
 n = -1
 for value, stamp in zip(values, stamps):
  n += 1
  try:
   e = decode(value)
  except errors:
   e = index.decode_unusual(value)
   if e is None:
    sink.undecodable(n)
    continue
   decode = index.decode
  own = e.{time}
  if type(own) is not int:
   own = sink.odd_time(n, own)
   if own is None:
    continue
  if own > watermark:
   if own > stamp + ahead:
    own = sink.ahead(n, own)
    if own is None:
     continue
   if own > watermark:
    watermark = own
    if own >= timer:
     timer = sink.fire(own)
{record}  found = e.find()
  if found is not nobody:
   timer = concern(n, e, own, watermark, found)
 return watermark
"""
_RECORD = """\
  if e.has_record:
   e.t = sink.transport(n)
"""


def compile_scan(layout: TypedLayout, *, needs_record: bool) -> Scan:
    """The loop for events of a layout.

    Args:
        needs_record: Whether some rule reads the record around the event.
    """
    names = Names()
    source = _SOURCE.format(
        time=layout.attribute("timestamp"), record=_RECORD if needs_record else ""
    )
    names.bound.update(zip=zip, int=int, len=len, errors=ERRORS, nobody=())
    scan: Scan = names.define(source, "scan")
    return scan
