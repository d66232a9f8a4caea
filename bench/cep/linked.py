"""Linked groups beside groups by a key, and beside a bare union of sets: events per CPU-second.

    python -m bench.cep.linked [--events N]

Events of users at addresses and hosts. One rule links all three (session of 60 s), one groups by
user; the bare loop decodes three fields and joins sets in dictionaries, for ever: it saves, bounds,
closes and explains nothing. Its sets are compared with what one window over everything links.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from typing import Any

import msgspec

from summit.cep.correlation_rules import prepare_correlation
from summit.documents import validate_correlation
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set

BATCH = 4_096
T0_MS = 1_700_000_000_000
LINKS = {"user": "user", "address": "sourceIP", "host": "host"}
SESSION = {"window": "session", "gap": "60s", "timeWindow": "1h", "minEvents": 3}
RULES: dict[str, dict[str, Any]] = {
    "linked": {"linkedBy": LINKS, **SESSION},
    "by key": {"correlationKey": "user", **SESSION},
}
WHOLE = {"linkedBy": LINKS, "timeWindow": "30d", "maxEvents": 100_000, "hubs": {"links": 10**9}}


class _Event(msgspec.Struct, gc=False):
    user: str
    sourceIP: str
    host: str


def events(count: int) -> list[bytes]:
    """Most users keep to their own address and host; now and then one goes to another's."""
    chance = random.Random(3)
    made = []
    for n in range(count):
        user = chance.randint(0, 9_999)
        at = user if chance.random() < 0.98 else chance.randint(0, 9_999)
        made.append(
            json.dumps(
                {
                    "eventType": "seen", "timestamp": T0_MS + n * 5, "user": f"user{user}",
                    "sourceIP": f"10.0.{at >> 8}.{at & 255}", "host": f"host{at}",
                    "detail": "x" * 60,
                }
            ).encode()
        )  # fmt: skip
    return made


def groups_of(rule: dict[str, Any], values: list[bytes]) -> tuple[float, dict[str, int], list[int]]:
    """CPU-seconds, counters, and the sizes of the groups at the end."""
    processor = Processor(
        make_rule_set([prepare_correlation(validate_correlation({"id": "r", **rule}).plan)])
    )
    begin = time.process_time()
    for first in range(0, len(values), BATCH):
        part = values[first : first + BATCH]
        processor.apply([Chunk("t", 0, range(first, first + len(part)), [0] * len(part), part)])
    taken_s = time.process_time() - begin
    counts = processor.rule_stats()["correlation:r"]
    last = processor.apply([], T0_MS + 10**11).outputs.found
    return taken_s, counts, sorted(one.count for one in last)


def bare(values: list[bytes]) -> tuple[float, list[int]]:
    """The same without anything around it."""
    decode = msgspec.json.Decoder(_Event).decode
    parent: dict[tuple[str, str], tuple[str, str]] = {}
    count: dict[tuple[str, str], int] = {}

    def root(of: tuple[str, str]) -> tuple[str, str]:
        while parent[of] != of:
            parent[of] = of = parent[parent[of]]
        return of

    begin = time.process_time()
    for value in values:
        event = decode(value)
        names = (("u", event.user), ("a", event.sourceIP), ("h", event.host))
        first = root(names[0]) if names[0] in parent else parent.setdefault(names[0], names[0])
        for name in names[1:]:
            other = root(name) if name in parent else parent.setdefault(name, name)
            if other != first:
                parent[other] = first
                count[first] = count.get(first, 0) + count.pop(other, 0)
        count[first] = count.get(first, 0) + 1
    return time.process_time() - begin, sorted(count.values())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    values = events(parser.parse_args().events)
    few = values[:20_000]
    _, _, sizes = groups_of(WHOLE, few)
    assert sizes == bare(few)[1], "the parts are not equal"
    bare_s, _ = bare(values)
    row: dict[str, Any] = {"events": len(values), "bare_per_cpu_s": int(len(values) / bare_s)}
    for name, rule in RULES.items():
        taken_s, counts, _ = groups_of(rule, values)
        row[name] = {
            "per_cpu_s": int(len(values) / taken_s), "ratio": round(taken_s / bare_s, 1),
            "opened": counts["opened"], "merged": counts.get("merged", 0),
        }  # fmt: skip
    print(json.dumps(row))


if __name__ == "__main__":
    main()
