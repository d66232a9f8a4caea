"""How a query looks at events: a typed decoder of just its fields, and the loop over a batch.

The loop is generated: it decodes, keeps time, tests, and appends the row to those of its group, so
that groups get their rows many at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from summit.analytics.program import Program
from summit.documents.query_plan import QueryPlan
from summit.events.event import DECODE_ERRORS
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.generator import Names, true_code
from summit.events.expressions.ir import Path
from summit.events.fields import candidates
from summit.events.layouts import TypedLayout
from summit.keyed.keys import GLOBAL_KEY, Key, whole_key

_EVENT_TYPE: Final[Path] = ("eventType",)
_TIMESTAMP: Final[Path] = ("timestamp",)

Rows = defaultdict[Key, list[Any]]


class Sink(Protocol):
    """What the loop asks; `n` is the position in the batch."""

    def undecodable(self, n: int) -> None:
        """The value is not the JSON that the layout wants."""

    def odd_time(self, n: int, own: object) -> int | None:
        """The time of an event whose own is no integer; None = the event is rejected."""

    def ahead(self, n: int, own: int) -> int | None:
        """The time of an event that lies far ahead; None = the event is rejected."""

    def fire(self, reached_ms: int) -> float:
        """Event time has reached the timer; gives the next one."""

    def slice(self, at_ms: int, reached_ms: int) -> tuple[int, int, Rows, float]:
        """Where the slice of a time begins and ends, its rows, and the timer now."""

    def transport(self, n: int) -> Any:
        """The record around the event."""


Scan = Callable[[Sequence[Any], Sequence[int], int, float, int, Sink, tuple[Any, ...], int], int]
"""values, record times, time reached, timer, how far ahead events may be, sink, place of the
partition, first offset. Gives the time reached."""

_SOURCE: Final = """\
def scan(values, stamps, reached, timer, ahead, sink, place, offset):
 n = -1
 lo = hi = 0
 rows = None
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
  if own > reached:
   if own > stamp + ahead:
    own = sink.ahead(n, own)
    if own is None:
     continue
   if own > reached:
    reached = own
    if own >= timer:
     timer = sink.fire(own)
     lo = hi = 0
{record}{test}{key}  if not lo <= own < hi:
   lo, hi, rows, timer = sink.slice(own, reached)
{at}  rows[k].append({row})
 return reached
"""


class Reader:
    """A query's fields, decoder and loop."""

    def __init__(self, program: Program) -> None:
        plan = program.plan
        fields = query_fields(program)
        needs_record = any(place.place == "record" for p in fields for place in candidates(p))
        self.layout = layout = TypedLayout({*fields, _EVENT_TYPE, _TIMESTAMP})
        decode = msgspec.json.Decoder(layout.struct).decode
        names = Names()
        source = _SOURCE.format(
            time=layout.attribute("timestamp"),
            record="  e.t = sink.transport(n)\n" if needs_record else "",
            test=_test_code(plan, layout, names),
            key=_key_code(plan, layout, names),
            at="  at = (own, *place, offset + n)\n" if program.has_place else "",
            row=program.row_code(layout, names),
        )
        names.bound.update(
            zip=zip, int=int, type=type, str=str, decode=decode, whole=whole_key,
            errors=(*DECODE_ERRORS, TypeError),
        )  # fmt: skip
        self.scan: Scan = names.define(source, "scan")


def query_fields(program: Program) -> set[Path]:
    """Every field of an event that a query reads."""
    plan = program.plan
    fields = {*program.columns, *plan.group_by}
    if plan.predicate is not None:
        fields |= set(required_fields(plan.predicate))
    if plan.types is not None:
        fields.add(_EVENT_TYPE)
    return fields


def key_of(plan: QueryPlan, layout: TypedLayout) -> Callable[[Any], Key]:
    """A function that gives the group of a decoded event."""
    names = Names()
    source = f"def key(e):\n{_key_code(plan, layout, names)}  return k\n".replace("\n  ", "\n ")
    names.bound.update(type=type, str=str, whole=whole_key)
    made: Callable[[Any], Key] = names.define(source, "key")
    return made


def _test_code(plan: QueryPlan, layout: TypedLayout, names: Names) -> str:
    lines = ""
    if plan.types is not None:
        code = layout.field_code(_EVENT_TYPE, names)
        if len(plan.types) == 1:
            lines += f"  if {code} != {names.bind(plan.types[0], 'kind')}: continue\n"
        else:
            lines += f"  if {code} not in {names.bind(plan.types, 'kinds')}: continue\n"
    if plan.predicate is not None:
        lines += f"  if not {true_code(plan.predicate, layout, names)}: continue\n"
    return lines


def _key_code(plan: QueryPlan, layout: TypedLayout, names: Names) -> str:
    if not plan.group_by:
        return f"  k = {names.bind(GLOBAL_KEY, 'everything')}\n"
    parts = [f"k{n}" for n in range(len(plan.group_by))]
    lines = "".join(
        f"  {part} = {layout.field_code(path, names)}\n"
        for part, path in zip(parts, plan.group_by, strict=True)
    )
    whole = f"({', '.join(parts)},)"
    texts = " and ".join(f"type({part}) is str" for part in parts)
    plain = parts[0] if len(parts) == 1 else whole
    return f"{lines}  k = {plain} if {texts} else whole({whole})\n"
