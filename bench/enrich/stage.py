"""What the stage before the rules costs: events per CPU-second, beside a JSON round trip.

    python bench/enrich/stage.py [--events N] [-o json]

A batch of JSON events is filtered, transformed (rename and mask), enriched from a table of 100,000
rows, and routed: each alone, then all together. The reference (ratio 1.0) decodes and encodes the
same events, which any change of an event must. What is made is compared with a plain program's.
It collects as a worker's process does (`base.collecting`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from summit.base.collecting import Settling
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.enriching import Found
from summit.flow.prestage import Prestage
from summit.flow.stage_plans import stage_of
from summit.keyed.chunks import Chunk
from summit.sources.tables import InlineSource

BATCH = 1_000
FILTER = {"kind": "filter", "id": "f", "action": "exclude", "where": 'agent == "probe"'}
CHANGE = {
    "kind": "transformation", "id": "t", "eventType": "*",
    "transformations": [
        {"field": "user", "operation": "mask", "config": {"preserveStart": 1}},
        {"field": "address", "operation": "rename", "config": {"newName": "ip"}},
    ],
}  # fmt: skip
LOOKUP = {
    "kind": "enrichment", "id": "e", "eventType": "*", "enrichmentType": "lookup",
    "config": {"keyField": "host", "file": "rows.json"},
}  # fmt: skip
ROUTE = {"kind": "route", "id": "r", "topic": "out", "where": 'eventType == "login.failed"'}


def events(count: int) -> list[bytes]:
    """Logins of some hosts; one in ten is a probe's, one in four has failed."""
    return [
        msgspec.json.encode({
            "eventType": "login.failed" if n % 4 == 0 else "login",
            "timestamp": 1_700_000_000_000 + n,
            "user": f"user-{n % 977}", "address": f"10.{n % 250}.1.2", "host": f"h{n % 120_000}",
            "agent": "probe" if n % 10 == 0 else "ssh", "port": 40_000 + n % 999,
        })
        for n in range(count)
    ]  # fmt: skip


def expected(raw: bytes) -> dict[str, Any] | None:
    """What becomes of an event, by a plain program."""
    event = json.loads(raw)
    if event["agent"] == "probe":
        return None
    event["user"] = event["user"][0] + "*" * (len(event["user"]) - 1)
    event["ip"] = event.pop("address")
    number = int(event["host"][1:])
    note = {"type": "lookup", "status": "found" if number < 100_000 else "miss"}
    event["enrichedData"] = {"_meta": {"enrichments": {"e": note}}}
    if number < 100_000:
        event["enrichedData"]["e"] = {"zone": f"z{number % 50}"}
    return event


def measured(act: Callable[[Chunk], Any], chunks: list[Chunk]) -> tuple[float, list[Any]]:
    """CPU-seconds, and what came."""
    begin = time.process_time()
    made = [act(chunk) for chunk in chunks]
    return time.process_time() - begin, made


def round_trip(chunk: Chunk) -> int:
    decode, encode = msgspec.json.decode, msgspec.json.encode
    return sum(len(encode(decode(value or b""))) for value in chunk.values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("-o", "--output", choices=["json"], default=None)
    options = parser.parse_args()
    raw = events(options.events)
    chunks = [
        Chunk("auth", 0, range(at, at + len(part)), [-1] * len(part), part)
        for at in range(0, len(raw), BATCH)
        if (part := raw[at : at + BATCH])
    ]
    rows_of = {f"h{n}": {"zone": f"z{n % 50}"} for n in range(100_000)}
    table = InlineSource(TablePlan(table=rows_of))
    del rows_of  # a heap full of dictionaries would be what is measured

    def find(_: Any, asked: Any) -> list[Found]:
        return table.find_now(asked.keys)

    Settling()
    base_s, _ = measured(round_trip, chunks)
    rows = [{"what": "reference: JSON round trip", "seconds": base_s}]
    for what, documents in (
        ("no definition concerns the topic", []), ("filter", [FILTER]),
        ("transformation", [CHANGE]), ("enrichment", [LOOKUP]), ("route", [ROUTE]),
        ("all", [FILTER, CHANGE, LOOKUP, ROUTE]),
    ):  # fmt: skip
        stage = Prestage()
        stage.go_by(stage_of(documents))

        def act(chunk: Chunk, stage: Prestage = stage) -> Any:
            return stage.apply([chunk], find) if stage.concerns([chunk]) else chunk

        seconds, made = measured(act, chunks)
        rows.append({"what": what, "seconds": seconds})
        if what == "all":
            seen = [json.loads(value) for batch in made for chunk in batch.chunks
                    for value in chunk.values]  # fmt: skip
            assert seen == [event for each in raw if (event := expected(each)) is not None]
            routed = sum(len(batch.routed) for batch in made)
            assert routed == sum(event["eventType"] == "login.failed" for event in seen)
    for row in rows:
        row["events_per_cpu_s"] = round(len(raw) / max(float(row["seconds"]), 1e-9))
        row["ratio"] = round(float(row["seconds"]) / base_s, 2)
        if options.output == "json":
            print(json.dumps(row))
        else:
            print(f"{row['what']:35} {row['events_per_cpu_s']:12,} events/CPU-s  {row['ratio']:6}")


if __name__ == "__main__":
    main()
