"""What a worker tells at the log level debug: what came in, of which types, and what became of it.

No value of an event is told but its type; `summit rules explain` says why a rule did not match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from summit.base.logs import get_logger, is_debugging
from summit.flow.engine import Applied
from summit.keyed.chunks import Chunk

_TYPES_MAX: Final = 20
_TYPE_CHARS: Final = 100


class _Typed(msgspec.Struct):
    type_: str | None = msgspec.field(default=None, name="eventType")


_DECODER: Final = msgspec.json.Decoder(_Typed)


def tell_batch(chunks: Sequence[Chunk], applied: Applied) -> None:
    """Tell of a batch, a line for each partition; nothing where nobody listens."""
    if not is_debugging():
        return
    for chunk in chunks:
        if chunk.offsets:
            get_logger(__name__).debug(
                "batch.records", topic=chunk.topic, partition=chunk.partition,
                first=chunk.offsets[0], last=chunk.offsets[-1], records=len(chunk.offsets),
                types=event_types(chunk.values),
            )  # fmt: skip
    get_logger(__name__).debug(
        "batch.processed", records=sum(len(chunk.offsets) for chunk in chunks),
        made=bool(applied.made), late=len(applied.late),
        rejected=[each.code for each in applied.rejected][:_TYPES_MAX],
    )  # fmt: skip


def event_types(values: Iterable[bytes | None]) -> dict[str, int]:
    """How many records there are of each `eventType`; the most frequent ones.

    >>> event_types([b'{"eventType": "a"}', b'{"eventType": "a"}', b"{}", b"x", None])
    {'a': 2, '(none)': 1, '(not readable)': 1, '(no value)': 1}
    """
    found: Counter[str] = Counter()
    for value in values:
        found[_type_of(value)] += 1
    return dict(found.most_common(_TYPES_MAX))


def _type_of(value: bytes | None) -> str:
    if value is None:
        return "(no value)"
    try:
        return (_DECODER.decode(value).type_ or "(none)")[:_TYPE_CHARS]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "(not readable)"
