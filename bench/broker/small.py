"""Small requests: 64 connections with one idempotent request in flight each, and one alone.

Figures are CPU-seconds of the broker process, beside the bare reference in the same run.
Targets: at least 40,000 requests per broker CPU-second; one alone with p50 under 100 µs.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import tempfile
import time

from bench.broker.harness import (
    broker,
    cpu_s,
    create_topic_frame,
    one_record,
    percentile,
    produce_frame,
    reference,
    show,
)

VALUE = b"x" * 100


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_frame(connection: socket.socket) -> bytes:
    data = bytearray()
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        piece = connection.recv(65536)
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def create(port: int, topic: str, partitions: int = 1) -> None:
    with connect(port) as connection:
        connection.sendall(create_topic_frame(topic, partitions))
        read_frame(connection)


def idempotent_frames(connections: int, each: int, topic: str) -> list[list[bytes]]:
    """Every request of every connection, made beforehand: producer = connection."""
    return [
        [
            produce_frame(
                topic,
                one_record(
                    VALUE, producer_id=1_000_000 + c, producer_epoch=0, base_sequence=sequence
                ),
            )
            for sequence in range(each)
        ]
        for c in range(connections)
    ]


def drive(port: int, requests: list[list[bytes]]) -> float:
    """Send each connection's requests one at a time, all connections at once; wall seconds."""
    selector = selectors.EpollSelector()
    states = []
    for frames in requests:
        connection = connect(port)
        connection.setblocking(False)
        state = [connection, iter(frames)]
        states.append(state)
        selector.register(connection, selectors.EVENT_READ, state)
    left = len(states)
    begun = time.perf_counter()
    for connection, frames in states:
        connection.send(next(frames))
    while left:
        for key, _ in selector.select():
            connection, frames = key.data
            answer = connection.recv(4096)
            # topic name "small": the error code of the only partition stands at byte 21
            assert len(answer) < 40 or answer[21:23] == b"\0\0", answer
            frame = next(frames, None)
            if frame is None:
                selector.unregister(connection)
                connection.close()
                left -= 1
            else:
                connection.send(frame)
    return time.perf_counter() - begun


def many(connections: int, each: int, durability: str) -> None:
    requests = idempotent_frames(connections, each, "small")
    total = connections * each
    with tempfile.TemporaryDirectory() as path:
        with broker(path, durability=durability) as (pid, port):
            create(port, "small")
            before = cpu_s(pid)
            wall = drive(port, requests)
            ours = cpu_s(pid) - before
        with reference(path, 47) as (pid, port):
            before = cpu_s(pid)
            bare_wall = drive(port, requests)
            bare = cpu_s(pid) - before
    show(
        "small requests", durability=durability, connections=connections, requests=total,
        requests_per_broker_cpu_s=total / ours, us_cpu_per_request=1e6 * ours / total,
        requests_per_s=total / wall, bare_requests_per_cpu_s=total / bare,
        bare_requests_per_s=total / bare_wall, ratio_to_bare=ours / bare,
    )  # fmt: skip


def latencies(port: int, requests: list[bytes]) -> list[float]:
    with connect(port) as connection:
        found = []
        for frame in requests:
            begun = time.perf_counter()
            connection.sendall(frame)
            connection.recv(4096)
            found.append((time.perf_counter() - begun) * 1e6)
    return sorted(found[len(found) // 10 :])


def alone(count: int, durability: str) -> None:
    requests = idempotent_frames(1, count, "small")[0]
    with tempfile.TemporaryDirectory() as path:
        with broker(path, durability=durability) as (pid, port):
            create(port, "small")
            before = cpu_s(pid)
            ours = latencies(port, requests)
            cpu = cpu_s(pid) - before
        with reference(path, 47) as (pid, port):
            bare = latencies(port, requests)
    show(
        "one at a time", durability=durability, requests=count,
        p50_us=percentile(ours, 0.5), p99_us=percentile(ours, 0.99),
        us_cpu_per_request=1e6 * cpu / count, bare_p50_us=percentile(bare, 0.5),
        bare_p99_us=percentile(bare, 0.99),
        ratio_to_bare=percentile(ours, 0.5) / percentile(bare, 0.5),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", default="os")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--each", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    for _ in range(options.runs):
        many(options.connections, options.each, options.durability)
        alone(5_000, options.durability)


if __name__ == "__main__":
    main()
