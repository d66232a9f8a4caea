"""`make bench-versus`: our broker beside Apache Kafka 4.3 and tansu 0.6, in one run, same client.

Each part prints a JSON line per broker. CPU-seconds are the broker's process's, JIT and garbage
collection included, after a warm-up; wall-clock figures are those of a shared machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from bench.broker import bulk, fsync, small
from bench.broker.harness import (
    cpu_s,
    one_record,
    percentile,
    produce_frame,
    rss_mb,
    show,
)
from bench.broker.versus import many, peers, single
from bench.broker.versus.peers import Peer
from bench.broker.versus.topics import PATIENCE_S, create

from summit.base.errors import SummitError
from summit.protocol import frames
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic

SIZES = ((100, 1_000_000), (1_000, 200_000))  # bytes of a record, records
BATCHES = (16_384, 1_000_000)


# ---- the parts, each of one broker ----


def in_bulk(peer: Peer, _: argparse.Namespace) -> None:
    """CPU-seconds per million records in and out, and how many a second."""
    for size, count in SIZES:
        for batch in BATCHES:
            topic = f"bulk-{size}-{batch}"
            create(peer, topic, 1)
            bulk.RECORD_BYTES = size
            config = {"batch.size": batch, "linger.ms": 50 if batch > 100_000 else 5,
                      "queue.buffering.max.kbytes": 200_000, "message.max.bytes": 1_000_000,
                      "compression.type": "none"}  # fmt: skip
            bulk.produce(peer.port, topic, count // 3, config)  # a warm-up, for the JIT above all
            before = cpu_s(peer.pid)
            wall_in = bulk.produce(peer.port, topic, count, config)
            cpu_in = cpu_s(peer.pid) - before
            bulk.consume(peer.port, topic, count // 3)
            before = cpu_s(peer.pid)
            wall_out = bulk.consume(peer.port, topic, count)
            cpu_out = cpu_s(peer.pid) - before
            millions = count / 1e6
            show("bulk", broker=peer.name, record_bytes=size, batch_bytes=batch,
                 cpu_s_per_million_in=cpu_in / millions, cpu_s_per_million_out=cpu_out / millions,
                 records_per_s_in=count / wall_in, records_per_s_out=count / wall_out,
                 rss_mb=rss_mb(peer.pid))  # fmt: skip


def small_requests(peer: Peer, _: argparse.Namespace) -> None:
    """64 connections, one request of one record in flight on each."""
    create(peer, "small", 1)
    frame = produce_frame("small", one_record(b"x" * 100))
    small.drive(peer.port, [[frame] * 400] * 64)
    before = cpu_s(peer.pid)
    wall = small.drive(peer.port, [[frame] * 800] * 64)
    cpu = cpu_s(peer.pid) - before
    show("64 connections", broker=peer.name, requests_per_cpu_s=64 * 800 / cpu,
         requests_per_s=64 * 800 / wall)  # fmt: skip


def wide_fetches(peer: Peer, _: argparse.Namespace) -> None:
    """A fetch of 200 partitions, of which one has a record each time; no session.

    As librdkafka asks: each time another partition first, and the busy one at its next offset.
    """
    create(peer, "wide", 200)
    records = 32
    requests = [_wide_request(turn, 200, turn % records) for turn in range(200)]
    with small.connect(peer.port) as connection:
        connection.settimeout(PATIENCE_S)
        for _ in range(records):
            connection.sendall(produce_frame("wide", one_record(b"x" * 100), partition=7))
            small.read_frame(connection)
        for n in range(5_000):
            if n == 1_000:
                before = cpu_s(peer.pid)
            connection.sendall(requests[n % len(requests)])
            small.read_frame(connection)
    cpu = cpu_s(peer.pid) - before
    show("wide fetch", broker=peer.name, us_cpu_per_fetch=1e6 * cpu / 4_000)


def _wide_request(first: int, count: int, offset: int) -> bytes:
    parts = [
        FetchPartition(index=n % count, fetch_offset=offset if n % count == 7 else 0,
                       partition_max_bytes=1 << 20)
        for n in range(first, first + count)
    ]  # fmt: skip
    request = FetchRequest(
        max_wait_ms=0, min_bytes=0, max_bytes=1 << 25,
        topics=[FetchTopic(name="wide", partitions=parts)],
    )  # fmt: skip
    return frames.encode_request_frame(FETCH, 11, 1, request, "bench")


def transactions(peer: Peer, _: argparse.Namespace) -> None:
    """A transaction over 6 partitions, by librdkafka."""
    from confluent_kafka import Producer

    create(peer, "txn", 6)
    producer = Producer({"bootstrap.servers": f"127.0.0.1:{peer.port}", "linger.ms": 0,
                         "transactional.id": "bench"})  # fmt: skip
    producer.init_transactions(PATIENCE_S)
    found = []
    for n in range(250):
        if n == 100:
            before = cpu_s(peer.pid)
        begun = time.perf_counter()
        producer.begin_transaction()
        for index in range(6):
            producer.produce("txn", b"x" * 100, partition=index)
        producer.commit_transaction(PATIENCE_S)
        found.append((time.perf_counter() - begun) * 1e3)
    cpu = cpu_s(peer.pid) - before
    kept = sorted(found[100:])
    show("transaction over 6 partitions", broker=peer.name, ms_cpu=1e3 * cpu / len(kept),
         p50_ms=percentile(kept, 0.5), p99_ms=percentile(kept, 0.99))  # fmt: skip


def durable_acks(peer: Peer, options: argparse.Namespace) -> None:
    """Requests that are answered after their fsync, over 1 to 512 partitions."""
    for partitions in (1, 8, 64, 512):
        topic = f"sync{partitions}"
        create(peer, topic, partitions)
        for in_flight in (1, 16, 64):
            requests = [produce_frame(topic, one_record(b"x" * 1000), partition=n)
                        for n in range(partitions)]  # fmt: skip
            drive_spread(peer.port, requests, in_flight, 0.5)
            before = cpu_s(peer.pid)
            found, wall = drive_spread(peer.port, requests, in_flight, options.seconds)
            cpu = cpu_s(peer.pid) - before
            show("durable acks", broker=peer.name, partitions=partitions, in_flight=in_flight,
                 acks_per_s=len(found) / wall, p50_ms=percentile(found, 0.5),
                 p99_ms=percentile(found, 0.99),
                 us_cpu_per_ack=1e6 * cpu / len(found))  # fmt: skip


def drive_spread(
    port: int, requests: list[bytes], in_flight: int, seconds: float
) -> tuple[list[float], float]:
    """As `fsync.drive`, the requests in turn over their partitions."""
    import selectors

    selector = selectors.EpollSelector()
    turn = 0
    begun = time.perf_counter()
    for _ in range(in_flight):
        connection = small.connect(port)
        selector.register(connection, selectors.EVENT_READ, [connection, time.perf_counter()])
        connection.sendall(requests[turn % len(requests)])
        turn += 1
    found: list[float] = []
    now = begun
    while now - begun < seconds:
        for key, _ in selector.select(1.0):
            key.data[0].recv(4096)
            now = time.perf_counter()
            found.append((now - key.data[1]) * 1e3)
            key.data[1] = now
            key.data[0].sendall(requests[turn % len(requests)])
            turn += 1
        now = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.data[0].close()
    return sorted(found), now - begun


# ---- small parts ----


def starters(path: str, *, durable: bool = False) -> Iterator[Any]:
    """A context manager for each broker; durable: each acknowledgement after its fsync."""
    if durable:
        yield peers.summit(path, durability="fsync")
        yield peers.kafka(path, **{"log.flush.interval.messages": "1"})
        return
    yield peers.summit(path)
    yield peers.kafka(path)
    if peers.has_tansu():
        yield peers.tansu(path)


PARTS = {
    "bulk": in_bulk, "small": small_requests, "wide": wide_fetches, "transactions": transactions,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-versus", description=__doc__)
    parser.add_argument("--only", default="", help=f"of {', '.join(PARTS)}, single, fsync, many")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row of fsync")
    parser.add_argument("--rounds", type=int, default=8, help="of 1,000 single sends")
    parser.add_argument("--partitions", type=int, default=10_000)
    options = parser.parse_args()
    only = options.only.split(",") if options.only else [*PARTS, "single", "fsync", "many"]
    show("conditions", processors=os.cpu_count(), load=os.getloadavg()[0],
         tansu=peers.has_tansu())  # fmt: skip
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as path:
        for starter in starters(path) if set(only) & set(PARTS) else ():
            with ExitStack() as stack:
                peer = stack.enter_context(starter)
                for name, part in PARTS.items():
                    if name in only:
                        attempt(peer, name, part, options)
    if "single" in only:
        with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as path, ExitStack() as stack:
            single.sends(
                [stack.enter_context(starter) for starter in starters(path)], options.rounds
            )
    if "fsync" in only:
        with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as path:
            for starter in starters(path, durable=True):
                with starter as peer:
                    attempt(peer, "fsync", durable_acks, options)
            own = fsync.disk(path, 4096, 500)
            show("disk", p50_ms=percentile(own, 0.5), p99_ms=percentile(own, 0.99))
    if "many" in only:
        for start in (peers.summit, peers.kafka):
            with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as path:
                try:
                    many.measure(start, path, options.partitions)
                except (AssertionError, OSError, SummitError) as error:
                    show("many partitions", broker=start.__name__, failed=str(error)[:200])


def attempt(
    peer: Peer, name: str, part: Callable[[Peer, argparse.Namespace], None],
    options: argparse.Namespace,
) -> None:  # fmt: skip
    """Run a part; a broker that cannot do it is a result too."""
    from confluent_kafka import KafkaException

    try:
        part(peer, options)
    except (TimeoutError, KafkaException, AssertionError, OSError, EOFError) as error:
        show(name, broker=peer.name, failed=f"{type(error).__name__}: {error}"[:200])


if __name__ == "__main__":
    main()
