"""What the broker's benchmarks share: processes, their CPU-seconds, raw frames, percentiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from summit.protocol import frames
from summit.protocol.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from summit.records import Record, build_batch

PRODUCE_VERSION = 9
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system CPU-seconds of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory of a process, megabytes (2^20)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def process(module: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """Run `python -m module`, which prints a JSON line with its port; yields (pid, port)."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        yield child.pid, json.loads(child.stdout.readline())["port"]
    finally:
        child.terminate()
        child.wait(300)  # ten thousand partitions take their time to be closed
        if child.stdout is not None:
            child.stdout.close()


def broker(data_dir: str, **settings: Any) -> Any:
    """A broker process."""
    pairs = {"port": 0, "data_dir": data_dir, "auto_create_topics": "true", **settings}
    return process("summit.broker", *(f"{key}={value}" for key, value in pairs.items()))


def reference(data_dir: str, answer_bytes: int) -> Any:
    """The bare reference process: see `reference.py`."""
    return process("bench.broker.reference", f"{data_dir}/reference.log", str(answer_bytes))


def produce_frame(topic: str, batch: bytes, correlation_id: int = 1, partition: int = 0) -> bytes:
    """A whole Produce request with acks=all."""
    part = PartitionProduceData(index=partition, records=batch)
    request = ProduceRequest(
        acks=-1, timeout_ms=30_000, topics=[TopicProduceData(name=topic, partitions=[part])]
    )
    return frames.encode_request_frame(PRODUCE, PRODUCE_VERSION, correlation_id, request, "bench")


def one_record(value: bytes, **fields: Any) -> bytes:
    """A batch of one record."""
    record = Record(offset=0, timestamp=1_700_000_000_000, key=None, value=value, headers=())
    return bytes(build_batch([record], **fields))


def create_topic_frame(topic: str, partitions: int) -> bytes:
    """A whole CreateTopics request."""
    wanted = CreatableTopic(name=topic, num_partitions=partitions, replication_factor=1)
    request = CreateTopicsRequest(topics=[wanted])
    return frames.encode_request_frame(CREATE_TOPICS, 5, 1, request, "bench")


def percentile(sorted_values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def show(name: str, **figures: Any) -> None:
    """Print one result as a JSON line."""
    rounded = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in figures.items()
    }
    print(json.dumps({"bench": name, **rounded}), flush=True)
