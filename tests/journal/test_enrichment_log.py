"""`_summit.enrichments`: what is recorded is found again, at the right places, within bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base import limits
from summit.base.errors import Corrupt
from summit.enrich.enriching import Found
from summit.journal.enrichment_log import (
    UNKNOWN,
    Recorder,
    Recordings,
    decode_recorded,
    moved_recorded,
    recorded_key,
)

PLACE = ("rule", "auth", 0)
founds = st.sampled_from(
    [Found("found", {"n": 1}), Found("found", {"n": 2}), Found("miss"), Found("error", reason="x")]
)


@given(st.lists(st.tuples(st.sampled_from("abc"), founds), max_size=30), st.data())
def test_each_event_finds_what_it_had(asked: list[tuple[str, Found]], data: Any) -> None:
    recorder, recordings = Recorder(), Recordings()
    at = 0
    while at < len(asked):
        size = data.draw(st.integers(1, 5))
        part = asked[at : at + size]
        keys, answers = [key for key, _ in part], [found for _, found in part]
        recorder.note(PLACE, keys, range(at, at + len(part)), answers)
        for value in recorder.take():
            recordings.take(value)
        if data.draw(st.booleans()):
            recorder.forget()  # a worker that begins anew tells it again
        at += size
    for offset, (key, found) in enumerate(asked):
        assert recordings.find(PLACE, [key], [offset]) == [found]
    assert recordings.find(PLACE, ["other"], [5]) == [UNKNOWN]
    assert recordings.find(("rule", "auth", 1), ["a"], [5]) == [UNKNOWN]


def test_only_what_differs_is_written_and_what_was_dropped_is_told_again() -> None:
    recorder = Recorder()
    same = Found("found", {"n": 1}, at_ms=5)
    recorder.note(PLACE, ["a", "a", "b"], [1, 2, 3], [same, same, same])
    (value,) = recorder.take()
    assert [row[:3] for row in decode_recorded(value).rows] == [
        ("a", 1, "found"), ("b", 3, "found"),
    ]  # fmt: skip
    recorder.note(PLACE, ["a"], [4], [same])
    assert recorder.take() == []
    recorder.note(PLACE, ["a"], [5], [same._replace(at_ms=6)])
    recorder.forget()
    assert recorder.take() == []
    recorder.note(PLACE, ["a"], [5], [same])
    assert len(recorder.take()) == 1


def test_what_is_told_twice_after_a_kill_counts_once() -> None:
    recordings = Recordings()
    for offset, n in ((3, 1), (7, 2), (5, 3)):
        recorder = Recorder()
        recorder.note(PLACE, ["a"], [offset], [Found("found", n)])
        recordings.take(recorder.take()[0])
    found = recordings.find(PLACE, ["a"] * 4, [2, 3, 5, 9])
    assert [each.row for each in found] == [None, 1, 3, 3]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.journal.enrichment_log.ENRICHMENT_RECORDED_MAX", 10)
    recorder = Recorder()
    keys = [f"k{n}" for n in range(1_000)]
    row = "x" * 1_000
    recorder.note(PLACE, keys, range(1_000), [Found("found", row)] * 1_000)
    assert len(recorder._told) == 10
    values = recorder.take()
    assert len(values) > 1
    assert max(map(len, values)) < limits.DEAD_LETTER_BYTES_MAX
    assert sum(len(decode_recorded(value).rows) for value in values) == 1_000


def test_a_move_keeps_the_places() -> None:
    recorder = Recorder()
    recorder.note(PLACE, ["a"], [10], [Found("found", 1)])
    (value,) = recorder.take()
    moved = moved_recorded(value, lambda topic, partition, offset, src: (offset - 7, src))
    assert decode_recorded(moved).rows == [("a", 3, "found", 1, "", None)]
    with pytest.raises(Corrupt):
        decode_recorded(b"{")


def test_keys() -> None:
    assert recorded_key("7", whole_event=False) != recorded_key(7, whole_event=False)
    assert recorded_key({"b": 1, "a": 2}, whole_event=False) == '{"a":2,"b":1}'
    assert recorded_key({"b": 1}, whole_event=True) == ""


def test_a_row_that_no_record_can_hold_is_an_error() -> None:
    recorder, recordings = Recorder(), Recordings()
    long = Found("found", "x" * limits.ENRICHMENT_ROW_BYTES_MAX)
    (taken,) = recorder.note(PLACE, ["a"], [1], [long])
    assert taken.status == "error"
    for value in recorder.take():
        recordings.take(value)
    assert recordings.find(PLACE, ["a"], [1]) == [taken]
