"""Durable acknowledgements: 1, 16 and 64 requests in flight, each answered after its fdatasync.

Beside each figure stands the disk's own: a write of the same size and one fdatasync at a time.
"""

from __future__ import annotations

import argparse
import os
import selectors
import tempfile
import time

from bench.broker.harness import broker, cpu_s, one_record, percentile, produce_frame, show
from bench.broker.small import connect, create


def disk(path: str, size: int, count: int) -> list[float]:
    """Sorted milliseconds of write + fdatasync into a preallocated file."""
    fd = os.open(f"{path}/probe", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, size * (count + 1))
    data = os.urandom(size)
    found = []
    for i in range(count):
        begun = time.perf_counter()
        os.pwrite(fd, data, i * size)
        os.fdatasync(fd)
        found.append((time.perf_counter() - begun) * 1e3)
    os.close(fd)
    os.unlink(f"{path}/probe")
    return sorted(found)


def drive(port: int, frame: bytes, in_flight: int, seconds: float) -> tuple[list[float], float]:
    """One request in flight on each connection for a while; sorted ms, wall seconds."""
    selector = selectors.EpollSelector()
    for _ in range(in_flight):
        connection = connect(port)
        selector.register(connection, selectors.EVENT_READ, [connection, 0.0])
    found: list[float] = []
    begun = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.data[1] = time.perf_counter()
        key.data[0].sendall(frame)
    now = begun
    while now - begun < seconds:
        for key, _ in selector.select(1.0):
            key.data[0].recv(4096)
            now = time.perf_counter()
            found.append((now - key.data[1]) * 1e3)
            key.data[1] = now
            key.data[0].sendall(frame)
    for key in list(selector.get_map().values()):
        key.data[0].close()
    return sorted(found), now - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", default="fsync")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--record-bytes", type=int, default=1000)
    options = parser.parse_args()
    frame = produce_frame("sync", one_record(b"x" * options.record_bytes))
    for in_flight in (1, 16, 64):
        with tempfile.TemporaryDirectory(dir=".") as path:
            own = disk(path, 4096, 500)
            with broker(path, durability=options.durability) as (pid, port):
                create(port, "sync")
                drive(port, frame, in_flight, 0.3)
                before = cpu_s(pid)
                found, wall = drive(port, frame, in_flight, options.seconds)
                cpu = cpu_s(pid) - before
        show(
            "durable acks", durability=options.durability, in_flight=in_flight,
            acks_per_s=len(found) / wall, p50_ms=percentile(found, 0.5),
            p99_ms=percentile(found, 0.99), us_cpu_per_ack=1e6 * cpu / len(found),
            disk_p50_ms=percentile(own, 0.5), disk_p99_ms=percentile(own, 0.99),
            ratio_p50_to_disk=percentile(found, 0.5) / percentile(own, 0.5),
        )  # fmt: skip


if __name__ == "__main__":
    main()
