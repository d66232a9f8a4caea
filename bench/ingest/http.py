"""The HTTP collector: batches posted until acknowledged; events per CPU-second of the collector.

    python -m bench.ingest.http [--batches 1000] [--batch 100] [--connections 8]

A real broker, a collector and the client are three processes; the CPU time is that of the collector
alone, with all its threads (the producer's too). Beside it, in the same run, a bare server of the
same web framework that parses the same bodies and writes nowhere: what the framework alone costs.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from typing import Any

from bench.broker.harness import broker, cpu_s, process, show

EVENT = {"eventType": "user.login", "user": "u123456", "sourceIP": "10.1.2.3", "ok": True, "n": 7}


def request_of(batch: int) -> bytes:
    """One POST of `batch` events, as bytes."""
    body = json.dumps([{**EVENT, "n": n} for n in range(batch)]).encode()
    head = (
        "POST /ingest HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def post_all(port: int, request: bytes, count: int) -> None:
    """Post over one kept connection; every answer must be 200."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for _ in range(count):
            sock.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += sock.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), answer[:300]
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += sock.recv(65_536)


def measure(pid: int, port: int, request: bytes, batches: int, connections: int) -> Any:
    """CPU-seconds and seconds for `batches` requests, after a warm-up."""
    post_all(port, request, 30)
    each = batches // connections
    threads = [
        threading.Thread(target=post_all, args=(port, request, each)) for _ in range(connections)
    ]
    cpu, began = cpu_s(pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return cpu_s(pid) - cpu, time.perf_counter() - began, each * connections


def main() -> None:
    """Print one JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=1_600)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    request = request_of(options.batch)
    with tempfile.TemporaryDirectory() as directory:
        config = {"name": "bench", "type": "http", "port": 0, "topic": "bench"}
        with broker(directory, durability="os") as (_, broker_port):
            servers = f"127.0.0.1:{broker_port}"
            with process("bench.ingest.collecting", servers, json.dumps(config)) as (pid, port):
                cpu, wall, done = measure(pid, port, request, options.batches, options.connections)
        with process("bench.ingest.bare") as (pid, port):
            bare_cpu, _, bare_done = measure(
                pid, port, request, options.batches, options.connections
            )
    events = done * options.batch
    show(
        "ingest http", batch=options.batch, events=events,
        events_per_cpu_s=round(events / cpu), cpu_us_per_event=round(cpu / events * 1e6, 2),
        ratio_cpu_to_bare=round(cpu / done / (bare_cpu / bare_done), 2), wall_s=round(wall, 2),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
