"""`_summit.time`: what workers let the clock decide, so that the past can be read again. Pure.

An input that is silent holds time back only until the clock speaks for it, which no record of the
input says. So a worker that lets the clock speak writes, in the transaction with what came of it:

    {"definitions": 17, "positions": {"auth/0": 4711, "auth/1": 12},
     "clocks": {"auth/1": [1700000000000, false]}}

Everything below these positions was seen; then time went on in the inputs of `clocks` to so many
milliseconds, and those that are idle (true) held nothing back. The others held time as their events
say. With `"ends": true` time ran out, because the input had an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from summit.base.errors import Corrupt
from summit.journal.progress_record import Positions, moved_positions
from summit.keyed.captured import Move


class TimeMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record; see the module.

    Attributes:
        definitions: Everything below this offset of the definitions acted.
    """

    definitions: int
    positions: Positions
    clocks: Mapping[str, tuple[int, bool]] = {}
    ends: bool = False


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(TimeMark)


def encode_time(mark: TimeMark) -> bytes:
    """The value of a record."""
    return _ENCODER.encode(mark)


def decode_time(value: bytes) -> TimeMark:
    """The mark of a value. Raises Corrupt("journal.time")."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Corrupt("journal.time", reason=str(error)) from error


def moved_time(value: bytes, move: Move, definitions: tuple[str, int]) -> bytes:
    """The same with the offsets that another cluster has.

    Args:
        definitions: Topic and partition of the definitions.
    Raises: as `decode_time`.
    """
    mark = decode_time(value)
    positions = moved_positions(mark.positions, move)
    at, _ = move(*definitions, mark.definitions, None)
    return encode_time(msgspec.structs.replace(mark, definitions=at, positions=positions))
