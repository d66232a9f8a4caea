"""The hand-tuned Fetch response: records pass through as they are, nothing is copied.

`FetchAnswer` writes what the compiled encoder of `fetch.FETCH` writes (tests compare them) for the
plain case: no preferred replica (-1), no leader hints; aborted transactions are null unless given.
Everything else goes through `frames.encode_response_frame_parts`.

    part      index:i32 error:i16 high:i64 stable:i64 [start:i64] aborted [preferred:i32] records
    response  throttle:i32 [error:i16 session:i32] [ topic [ part tags ] tags ] tags

A topic is its name (str) up to v12 and the 16 bytes of its id (bytes) from v13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from summit.protocol.primitives import Buffer, write_uvarint
from summit.protocol.produce_fast import classic_name, compact_name

FLEXIBLE_FROM: Final = 12

_head_v4 = Struct(">iii").pack  # length, correlation id, throttle
_head_v7 = Struct(">iiihi").pack  # ... error, session id
_head_flexible = Struct(">iiBihi").pack  # ... with the header's tags after the correlation id
_count = Struct(">i").pack
_offset = Struct(">q").pack
_aborted = Struct(">qq").pack
_part_head = Struct(">ihqq").pack

# ..., aborted transactions null (-1, or compact 0), [preferred replica -1], [records length]
_part_v4 = Struct(">ihqqii").pack
_part_v5 = Struct(">ihqqqii").pack
_part_v11 = Struct(">ihqqqiii").pack
_part_flexible = Struct(">ihqqqBi").pack
_empty_flexible = Struct(">ihqqqBiBB").pack  # ... no records, no tags


class FetchAnswer:
    """A Fetch response frame in the making, for a gathering write.

    Topics in the order asked, and the parts of each right after it:

        answer = FetchAnswer(version, topic_count=1)
        answer.begin_topic("prices", part_count=2)
        answer.add(empty_part(version, 0, 0, 10, 10, 0))
        answer.add_records(part_head(version, 1, 0, 10, 10, 0, len(records)), records)
        buffers = answer.finish(correlation_id)

    Attributes:
        add: Takes a whole part, as `empty_part` makes it; bytes may be kept and given again.
    """

    __slots__ = ("_buffers", "_flexible", "_is_first", "_run", "_version", "add")

    def __init__(self, version: int, topic_count: int) -> None:
        self._version = version
        self._flexible = version >= FLEXIBLE_FROM
        self._buffers: list[Buffer] = [b""]  # the head, then small things and records in turn
        self._run = [write_uvarint(topic_count + 1) if self._flexible else _count(topic_count)]
        self._is_first = True
        self.add: Callable[[bytes], None] = self._run.append

    def begin_topic(self, topic: str | bytes, part_count: int) -> None:
        """Go on with a topic; as many parts must follow."""
        if self._flexible:
            if not self._is_first:
                self.add(b"\0")
            self.add(topic if isinstance(topic, bytes) else compact_name(topic))
            self.add(write_uvarint(part_count + 1))
        else:
            assert isinstance(topic, str)
            self.add(classic_name(topic))
            self.add(_count(part_count))
        self._is_first = False

    def add_records(self, head: bytes, records: Buffer | list[Buffer]) -> None:
        """Add a part with records; the very objects given end up among the buffers."""
        run, buffers = self._run, self._buffers
        run.append(head)
        buffers.append(b"".join(run))
        run.clear()
        if isinstance(records, list):
            buffers += records
        else:
            buffers.append(records)
        if self._flexible:
            run.append(b"\0")

    def finish(
        self,
        correlation_id: int,
        *,
        throttle_ms: int = 0,
        error_code: int = 0,
        session_id: int = 0,
    ) -> list[Buffer]:
        """The whole frame in pieces.

        Args:
            correlation_id: Of the request.
            throttle_ms: Throttle time.
            error_code: Of the whole request, from v7.
            session_id: 0 for no session, from v7.
        """
        if self._flexible:
            self.add(b"\0" if self._is_first else b"\0\0")
        buffers = self._buffers
        buffers.append(b"".join(self._run))
        total = sum(map(len, buffers))
        session = (throttle_ms, error_code, session_id)
        if self._flexible:
            buffers[0] = _head_flexible(total + 15, correlation_id, 0, *session)
        elif self._version >= 7:
            buffers[0] = _head_v7(total + 14, correlation_id, *session)
        else:
            buffers[0] = _head_v4(total + 8, correlation_id, throttle_ms)
        return buffers


def empty_part(
    version: int,
    index: int,
    error: int,
    high: int,
    stable: int,
    start: int,
    aborted: Sequence[tuple[int, int]] | None = None,
) -> bytes:
    """A whole part without records; see `part_head`."""
    if version >= FLEXIBLE_FROM and aborted is None:
        return _empty_flexible(index, error, high, stable, start, 0, -1, 1, 0)
    head = part_head(version, index, error, high, stable, start, 0, aborted)
    return head + b"\0" if version >= FLEXIBLE_FROM else head


def part_head(
    version: int,
    index: int,
    error: int,
    high: int,
    stable: int,
    start: int,
    size: int,
    aborted: Sequence[tuple[int, int]] | None = None,
) -> bytes:
    """A part up to its records.

    Args:
        version: 4 to 18.
        index: Of the partition.
        error: Error code.
        high: High watermark.
        stable: Last stable offset.
        start: Log start offset, from v5.
        size: Bytes of the records that follow.
        aborted: (producer id, first offset) of aborted transactions.
    """
    if aborted is not None:
        return _with_aborted(_part_head(index, error, high, stable), version, start, aborted, size)
    if version >= FLEXIBLE_FROM:
        return _part_flexible(index, error, high, stable, start, 0, -1) + write_uvarint(size + 1)
    if version >= 11:
        return _part_v11(index, error, high, stable, start, -1, -1, size)
    if version >= 5:
        return _part_v5(index, error, high, stable, start, -1, size)
    return _part_v4(index, error, high, stable, -1, size)


def _with_aborted(
    head: bytes, version: int, start: int, aborted: Sequence[tuple[int, int]], size: int
) -> bytes:
    out = bytearray(head)
    flexible = version >= FLEXIBLE_FROM
    if version >= 5:
        out += _offset(start)
    out += write_uvarint(len(aborted) + 1) if flexible else _count(len(aborted))
    for entry in aborted:
        out += _aborted(*entry)
        if flexible:
            out += b"\0"
    if version >= 11:
        out += _count(-1)
    out += write_uvarint(size + 1) if flexible else _count(size)
    return bytes(out)
