"""What is added to records and translated in them, and their checksum."""

from __future__ import annotations

import pytest

from summit.alerts import Alert, Evidence, decode_alert, encode_alert, log_coordinate
from summit.client import ConsumerRecord, Headers, TopicPartition
from summit.journal.progress_record import ProgressRecord
from summit.migration.offset_map import OffsetMap
from summit.migration.records import (
    NO_DIGEST,
    Moved,
    as_it_is,
    chained,
    translate_progress,
    with_evidence,
    with_source,
)


def record(offset: int = 7, **members: object) -> ConsumerRecord:
    values = {"timestamp": 5, "key": b"k", "value": b"v", **members}
    return ConsumerRecord(topic="t", partition=1, offset=offset, **values)  # type: ignore[arg-type]


def shifted(source: int, count: int = 100) -> OffsetMap:
    """A partition whose first kept offset is `source`."""
    return OffsetMap([(source, 0)], count)


def test_a_record_says_where_it_stood_unless_it_says_something() -> None:
    moved = with_source("Qm9-x_1")(record(headers=Headers([("a", b"1"), ("a", None)])))
    assert moved.headers == (("a", b"1"), ("a", None), ("summit.src", b"log:Qm9-x_1:1:7"))
    own = Headers([("summit.src", b"file:x:1:0")])
    assert with_source("id")(record(headers=own)).headers == own.pairs


def test_evidence_names_the_new_places_and_the_old_ones() -> None:
    evidence = [
        Evidence(step="s", topic="t", partition=1, offset=12, timestamp=1),
        Evidence(step="s", topic="t", partition=1, offset=13, timestamp=1, src="file:x:1:0"),
        Evidence(step="s", topic="gone", partition=0, offset=3, timestamp=1),
    ]
    alert = Alert(
        id="a", timestamp=1, severity="high", title="", description="", events=[],
        evidence=evidence,
    )  # fmt: skip
    change = with_evidence({TopicPartition("t", 1): shifted(10)}, {"t": "id"})
    found = decode_alert(change(record(value=encode_alert(alert))).value or b"")
    assert [(e.offset, e.src) for e in found.evidence] == [
        (2, log_coordinate("id", 1, 12)), (3, "file:x:1:0"), (3, None),
    ]  # fmt: skip
    assert found.id == "a"
    assert change(record(value=b"no alert")) == as_it_is(record(value=b"no alert"))


def test_progress_in_the_offsets_of_the_target() -> None:
    progress = ProgressRecord(
        worker="w", positions={"t/1": 15, "gone/0": 3}, alerts={"0": 9}, definitions=4,
        low={"t/1": (12, 99)}, alerts_low={"0": 8}, activations=[(2, {}), (4, {"t/1": 11})],
    )  # fmt: skip
    maps = {
        TopicPartition("t", 1): shifted(10),
        TopicPartition("alerts", 0): shifted(6),
        TopicPartition("_summit.definitions", 0): shifted(1),
    }
    found = translate_progress(progress, maps)
    assert (found.positions, found.alerts, found.definitions) == ({"t/1": 5}, {"0": 3}, 3)
    assert (found.low, found.alerts_low) == ({"t/1": (2, 99)}, {"0": 2})
    assert found.activations == [(1, {}), (3, {"t/1": 1})]


@pytest.mark.parametrize(
    "other",
    [
        Moved(b"k", b"w", (), 5), Moved(None, b"kv", (), 5), Moved(b"kv", None, (), 5),
        Moved(b"kv", b"", (), 5), Moved(b"k", b"v", (), 6), Moved(b"k", b"v", (("", b""),), 5),
        Moved(b"k", b"v", (("", None),), 5),
    ],
)  # fmt: skip
def test_the_checksum_sees_every_part(other: Moved) -> None:
    one = Moved(b"k", b"v", (), 5)
    assert chained(NO_DIGEST, one) != chained(NO_DIGEST, other)
    both = chained(chained(NO_DIGEST, one), other)
    assert both != chained(chained(NO_DIGEST, other), one)
