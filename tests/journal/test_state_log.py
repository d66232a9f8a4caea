"""Records of `_summit.state` and `_summit.exchange`: there and back, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt
from summit.client.types import ConsumerRecord
from summit.journal.exchange_log import (
    FRAME_BYTES_MAX,
    NO_TIME,
    Told,
    decode_frame,
    encode_frames,
)
from summit.journal.state_log import (
    STATE_PARTITIONS,
    Acts,
    Copy,
    KeyState,
    Restored,
    acts_record,
    moved_state,
    standing_record,
    state_partition,
    state_record,
    time_record,
    wait_record,
)
from summit.keyed.keygroups import KEY_GROUPS, key_group
from summit.keyed.keys import make_key
from summit.keyed.outputs import Remote, StateKey
from summit.keyed.waiting import WaitKey

ALL = range(KEY_GROUPS)
LOG = ("_summit.definitions", 0)
values = st.one_of(st.text(), st.booleans(), st.integers(-(2**53), 2**53))
keys = st.lists(values, min_size=0, max_size=3).map(make_key).filter(lambda key: key is not None)


def record(key: bytes, value: bytes | None, partition: int = 0) -> ConsumerRecord:
    return ConsumerRecord(
        topic="_summit.state", partition=partition, offset=0, timestamp=0, key=key, value=value
    )


@given(st.lists(st.tuples(keys, st.one_of(st.none(), st.binary()))))
def test_what_was_said_last_of_a_key_is_its_state(said: list[tuple[Any, bytes | None]]) -> None:
    restored = Restored()
    last: dict[StateKey, KeyState] = {}
    for key, data in said:
        name = StateKey("rule", key)
        restored.take([record(*state_record(name, 1, data))])
        if data is None:
            last.pop(name, None)
        else:
            last[name] = KeyState(1, data)
    assert restored.content(ALL) == (last, {}, {}, {}, {})
    assert restored.records == len(said)
    group = key_group(said[0][0]) if said else 0
    assert restored.content({group}).states == {
        key: state for key, state in last.items() if key_group(key.key) == group
    }


def test_times_of_inputs_and_partitions_of_groups() -> None:
    restored = Restored()
    for time_ms in (7, -3, 1_700_000_000_000):
        restored.take([record(*time_record("a/b", 3, time_ms))])
    assert restored.content(ALL) == ({}, {("a/b", 3): 1_700_000_000_000}, {}, {}, {})
    assert {state_partition(group) for group in ALL} == set(range(STATE_PARTITIONS))


def test_events_that_wait_belong_to_their_group() -> None:
    restored = Restored()
    name, other = WaitKey(3, "a/b", 1, 70), WaitKey(4, "a/b", 1, 70)
    restored.take([record(*wait_record(each, b"x")) for each in (name, other)])
    assert restored.content({3}).waits == {name: b"x"}
    assert restored.content(ALL).waits == {name: b"x", other: b"x"}
    restored.take([record(*wait_record(name, None))])
    assert restored.content(ALL).waits == {other: b"x"}
    moved = moved_state(
        *wait_record(name, None), lambda _t, _p, offset, _s: (offset - 60, None), LOG
    )
    assert moved == wait_record(name._replace(offset=10), None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b'["wait",1,2]', b"x"), (b'["wait","g","t",0,0]', b"x"),
        (b"", b"x"), (b"[]", b"x"), (b'["run","r",["a"]]', b""), (b'["run","r",[[1]]]', b"\x01x"),
        (b'["time","t",0]', b"noon"), (b'["else","t",0]', b"1"), (b"\xff", b"1"),
    ],
)  # fmt: skip
def test_a_record_that_is_none_of_ours_is_named(key: bytes, value: bytes) -> None:
    restored = Restored()
    restored.take([record(key, value)])
    with pytest.raises(Corrupt) as caught:
        restored.content(ALL)
    assert caught.value.code == "journal.state"


def event(offset: int, topic: str = "t", size: int = 2, **members: Any) -> Remote:
    row = {"partition": 1, "timestamp_ms": 5, "taken_ms": 6, "key": b"k", "headers": None}
    return Remote(group=3, topic=topic, offset=offset, value=b"x" * size, **{**row, **members})


def test_a_frame_comes_out_as_it_went_in() -> None:
    headers = [["summit.src", b"file:x"], ["none", None]]
    events = [event(1), event(4, headers=headers, key=None), event(9, "u"), event(10)]
    told = {("t", 1): Told(11, 99, 140, is_idle=True), ("u", 1): Told(10, NO_TIME)}
    (value,) = encode_frames(events, told, 7)
    frame = decode_frame(value)
    assert (frame.definitions, frame.told) == (7, told)
    (one, taken), (two, _), (three, _) = frame.chunks
    assert (one.topic, one.partition, one.offsets, taken) == ("t", 1, [1, 4], [6, 6])
    assert (one.keys, one.headers) == ([b"k", None], [[], headers])
    assert (two.topic, two.offsets, three.offsets) == ("u", [9], [10])
    assert (frame.acting, frame.ready) == (7, [])
    (value,) = encode_frames([], {}, 9, acting=7, ready=[3, 5])  # while rules change
    frame = decode_frame(value)
    assert (frame.definitions, frame.acting, frame.ready) == (9, 7, [3, 5])
    assert encode_frames([], {}, 7) == []


def test_a_frame_fits_into_a_record_and_what_is_told_comes_last() -> None:
    events = [event(n, size=150_000) for n in range(7)]
    frames = [decode_frame(value) for value in encode_frames(events, {("t", 1): Told(7, 9)}, 0)]
    assert [sum(len(c.offsets) for c, _ in frame.chunks) for frame in frames] == [2, 2, 2, 1]
    assert [bool(frame.told) for frame in frames] == [False, False, False, True]
    assert FRAME_BYTES_MAX < 500_000
    mixed = [event(0, size=390_000), event(1, size=700_000), event(2, size=10)]
    frames = [decode_frame(value) for value in encode_frames(mixed, {}, 0)]
    assert [sum(len(c.offsets) for c, _ in frame.chunks) for frame in frames] == [1, 1, 1]


@pytest.mark.parametrize(
    "value", [b"", b"x", msgspec.msgpack.encode([2, 0, [], []]), msgspec.msgpack.encode([1, 0])]
)
def test_another_frame_is_refused(value: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        decode_frame(value)
    assert caught.value.code == "exchange.frame"


def test_what_stands_for_alerts_of_a_key_is_kept_beside_its_state() -> None:
    restored = Restored()
    for data in (b"old", b"{}"):
        restored.take([record(*standing_record("rule", "k", data))])
    restored.take([record(*standing_record("rule", ("x", (1, "number")), b"{1}"))])
    restored.take([record(*standing_record("rule", "gone", b"{}"))])
    restored.take([record(*standing_record("rule", "gone", None))])
    kept = {StateKey("rule", "k"): b"{}", StateKey("rule", ("x", (1, "number"))): b"{1}"}
    assert restored.content(ALL) == ({}, {}, {}, kept, {})
    assert restored.content(()) == ({}, {}, {}, {}, {})


def test_by_which_definitions_a_key_group_was_made() -> None:
    acts = Acts(7, 12)
    name, value = acts_record(5, acts)
    restored, copy = Restored(), Copy()
    restored.take([record(name, value)])
    copy.put(name, value)
    for content in (restored.content({5}), copy.content({5})):
        assert content.acts == {5: acts}
    assert restored.content({4}).acts == {}

    def move(topic: str, partition: int, offset: int, _: str | None) -> tuple[int, None]:
        assert (topic, partition) == LOG
        return offset + 100, None

    assert moved_state(name, value, move, LOG) == acts_record(5, Acts(107, 112))
    copy.put(name, None)
    assert copy.content({5}).acts == {}
    with pytest.raises(Corrupt):
        copy.put(name, b"seven")
