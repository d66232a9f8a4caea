"""What is written of backfills and of the clock's decisions, read again and moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt
from summit.client.transactor import Outgoing
from summit.client.types import ConsumerRecord
from summit.journal.backfill_log import (
    BackfillMark,
    BackfillMarks,
    BackfillStates,
    mark_record,
    state_records,
)
from summit.journal.state_log import state_record
from summit.journal.time_log import TimeMark, decode_time, encode_time, moved_time
from summit.keyed.outputs import StateKey

_NAMES = st.sampled_from(["a/0", "a/1", "b.c/0"])


def as_read(record: Outgoing) -> ConsumerRecord:
    return ConsumerRecord(record.topic, record.partition, 0, 0, record.key, record.value)


@given(
    st.integers(0, 99),
    st.dictionaries(_NAMES, st.integers(0, 99)),
    st.dictionaries(_NAMES, st.tuples(st.integers(), st.booleans())),
    st.booleans(),
)
def test_a_mark_of_time_is_read_and_moved(
    definitions: int, positions: dict[str, int], clocks: dict[str, tuple[int, bool]], ends: bool
) -> None:
    mark = TimeMark(definitions, positions, clocks, ends)
    assert decode_time(encode_time(mark)) == mark

    def move(topic: str, partition: int, offset: int, src: str | None) -> tuple[int, str | None]:
        return offset + 1_000 * (topic == "a") + partition, src

    moved = decode_time(moved_time(encode_time(mark), move, ("a", 7)))
    assert (moved.clocks, moved.ends, moved.definitions) == (clocks, ends, definitions + 1_007)
    shift = {"a/0": 1_000, "a/1": 1_001, "b.c/0": 0}
    assert moved.positions == {name: at + shift[name] for name, at in positions.items()}


def test_the_last_word_about_a_backfill_counts() -> None:
    marks, states = BackfillMarks(), BackfillStates("r@1")
    key, other = StateKey("s", "k"), StateKey("s", "l")
    first, second = (BackfillMark(state_id="s", positions={"a/0": n}) for n in (1, 2))
    marks.take(map(as_read, [mark_record("r@1", first), mark_record("r@2", first)]))
    marks.take([as_read(mark_record("r@1", second)), as_read(mark_record("r@2", None))])
    assert marks.marks == {"r@1": second}
    rows = [
        state_record(key, 1, b"one"),
        state_record(other, 1, b"x"),
        state_record(other, 1, None),
    ]
    states.take(map(as_read, [*state_records("r@1", rows), *state_records("r@2", rows)]))
    assert {name: (s.version, s.data) for name, s in states.content().states.items()} == {
        key: (1, b"one")
    }
    states.take(map(as_read, states.gone()))
    assert not states.content().states


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'{"definitions": "x", "positions": {}}'])
def test_what_nobody_of_ours_wrote_is_refused(value: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_time(value)
    with pytest.raises(Corrupt):
        BackfillMarks().take([ConsumerRecord("t", 0, 0, 0, b'["r@1"]', value)])
    with pytest.raises(Corrupt):
        BackfillStates("r@1").take([ConsumerRecord("t", 1, 0, 0, value, b"")])
