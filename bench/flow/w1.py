"""W1 from a topic to the alerts in a topic, exactly once: events per CPU-second of the workers.

    python -m bench.flow.w1 [--events N] [--workers 1] [--order arrival|eventTime]
                            [--relevance 11|100] [--guarantee exactly-once|at-least-once]

The events lie in a topic of four partitions, keyed by user; the workers are held back (`flow
pause`) until all are there, so that what is measured is a backlog processed at full speed: reading,
matching, alerts, state, positions, one transaction after the other, until the workers have told
that all is done. In event-time order the alerts must be those of W1's closed form. The reference,
in the same run and against the same broker: confluent-kafka's bare `consume`, which only counts
what it reads.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from typing import Any

import msgspec
from bench.broker.harness import broker, show
from bench.cep.w1_data import Workload, generate
from bench.flow.harness import TOPIC, Cpu, alerts, ends, pause, publish, settled, worker

from summit.client import Admin, StreamProducer, TopicConfig, keyed_partition
from summit.journal.progress import Progress
from summit.journal.worker_figures import WorkerFigures

PARTITIONS = 4
DELAY = "5s"
EVENTS_PER_CPU_S_MIN = 300_000
TIMEOUT_S = 600.0


class _User(msgspec.Struct):
    user: str


_user = msgspec.json.Decoder(_User).decode


def rule(relevance: int) -> dict[str, Any]:
    """W1; with a relevance of 100 every event takes part, by a strict step that never comes."""
    steps: list[dict[str, Any]] = [
        {"name": "failed", "where": 'eventType == "auth.login.failed"', "times": {"min": 3}},
        {"name": "success", "where": 'eventType == "auth.login.success"'},
    ]
    if relevance == 100:
        steps = [
            {"name": "any", "where": 'eventType != ""'},
            {"name": "never", "where": 'eventType == "never"', "relation": "next"},
        ]
    return {
        "kind": "pattern", "id": "w1", "topics": [TOPIC], "groupBy": ["user"], "steps": steps,
        "within": "60s", "action": {"type": "alert", "config": {"severity": "high", "title": "W1"}},
    }  # fmt: skip


def stream(order: str) -> dict[str, Any]:
    """How the topic is read."""
    document: dict[str, Any] = {"kind": "stream", "id": "w1", "topics": [TOPIC], "order": order}
    if order == "eventTime":
        document["eventTime"] = {"maxOutOfOrderness": DELAY}
    return document


async def fill(server: str, workload: Workload, topic: str = TOPIC) -> None:
    """Write the events, keyed by user; behind them one far later event in each partition."""
    async with Admin({"bootstrapServers": server}) as admin:
        await admin.create_topic(TopicConfig(name=topic, partitions=PARTITIONS, retention_ms=-1))
    users = [_user(value).user.encode() for value in workload.values]
    rows = [
        {"topic": topic, "value": value, "key": user, "timestamp": at,
         "partition": keyed_partition(user, PARTITIONS)}
        for value, user, at in zip(workload.values, users, workload.arrivals_ms, strict=True)
    ]  # fmt: skip
    end_ms = workload.arrivals_ms[-1] + 3_600_000
    end = msgspec.json.encode({"eventType": "end", "timestamp": end_ms, "user": ""})
    rows += [
        {"topic": topic, "value": end, "timestamp": end_ms, "partition": n}
        for n in range(PARTITIONS)
    ]
    config = {"bootstrapServers": server, "bufferMemory": 256 << 20}
    async with StreamProducer(config) as producer:
        for begin in range(0, len(rows), 10_000):
            await producer.send_batch(rows[begin : begin + 10_000])


def read_bare(server: str, count: int) -> float:
    """CPU-seconds of a consumer that only counts."""
    import confluent_kafka

    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": server, "group.id": "bare", "enable.auto.commit": False,
         "isolation.level": "read_committed"}
    )  # fmt: skip
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, n, 0) for n in range(PARTITIONS)])
    began = time.process_time()
    read = 0
    while read < count:
        read += len(consumer.consume(4_000, 1.0))
    spent = time.process_time() - began
    consumer.close()
    return spent


async def measure(arguments: argparse.Namespace, workload: Workload, server: str, pid: int) -> None:
    """One run; the topic is filled, and stays."""
    await fill(server, workload)
    await publish(server, stream(arguments.order), rule(arguments.relevance))
    await pause(server, paused=True)
    with ExitStack() as stack:
        children = [
            stack.enter_context(worker(server, "--guarantee", arguments.guarantee))
            for _ in range(arguments.workers)
        ]
        await settled(
            server, lambda p: p.is_whole and len(p.workers) == arguments.workers, TIMEOUT_S
        )
        goal = await ends(server)
        cpu = Cpu(pid, *(child.pid for child in children))
        await pause(server, paused=False)

        def is_done(progress: Any) -> bool:
            seen = [record.seen for record in progress.workers]
            return all(s.get(name, 0) >= end for s in seen for name, end in goal.items())

        took_s, _ = await settled(server, is_done, TIMEOUT_S)
        spent = cpu.spent()
        events = len(workload.values)
        _, told = await settled(
            server, lambda p: sum(f.events for f in _figures(p)) >= events, TIMEOUT_S
        )
        figures = _figures(told)
        found = await alerts(server)
    broker_s = spent.pop(pid)
    workers_s = sum(spent.values())
    line: dict[str, Any] = {
        "guarantee": arguments.guarantee, "order": arguments.order,
        "relevance": arguments.relevance,
        "workers": arguments.workers, "events": events, "alerts": len(found),
        "events_per_cpu_s": round(events / workers_s), "workers_cpu_s": round(workers_s, 2),
        "cpu_shares": [round(each / workers_s, 2) for each in spent.values()],
        "broker_cpu_s": round(broker_s, 2), "events_per_s": round(events / took_s),
        "bare_consume_cpu_s": round(read_bare(server, events), 2),
        "target_events_per_cpu_s": EVENTS_PER_CPU_S_MIN,
    }  # fmt: skip
    for name in ("state_records", "state_bytes", "exchange_events", "exchange_bytes", "commits"):
        line[f"{name}_per_event"] = round(sum(getattr(f, name) for f in figures) / events, 4)
    line["ratio_to_bare"] = round(workers_s / line["bare_consume_cpu_s"], 2)
    if arguments.order == "eventTime" and arguments.relevance != 100:
        exact = sorted((str(a.key["user"]), a.first_seen, a.last_seen) for a in found)
        line["alerts_correct"] = exact == sorted(workload.expected)
    show("flow.w1", **line)


def _figures(progress: Progress) -> list[WorkerFigures]:
    return [told.figures for told in progress.told.values() if told.figures is not None]


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--order", choices=["arrival", "eventTime"], default="eventTime")
    parser.add_argument("--relevance", type=int, choices=[11, 100], default=11)
    parser.add_argument(
        "--guarantee", choices=["exactly-once", "at-least-once"], default="exactly-once"
    )
    arguments = parser.parse_args()
    workload = generate(arguments.events)
    with (
        tempfile.TemporaryDirectory() as data_dir,
        broker(data_dir, durability="fsync", auto_create_topics="false") as (pid, port),
    ):
        asyncio.run(measure(arguments, workload, f"127.0.0.1:{port}", pid))


if __name__ == "__main__":
    main()
