"""The two ways generated code reads an event: a parsed `Event`, or a typed struct.

`EventLayout` reads any field of an `Event`. `TypedLayout` is for the hot path: it makes one
msgspec struct that holds only the fields that a set of rules needs, so that decoding skips all
others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Path, StepAggregate, StepField


class EventLayout:
    """Fields of `summit.events.event.Event`; `e` is an Event.

    Step references are read by `r.reference(node)`.
    """

    def field_code(self, path: Path, names: Names) -> str:
        raise NotImplementedError

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        raise NotImplementedError


class TypedLayout:
    """Fields of a struct made for `fields`; `e` is what `decode` returns.

    A subclass may override `reference_code` to read the run in its own way.

    Attributes:
        transport: Whether some field may come from the record around the event (key, topic,
            partition, offset, headers, timestamp). If so, set `e.t` to an object with these
            attributes (`Transport`) after decoding; it is None after `decode`.
    """

    transport: bool

    def __init__(self, fields: Iterable[Path]) -> None:
        raise NotImplementedError

    def decode(self, value: bytes) -> Any:
        """Decode one JSON event.

        Raises: one of `DECODE_ERRORS`; then `parse_event` gives the exact reason.
        """
        raise NotImplementedError

    def field_code(self, path: Path, names: Names) -> str:
        raise NotImplementedError

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        raise NotImplementedError
