"""What becomes of records that a topic refuses."""

from __future__ import annotations

from itertools import pairwise

import pytest

from summit.base.errors import Invalid
from summit.client.transactor import Outgoing
from summit.flow.outputs import Outputs
from summit.flow.runtime import Cut
from summit.journal.state_log import state_record
from summit.journal.topics import ALERTS_TOPIC, CALLS_TOPIC, CORRELATIONS_TOPIC, RESULTS_TOPIC
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import StateKey

ALL = frozenset(range(KEY_GROUPS))


def outputs(*records: Outgoing) -> Outputs:
    return Outputs(Cut([], [*records], {}, {}, {}, {}, {}, {}, 0, {}), ALL, [])


@pytest.mark.parametrize("topic", [ALERTS_TOPIC, CALLS_TOPIC, CORRELATIONS_TOPIC, RESULTS_TOPIC])
def test_what_is_denied_in_a_topic_of_the_workers_waits(topic: str) -> None:
    made = outputs(Outgoing(topic, b"k", b"v"), Outgoing("theirs", b"k", b"v"))
    assert not made.blame(Invalid("client.refused", reason="", denied=topic, indexes=[0]))
    assert len(made.watched) == 2
    assert not made.undeliverable
    assert made.blame(Invalid("client.refused", reason="", denied="theirs", indexes=[1]))
    assert [record.topic for record in made.watched] == [topic]
    assert made.undeliverable == {"theirs": 1}


def test_nothing_is_dropped_for_a_topic_that_is_not_there() -> None:
    made = outputs(Outgoing("theirs", b"k", b"v"))
    assert not made.blame(Invalid("topic.unknown", topic="theirs", indexes=[0]))
    assert len(made.watched) == 1


def test_of_many_parts_that_are_too_large_all_are_taken_apart_at_once() -> None:
    """Each try costs a new producer: they are few, however much there is."""
    made = outputs(*(Outgoing("small", b"k", b"v") for _ in range(1_000)), Outgoing("b", b"k", b""))
    fits, tries = 3, 0
    while True:
        begins = [0, *sorted(made.apart), len(made.watched)]
        parts = [range(a, b) for a, b in pairwise(begins)]
        large = next((part for part in parts if len(part) > fits), None)
        if large is None:
            break
        suspects = [index for index in large if index < 1_000]
        assert made.blame(Invalid("record.too_large", topic="small", reason="", suspects=suspects))
        tries += 1
    assert tries <= 20
    assert len(made.watched) == 1_001


def test_whose_state_is_the_largest() -> None:
    small = state_record(StateKey("one/0f", ("a",)), 1, b"x")
    large = state_record(StateKey("two/0f", ("b",)), 1, b"x" * 99)
    cut = Cut([], [], {}, {}, {3: [small], 5: [large]}, {}, {}, {}, 0, {})
    found = Outputs(cut, ALL, []).largest_state
    assert found == "the largest state is that of rule 'two' in key group 5, 100 bytes"
    assert not outputs().largest_state
