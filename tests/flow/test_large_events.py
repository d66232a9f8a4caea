"""Events as large as a record go to other workers, and wait, all the same."""

from __future__ import annotations

import json
import random

import pytest

from summit.base.errors import Corrupt
from summit.base.packing import pack, unpack
from summit.flow.outputs import Outputs
from summit.flow.runtime import Cut
from summit.journal.exchange_log import Told, decode_frame, encode_frames
from summit.journal.topics import EXCHANGE_TOPIC
from summit.keyed.outputs import Remote
from summit.keyed.waiting import load_wait

RECORD_BYTES = 1_048_576


def text(size: int, seed: int = 1) -> bytes:
    """A JSON event of so many bytes that hardly compresses."""
    letters = "".join(map(chr, range(35, 91)))
    filler = "".join(random.Random(seed).choices(letters, k=size - 12))
    return json.dumps({"field": filler}).encode()[: size - 2] + b'"}'


def remote(value: bytes, offset: int = 0) -> Remote:
    return Remote(3, "t", 0, offset, 1, 1, None, value, [["summit.src", b"s"]])


def test_a_frame_holds_an_event_as_large_as_a_record() -> None:
    value = text(RECORD_BYTES - 80)
    told = {(f"topic-{n}", n): Told(n, n) for n in range(500)}
    frames = encode_frames([remote(b"{}"), remote(value, 1)], told, 7)
    assert all(len(frame) < 1_000_000 for frame in frames)
    found = [decode_frame(frame) for frame in frames]
    assert [v for frame in found for chunk, _ in frame.chunks for v in chunk.values] == [
        b"{}",
        value,
    ]
    assert found[-1].told == told


def test_what_no_frame_can_hold_is_counted_and_holds_nobody_up() -> None:
    noise = random.Random(2).randbytes(2 * RECORD_BYTES)
    events = [remote(text(700_000)), remote(noise, 1), remote(b"{}", 2)]
    cut = Cut([], [], {3: events}, {("t", 0): Told(3, 1)}, {}, {"t/0": 3}, {}, {}, 3, {})
    outputs = Outputs(cut, frozenset(range(64)) - {3}, [])
    assert outputs.undeliverable == {EXCHANGE_TOPIC: 1}
    frames = [decode_frame(record.value or b"") for record in outputs.others]
    assert [at for frame in frames for chunk, _ in frame.chunks for at in chunk.offsets] == [0, 2]
    assert frames[-1].told[("t", 0)].offset == 3


def test_long_ones_are_packed_and_found_again() -> None:
    value = text(RECORD_BYTES)
    assert len(pack(value)) < 1_000_000
    assert unpack(pack(value)) == value
    assert pack(b"short") == b"short" == unpack(b"short")
    for damaged in (pack(value)[:-4], b"\x78\x01no"):
        with pytest.raises(ValueError):
            unpack(damaged)
        with pytest.raises(Corrupt):
            decode_frame(damaged)
        with pytest.raises(Corrupt):
            load_wait(damaged)
