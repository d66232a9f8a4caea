"""What `CEPEngine.snapshot` gives: all that an engine remembers, without its patterns.

MessagePack list:

    [version 1,
     offset of the next event, {topic: the same of events by which patterns start others},
     [[topic, partition, largest event time], ...],
     [[state id, key as text, version of the state, state], ...],
     [[rule, key as text, alerts that stand for others], ...],
     [[offset, time of arrival, event], ...] the buffer]
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.flow.engine import Engine
from summit.keyed.keys import key_text, parse_key
from summit.keyed.outputs import StateKey

_VERSION: Final = 1
Buffered = tuple[int, int, bytes]  # offset, time of arrival, value

_Rows = tuple[
    int, int, dict[str, int], list[tuple[str, int, int]], list[tuple[str, str, int, bytes]],
    list[tuple[str, str, bytes]], list[Buffered],
]  # fmt: skip
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rows).decode


class Remembered(NamedTuple):
    """What is kept beside the engine."""

    next_offset: int
    offsets: dict[str, int]
    buffer: list[Buffered]


def dump_engine(engine: Engine, beside: Remembered) -> bytes:
    """Everything as bytes."""
    processor, suppressor = engine.processor, engine.suppressor
    times = [(*place, time_ms) for place, time_ms in sorted(processor.watermarks().items())]
    states = [
        (key.rule, key_text(key.key), processor.state_version(key), data)
        for key in processor.state_keys()
        if (data := processor.dump(key)) is not None
    ]
    standing = [
        (rule, key_text(key), data)
        for rule, key in suppressor.names()
        if (data := suppressor.dump(rule, key)) is not None
    ]
    rows = (
        _VERSION, beside.next_offset, beside.offsets, times, states, standing, beside.buffer
    )  # fmt: skip
    return _encode(rows)


def load_engine(engine: Engine, data: bytes) -> tuple[Remembered, int]:
    """Put everything into an engine that has its rules and has seen nothing.

    Returns: What is kept beside it, and how many keys belong to rules that it has not.
    Raises: Corrupt("pattern.state", "alert.suppressed").
    """
    version, next_offset, offsets, times, states, standing, buffer = _read(data)
    if version != _VERSION:
        reason = f"the snapshot is of version {version}, and version {_VERSION} is known here"
        raise Corrupt("pattern.state", reason=reason)
    processor = engine.processor
    processor.set_watermarks({(topic, partition): at for topic, partition, at in times})
    left = 0
    for state_id, key, state_version, state in states:
        name = StateKey(state_id, parse_key(key))
        left += not processor.load(name, state, state_version)
    rules = {plan.id for plan in engine.plans}
    for rule, key, held in standing:
        if rule in rules:
            engine.suppressor.load(rule, parse_key(key), held)
    return Remembered(next_offset, offsets, buffer), left


def _read(data: bytes) -> _Rows:
    try:
        rows: _Rows = _decode(data)
    except msgspec.MsgspecError as error:
        raise Corrupt("pattern.state", reason=f"no snapshot: {error}") from error
    return rows
