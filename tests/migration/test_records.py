"""What is added to records and translated in them, and their checksum."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.cep.correlations import chunks, correlator_of
from tests.cep.correlations import rule as correlation_rule
from tests.cep.plans import by_time
from tests.flow.world import failure, five_failures

from summit.alerts import Alert, Evidence, decode_alert, encode_alert, log_coordinate
from summit.cep.late_state import LATE_STATE_VERSION, load_late
from summit.cep.rules import compile_rules
from summit.cep.state import STATE_VERSION
from summit.client import ConsumerRecord, Headers, TopicPartition
from summit.documents import validate_pattern
from summit.flow.engine import Engine
from summit.journal.correlation_log import (
    CorrelatedEvent,
    CorrelatedGroup,
    correlation_record,
    decode_group,
)
from summit.journal.exchange_log import Told, decode_frame, encode_frames
from summit.journal.state_log import state_record, time_record, wait_record
from summit.keyed.captured import Origins
from summit.keyed.chunks import Chunk, source_of
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import Remote
from summit.keyed.processor import Processor
from summit.keyed.waiting import load_wait
from summit.migration.offset_map import OffsetMap
from summit.migration.records import (
    NO_DIGEST,
    Moved,
    as_it_is,
    chained,
    with_evidence,
    with_groups,
    with_places,
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


def test_groups_name_the_new_places() -> None:
    plan = correlation_rule(correlationKey=None, linkedBy={"user": "user"}, timeWindow=50)
    sent = [(1, 100 + n, "a", {"user": "ann"}) for n in range(2)]
    found = correlator_of([plan]).apply(chunks(sent, first=12), 10_000).outputs.found
    key, value = correlation_record(plan, found[-1], str)
    change = with_groups({TopicPartition("t", 1): shifted(10)}, {"t": "id"}, "topic-id")
    moved = change(record(key=key, value=value))
    before, after = decode_group(value), decode_group(moved.value or b"")
    assert ([e.offset for e in before.events], [e.offset for e in after.events]) == (
        [12, 13], [2, 3]
    )  # fmt: skip
    assert isinstance(after.links, list)
    assert [(link.source.offset, link.target.offset) for link in after.links] == [(2, 3)]
    assert (after.id, moved.key) == (before.id, key)
    assert dict(moved.headers)["summit.src"] == b"log:topic-id:1:7"
    for other in (None, b"no group"):
        assert change(record(value=other)).value == other


def test_frames_and_states_name_the_places_of_the_target() -> None:
    maps = {TopicPartition("t", 1): shifted(10)}
    events = [
        Remote(0, "t", 1, 12, 5, 6, b"k", b"{}", None),
        Remote(0, "t", 1, 13, 5, 6, None, b"{}", [("summit.src", b"file:x:1:0")]),
        Remote(0, "gone", 0, 3, 5, 6, None, b"{}", None),
    ]
    (frame,) = encode_frames(events, {("t", 1): Told(14, 99, 120), ("gone", 0): Told(4, 9)}, 7)
    change = with_places(maps, {"t": "id"}, "_summit.exchange")
    found = decode_frame(change(record(value=frame)).value or b"")
    (one, taken), (gone, _) = found.chunks
    assert (one.offsets, taken, gone.offsets) == ([2, 3], [6, 6], [3])
    assert [source_of(headers) for headers in one.headers or ()] == [
        log_coordinate("id", 1, 12), "file:x:1:0",
    ]  # fmt: skip
    assert found.told == {("t", 1): Told(4, 99, 120), ("gone", 0): Told(4, 9)}
    assert found.definitions == 7

    engine = Engine()
    engine.set_rules([validate_pattern(five_failures()).plan])
    values = [json.dumps(failure(n)).encode() for n in range(2)]
    applied = engine.apply([Chunk("t", 1, [12, 13], [-1, -1], values)])
    (key,) = applied.dirty
    name, state = state_record(key, STATE_VERSION, engine.processor.dump(key))
    change = with_places(maps, {"t": "id"}, "_summit.state")
    moved = change(record(key=name, value=state)).value or b""
    other = Engine()
    other.set_rules([validate_pattern(five_failures()).plan])
    other.processor.load(key, moved[1:], moved[0])
    values = [json.dumps(failure(n)).encode() for n in range(2, 5)]
    (made,) = other.apply([Chunk("t", 1, [4, 5, 6], [-1] * 3, values)]).made
    assert [(e.offset, e.src) for e in made.alert.evidence] == [
        (2, log_coordinate("id", 1, 12)), (3, log_coordinate("id", 1, 13)),
        (4, None), (5, None), (6, None),
    ]  # fmt: skip
    name, value = time_record("t", 1, 5)
    assert change(record(key=name, value=value)).value == value
    assert change(record(key=b'["run","r",["a"]]', value=None)).value is None

    first = [json.dumps(failure(0)).encode()]
    matcher = Processor(compile_rules([validate_pattern(five_failures()).plan], [by_time(1_000)]))
    matcher.hold(range(KEY_GROUPS))
    (wait,) = matcher.apply([Chunk("t", 1, [12], [-1], first)]).waits
    name, value = wait_record(wait, matcher.dump_wait(wait))
    moved_wait = change(record(key=name, value=value))
    assert moved_wait.key == wait_record(wait._replace(offset=2), None)[0]
    saved = load_wait(moved_wait.value or b"")
    assert (saved.value, source_of(saved.headers)) == (first[0], log_coordinate("id", 1, 12))
    gone = change(record(key=name, value=None))
    assert (gone.key, gone.value) == (moved_wait.key, None)


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


def test_correlated_groups_name_the_new_places() -> None:
    group = CorrelatedGroup(
        "id", "correlation", 9, "c", "c", ["k"], 2, 1, 9, "window", True,
        [CorrelatedEvent("t", 1, 12, 1), CorrelatedEvent("gone", 0, 3, 9, {"a": 1})],
    )  # fmt: skip
    maps = {TopicPartition("t", 1): shifted(10)}
    change = with_places(maps, {"t": "Qm9"}, "correlations")
    moved = decode_group(change(record(value=msgspec.json.encode(group))).value or b"")
    assert [(each.topic, each.offset) for each in moved.events] == [("t", 2), ("gone", 3)]
    assert moved.events[1].event == {"a": 1}
    assert change(record(value=b"{}")).value == b"{}"  # not ours
    assert change(record(value=None)).value is None


def test_what_is_kept_for_late_events_moves_too() -> None:
    document = {
        "id": "p", "groupBy": ["user"], "allowedLateness": "1m", "where": "eventType == 'a'",
        "window": {"type": "tumbling", "size": 1000}, "having": "count() > 0",
        "action": {"type": "alert"},
    }  # fmt: skip
    rules = compile_rules([validate_pattern(document).plan], [by_time(0)])
    processor = Processor(rules)
    values = [
        json.dumps({"eventType": "a", "timestamp": at, "user": "u"}).encode()
        for at in (1, 2, 5_000)
    ]
    processor.apply([Chunk("t", 1, [12, 13, 14], [9_000] * 3, values)])
    (key,) = processor.state_keys()
    data = processor.dump(key)
    name, value = state_record(key, processor.state_version(key), data)
    change = with_places({TopicPartition("t", 1): shifted(10)}, {"t": "Qm9"}, "_summit.state")
    moved = change(record(key=name, value=value)).value
    assert moved is not None
    assert moved[0] == LATE_STATE_VERSION
    _, _, kept = load_late(moved[1:], Origins())
    assert kept is not None
    assert [row.event.offset for row in kept.rows] == [2, 3]
    assert kept.rows[0].event.src == "log:Qm9:1:12"
    (said,) = kept.told.values()
    assert [ref.offset for _, ref in said.match.captures] == [2, 3]
