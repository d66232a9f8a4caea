"""`make differential`: the same requests to Apache Kafka and to our broker, and what differs.

Kafka's answers may also be recorded (`--record`), for the test that runs without it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.differential.compare import Answers, differences, load, save, told
from tests.differential.explained import unexplained, unused
from tests.differential.side import Side
from tests.differential.table import BROKER, KAFKA, MODULES, Scenario

from summit.broker import BrokerThread
from summit.cluster import KafkaCluster

_REST_S = 0.15


def answers_of(
    host: str, port: int, name: str, scenario: Scenario, *, rest_s: float = 0.0
) -> Answers:
    """What a broker answers to a scenario."""
    side = Side(host, port, name.replace(" ", "-"), rest_s=rest_s)
    try:
        side.find_coordinators()
        scenario(side)
    finally:
        side.close()
    return side.answers


@contextmanager
def our_broker(directory: str) -> Iterator[BrokerThread]:
    """Our broker, with the settings that both sides have."""
    thread = BrokerThread(BROKER(directory))
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


@contextmanager
def kafka(address: str | None) -> Iterator[tuple[str, int]]:
    """A fresh node of Apache Kafka, or the one that was named."""
    if address:
        host, _, port = address.rpartition(":")
        yield host, int(port)
        return
    with tempfile.TemporaryDirectory() as directory:
        cluster = KafkaCluster(Path(directory) / "kafka", brokers=1, configs=KAFKA)
        status = asyncio.run(cluster.up())
        try:
            host, _, port = status.bootstrap_servers.rpartition(":")
            yield host, int(port)
        finally:
            asyncio.run(cluster.down())


def main() -> int:
    """Compare; 1 when something is not explained."""
    parser = argparse.ArgumentParser(prog="make differential")
    parser.add_argument("--kafka", help="HOST:PORT of a fresh node with the settings of table.py")
    parser.add_argument("--record", action="store_true", help="keep Kafka's answers as recorded")
    parser.add_argument("--all", action="store_true", help="show explained differences too")
    parser.add_argument("--only", default="", help="modules, by commas")
    options = parser.parse_args()
    modules = {m: s for m, s in MODULES.items() if m in (options.only or m).split(",")}
    found, changed = [], []
    with (
        tempfile.TemporaryDirectory() as path,
        our_broker(path) as ours,
        kafka(options.kafka) as (host, port),
    ):
        for module, scenarios in modules.items():
            answers = {}
            for name, scenario in scenarios.items():
                print(f"{name} …", file=sys.stderr, flush=True)
                answers[name] = answers_of(host, port, name, scenario, rest_s=_REST_S)
                mine = answers_of(ours.host, ours.port, name, scenario)
                found += list(differences(name, answers[name], mine))
            if options.record:
                save(module, answers)
            else:
                recorded = load(module)
                changed += [
                    d for name in answers
                    for d in differences(name, recorded.get(name, {}), answers[name])
                ]  # fmt: skip
    rest = list(unexplained(found))
    for line in told(found if options.all else rest):
        print(line)
    for line in told(changed):
        print(f"not as recorded (make differential DIFF_ARGS=--record): {line}")
    stale = unused(found) if not options.only else []
    for row in stale:
        print(f"explains nothing: {row}")
    print(f"{len(found)} differences, {len(rest)} of them unexplained")
    return 1 if rest or changed or stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
