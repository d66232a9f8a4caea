"""The oracle of change capture: whoever replays the events has the database, and nothing twice.

Reads a topic as a foreign client would, committed records only, and plays it table by table. Every
event must fit what is there: no row comes twice, none changes that is not there.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition
from tests.ingest.test_kill import Child
from tests.interop.processes import BrokerProcess

LAST: Final = -1  # the key of the last row that is written
LAST_S: Final = 900  # how long it may take to come: runs of a million rows are made by hand


def committed(address: str, topic: str, first: int = 0) -> list[Any]:
    """Every committed record of a topic from an offset on, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "replica",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        found: list[Any] = []
        metadata = consumer.list_topics(topic, timeout=60).topics[topic]
        for partition in sorted(metadata.partitions):
            consumer.assign([TopicPartition(topic, partition, first)])
            at_end = False
            while not at_end:
                records = consumer.consume(10_000, 0.2) or consumer.consume(1, 60)
                assert records, "the topic does not come to its end"
                at_end = any(one.error() is not None for one in records)
                found += [one for one in records if one.error() is None]
        return found
    finally:
        consumer.close()


def wait_for_last(broker: BrokerProcess, child: Child, table: str) -> list[Any]:
    """What the topic `shop` has when the row LAST of a table stands in it."""
    deadline = time.monotonic() + LAST_S
    key = f'["{table}",{LAST}]'.encode()
    records: list[Any] = []
    while True:
        first = records[-1].offset() + 1 if records else 0
        new = committed(broker.address, "shop", first)
        records += new
        if any(one.key() == key for one in new):
            return records
        assert child.process.poll() is None, child.lines[-3:]
        assert time.monotonic() < deadline, f"the last row does not come: {child.lines[-3:]}"
        time.sleep(0.5)


def events_of(records: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(one.value()) for one in records if one.value() is not None]


class Replica:
    """Tables as the events tell them; rows by their keys."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {}
        self.ops: dict[str, int] = {}

    @classmethod
    def of(cls, records: list[Any]) -> Replica:
        replica = cls()
        coordinates = [dict(one.headers())["summit.src"] for one in records]
        assert len(set(coordinates)) == len(coordinates), "an event came twice"
        for event in events_of(records):
            replica.play(event)
        return replica

    def play(self, event: dict[str, Any]) -> None:
        op, source = event["op_type"], event["source"]
        self.ops[op] = self.ops.get(op, 0) + 1
        rows = self.tables.setdefault(source["table"], {})
        key = json.dumps(list((source["key"] or {}).values()))
        if op == "s":
            return
        if op == "t":
            rows.clear()
        elif op in "rc":
            assert key not in rows, f"a row comes twice: {event}"
            rows[key] = event["after"]
        elif op == "d":
            assert key in rows, f"a row is deleted that is not there: {event}"
            del rows[key]
        else:
            old = key
            if event["before"] is not None:
                old = json.dumps([event["before"][name] for name in source["key"]])
            assert old in rows, f"a row changes that is not there: {event}"
            before = rows.pop(old)
            kept = {name: before[name] for name in source.get("unavailable", ())}
            rows[key] = {**event["after"], **kept}

    def rows(self, table: str) -> list[dict[str, Any]]:
        return sorted(self.tables.get(table, {}).values(), key=json.dumps)


def as_rows(names: list[str], rows: list[Any]) -> list[dict[str, Any]]:
    """What a query found, in the form and order of `Replica.rows`."""
    return sorted((dict(zip(names, row, strict=True)) for row in rows), key=json.dumps)
