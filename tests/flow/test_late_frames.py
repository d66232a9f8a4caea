"""Events that are too late for a rule whose keys another worker holds: counted, and put aside."""

from __future__ import annotations

from typing import Any

import msgspec

from summit.base.clock import SystemClock
from summit.client.dead_letters import DeadLetter
from summit.documents import validate_query
from summit.documents.stream import StreamPlan
from summit.flow.aside import Aside
from summit.flow.metrics import WorkerMetrics
from summit.flow.runtime import Runtime
from summit.journal.exchange_log import Told, decode_frame, encode_frames
from summit.journal.state_log import Content
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import key_group

T0 = 1_700_000_000_000
QUERY: dict[str, Any] = {
    "id": "q", "groupBy": ["user"], "window": {"type": "tumbling", "size": 1_000},
    "metrics": [{"name": "n", "function": "count"}],
}  # fmt: skip


def chunk(*times: int, first: int = 0) -> Chunk:
    values = [msgspec.json.encode({"timestamp": T0 + at, "user": "u"}) for at in times]
    offsets = range(first, first + len(values))
    headers = [[("h", b"1")] for _ in values]
    return Chunk("t", 0, offsets, [T0 + 10**6] * len(values), values, headers, [b"k"] * len(values))


def test_a_late_event_of_a_frame_has_a_letter_and_is_counted() -> None:
    reader, holder = Runtime(), Runtime()
    plan, group = validate_query(QUERY).plan, key_group("u")
    for runtime in (reader, holder):
        runtime.set_rules([plan], [], ())
    reader.hold({}, Content({}, {}, {}, {}, {}))
    holder.hold({group: 0}, Content({}, {}, {}, {}, {}))
    reader.begin("t/0", 0)
    applied = reader.take([chunk(0, 500, 5_000, 100)])
    assert not applied.late  # who reads it cannot know
    told = {("t", 0): Told(4, T0 + 5_000)}
    (data,) = encode_frames(applied.remote, told, 0)
    frame = decode_frame(data)
    late = holder.take_frame(group, 0, frame)
    holder.advance()
    late += holder.take_frame(group, 1, frame_of(reader, chunk(200, first=4)))
    assert [each.offset for each in late] == [4]
    assert late[0].rule == "query:q"

    metrics = WorkerMetrics(SystemClock())
    aside = Aside(SystemClock(), metrics)
    chunks = [one for one, _ in frame_of(reader, chunk(200, first=4)).chunks]
    aside.put_late(late, chunks, lambda _: StreamPlan())
    assert metrics.late == 1
    (letter,) = aside.take()
    assert letter.topic == "_summit.late"
    found = DeadLetter.decode(letter.value or b"")
    assert (found.topic, found.offset, found.key) == ("t", 4, b"k")
    assert found.error.rule == "query:q"


def frame_of(reader: Runtime, one: Chunk) -> Any:
    applied = reader.take([one])
    (data,) = encode_frames(applied.remote, {}, 0)
    return decode_frame(data)
