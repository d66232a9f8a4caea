"""The loop over the events of a chunk: decode, keep time, look up the type. Nothing else.

It is generated, because it runs for every event and most events end here: the fields it reads are
attributes of a struct that is made for the active rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from summit.events.event import DECODE_ERRORS
from summit.events.expressions.generator import Names
from summit.events.layouts import TypedLayout
from summit.keyed.probes import Probe, TypeIndex
from summit.keyed.rule import EVENT_TYPE


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

    def concern(self, n: int, event: Any, own_ms: int, watermark_ms: int, probe: Probe) -> float:
        """The event may concern rules; gives the next timer, which they may have set."""
        ...


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
    ) -> int: ...


_SOURCE = """\
def scan(values, stamps, index, watermark, timer, ahead, sink):
 concern = sink.concern
 n = -1
 for value, stamp in zip(values, stamps):
  n += 1
  try:
   e = decode(value)
  except errors:
   sink.undecodable(n)
   continue
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
  try:
   probe = index[{kind}]
  except unhashable:
   probe = index.untyped
  if probe is not None:
   timer = concern(n, e, own, watermark, probe)
 return watermark
"""


def compile_scan(layout: TypedLayout, decode: Callable[[Any], Any]) -> Scan:
    """The loop for events of a layout; `decode` gives its struct."""
    names = Names()
    source = _SOURCE.format(
        time=layout.attribute("timestamp"), kind=layout.field_code(EVENT_TYPE, names)
    )
    names.bound.update(
        zip=zip,
        int=int,
        decode=decode,
        errors=(*DECODE_ERRORS, TypeError),  # TypeError: a record without value
        unhashable=TypeError,
    )
    scan: Scan = names.define(source, "scan")
    return scan
