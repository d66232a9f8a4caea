"""Saved groups of linked events: what is refused, and how they move to another cluster."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cep.correlations import chunks, correlator_of, rule

from summit.base.errors import Corrupt
from summit.cep.linked_state import LINKED_STATE_VERSION, load_linked, move_linked
from summit.journal.state_log import moved_state, run_key, state_record

PLAN = rule(correlationKey=None, linkedBy={"user": "user", "n": "n"}, timeWindow=50)
SENT: list[Any] = [
    (0, 100, "a", {"user": "ann", "n": 1}), (1, 101, "b", {"user": "ann"}),
    (0, 102, "b", {"n": 1.0}),
]  # fmt: skip


def moved(topic: str, partition: int, offset: int, src: str | None) -> tuple[int, str | None]:
    return offset + 1000 * (partition + 1), src


def test_a_group_moves_with_all_places_of_its_events() -> None:
    before = correlator_of([PLAN])
    before.apply(chunks(SENT))
    (key,) = before.state_keys()
    data = before.dump(key)
    name, value = moved_state(
        *state_record(key, LINKED_STATE_VERSION, data), moved, ("_summit.definitions", 0)
    )
    assert value is not None
    assert run_key(name) == key
    after = correlator_of([PLAN])
    assert after.load(key, value[1:], value[0])
    last = chunks([(0, 103, "z", {"user": "ann"})], first=3)
    (group,) = after.apply(last, 10_000).outputs.found
    assert [(e.partition, e.offset) for e in group.events] == [
        (0, 1000), (1, 2001), (0, 1002), (0, 3)
    ]  # fmt: skip
    assert [(one.kind, one.value, one.source[2], one.target[2]) for one in group.links] == [
        ("user", "ann", 1000, 2001), ("n", 1, 1000, 1002), ("user", "ann", 2001, 3)
    ]  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"\x90", b"nonsense", b"\x93\xc4\x00\x90\x90"])
def test_bytes_that_are_no_group_are_refused(data: bytes) -> None:
    for use in (
        lambda: load_linked(("t", 0, 0, 0), data, LINKED_STATE_VERSION),
        lambda: move_linked(data, LINKED_STATE_VERSION, moved),
        lambda: load_linked(("t", 0, 0, 0), data, LINKED_STATE_VERSION + 1),
    ):
        with pytest.raises(Corrupt) as caught:
            use()
        assert caught.value.code == "correlation.state"


def test_a_value_that_brings_too_much_is_a_hub() -> None:
    plan = rule(correlationKey=None, linkedBy={"u": "u", "ip": "ip"}, timeWindow=500,
                hubs={"links": 2})  # fmt: skip
    sent: list[Any] = [(0, 100 + n, "a", {"ip": "gw", "u": f"u{n}"}) for n in range(6)]
    sent += [(0, 110, "a", {"ip": "gw"}), (0, 111, "a", {"u": "u5"})]
    linker = correlator_of([plan])
    found = linker.apply(chunks(sent), 10_000).outputs.found
    closed = {tuple(e.offset for e in one.events): one for one in found if one.close_reason}
    # It keeps what it has, also what bears nothing else, and others go their own ways.
    assert set(closed) == {(0, 1, 2, 6), (3,), (4,), (5, 7)}
    hub = {one.value: one.is_hub for one in closed[0, 1, 2, 6].entities}
    assert hub == {"gw": True, "u0": False, "u1": False, "u2": False}
    assert linker.rule_stats()["correlation:r"]["held_back"] == 3
