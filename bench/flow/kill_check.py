"""What kill rounds find in the log, read committed, and in what it differs from the reference."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.flow.kill_load import CHAINED, DOCUMENTS, FORWARDED, TOPICS, Expected, Row, expected

from summit.alerts import Alert, decode_alert, log_coordinate
from summit.base.errors import Invalid
from summit.client import ClusterAdmin, ConsumerRecord, LogReader
from summit.documents import validate_correlation, validate_pattern
from summit.flow.engine import Applied, Engine
from summit.journal.correlation_log import CorrelatedGroup, decode_group
from summit.keyed.chunks import Chunk

_WINDOWED = ("hourly", "trailing", "visit")
_APART = (*_WINDOWED, CHAINED)
_SHOWN = 5


@dataclass
class Written:
    """What stands in the topics that workers write to, in no order."""

    alerts: list[Alert] = field(default_factory=list)
    forwarded: list[tuple[str, str]] = field(default_factory=list)  # match, source
    groups: list[CorrelatedGroup] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


async def _read(servers: list[str], topic: str) -> list[ConsumerRecord]:
    """Every committed record of a topic; none where it does not exist."""
    config = {"bootstrapServers": servers}
    found: list[ConsumerRecord] = []
    async with ClusterAdmin(config) as admin, LogReader(config, committed=True) as reader:
        try:
            ends = await admin.offsets(topic, committed=True)
        except Invalid:
            return found
        for partition, (first, stop) in ends.items():
            async for records in reader.read(topic, partition, first, stop):
                found += records
    return found


async def read_inputs(servers: list[str]) -> list[Row]:
    """All events that were sent, in the order of their places."""
    rows = [
        Row(topic, record.partition, record.offset, json.loads(record.value or b""))
        for topic in TOPICS
        for record in await _read(servers, topic)
    ]
    return sorted(rows, key=lambda row: row[:3])


async def read_written(servers: list[str]) -> Written:
    """All that came of them."""
    written = Written()
    written.alerts = [decode_alert(r.value or b"") for r in await _read(servers, "alerts")]
    written.groups = [decode_group(r.value or b"") for r in await _read(servers, "correlations")]
    written.results = [json.loads(r.value or b"") for r in await _read(servers, "_summit.results")]
    for record in await _read(servers, FORWARDED):
        headers = {name: (value or b"").decode() for name, value in record.headers.pairs}
        written.forwarded.append((headers["summit.match"], headers["summit.src"]))
    return written


class Reference(NamedTuple):
    """What must be there; `sources` are the events by the header that names their place."""

    wanted: Expected
    alert_ids: list[str]
    group_ids: list[str]
    sources: dict[str, Row]


async def reference(servers: list[str], rows: list[Row]) -> Reference:
    """What these events must have led to."""
    async with ClusterAdmin({"bootstrapServers": servers}) as admin:
        ids = {topic.name: topic.topic_id for topic in await admin.describe_topics(TOPICS)}
    sources = {log_coordinate(ids[row.topic], row.partition, row.offset): row for row in rows}
    return Reference(expected(rows), *_ids_in_one_go(rows, ids), sources)


def differences(must: Reference, written: Written, *, once: bool) -> list[str]:
    """In what it differs from what must be there, in words."""
    wanted = must.wanted
    alerts = written.alerts if once else list({a.id: a for a in written.alerts}.values())
    groups = Counter(
        (g.key[0], g.count, g.close_reason,
         tuple((e.topic, e.partition, e.offset) for e in g.events))
        for g in written.groups
    )  # fmt: skip
    pairs: list[tuple[str, Counter[Any], Counter[Any]]] = [
        ("alerts", wanted.alerts, Counter(
            (str(a.pattern), _key(a), tuple((e.topic, e.partition, e.offset) for e in a.evidence))
            for a in alerts if a.pattern not in _APART
        )),
        ("window rules", wanted.windows, Counter(
            (str(a.pattern), _key(a), a.timestamp, a.count)
            for a in alerts if a.pattern in _WINDOWED
        )),
        ("chained", +wanted.chained, Counter(_key(a) for a in alerts if a.pattern == CHAINED)),
        ("forwarded", wanted.forwarded, Counter(
            _place(must.sources, source) for _, source in written.forwarded
        )),
        ("correlated groups", wanted.groups, groups),
        ("results", wanted.results, _results(written.results)),
        ("ids of alerts", Counter(must.alert_ids), Counter(
            a.id for a in alerts if a.pattern != CHAINED  # made of other matches, in any order
        )),
        ("ids of groups", Counter(must.group_ids), Counter(g.id for g in written.groups)),
    ]  # fmt: skip
    return [text for name, want, have in pairs if (text := _differ(name, want, have))]


def _key(alert: Alert) -> str:
    return str(next(iter(alert.key.values())))


def _place(places: Mapping[str, Row], source: str) -> Any:
    row = places.get(source)
    return source if row is None else row[:3]


def _results(records: list[dict[str, Any]]) -> Counter[tuple[str, int, int, str, int, int]]:
    found: Counter[tuple[str, int, int, str, int, int]] = Counter()
    for result in records:
        window = result["window"]
        for group in result["groups"]:
            (key,) = group["keys"].values()
            metrics = group["metrics"]
            assert metrics["n"] == group["count"]
            found[
                result["queryId"], window["start"], window["end"], key, metrics["n"],
                int(metrics["sum"]),
            ] += 1  # fmt: skip
    return found


def _differ(name: str, wanted: Counter[Any], found: Counter[Any]) -> str:
    lost, more = wanted - found, found - wanted
    if not lost and not more:
        return ""
    return (
        f"{name}: {lost.total()} missing, {more.total()} too many;"
        f" missing {list(lost.items())[:_SHOWN]}, too many {list(more.items())[:_SHOWN]}"
    )


def _ids_in_one_go(rows: list[Row], ids: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Ids of alerts and of groups, as one engine makes them that never dies."""
    found: list[str] = []
    groups: list[str] = []
    for topic in TOPICS:
        engine = Engine(ids.__getitem__)
        mine = [row for row in rows if row.topic == topic]
        engine.set_rules(
            [
                validate_correlation(document).plan
                if document["kind"] == "correlation"
                else validate_pattern(document).plan
                for document in DOCUMENTS
                if document["kind"] in ("pattern", "correlation") and document["topics"] == [topic]
            ]
        )
        if topic == "timed":
            mine.sort(key=lambda row: (row.at, row.partition, row.offset))
        for row in mine:
            value = json.dumps(row.event).encode()
            chunk = Chunk(topic, row.partition, [row.offset], [row.at], [value])
            if topic == "timed":
                _note(engine.apply([], row.at), found, groups)
            _note(engine.apply([chunk]), found, groups)
    return found, groups


def _note(applied: Applied, found: list[str], groups: list[str]) -> None:
    found += [made.alert.id for made in applied.made if made.alert is not None]
    groups += [(record.key or b"").decode() for record in applied.records]
