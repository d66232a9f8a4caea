"""`BrokerConfig`: what each field does, seen from outside; and what is refused."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from summit.base.errors import Invalid, Unavailable
from summit.base.memory_files import MemoryFile, MemoryFiles
from summit.broker import BrokerSettings
from summit.client import Admin, AdminConfig
from summit.stream_processing import (
    BrokerConfig,
    EmbeddedBroker,
    MessageBroker,
    ProducerConfig,
    StreamProducer,
)

HOUR_MS = 3_600_000
WAIT_S = 30


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Return when `check` holds; fail after a long time."""
    async with asyncio.timeout(WAIT_S):
        while not await check():
            await asyncio.sleep(0.02)


async def produce(broker: EmbeddedBroker, *records: dict[str, Any]) -> None:
    """Write records one by one, each as a batch of its own."""
    producer = StreamProducer(ProducerConfig(linger_ms=0))
    await producer.connect(broker)
    async with producer:
        for record in records:
            await producer.send(record)


def admin_of(broker: EmbeddedBroker) -> Admin:
    return Admin(AdminConfig(bootstrap_servers=broker.address))


# ---- who and where ----


def test_broker_id_is_what_clients_see() -> None:
    async def go() -> None:
        with EmbeddedBroker.in_memory(broker_id=41) as broker:
            async with admin_of(broker) as admin:
                await admin.create_topic({"name": "a-b", "partitions": 1})
                assert list(await admin.brokers()) == [41]
                (partition,) = await admin.partitions("a-b")
                assert (partition.leader, partition.replicas) == (41, [41])

    asyncio.run(go())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a second loopback address")
def test_host_is_the_only_address_it_listens_on() -> None:
    with EmbeddedBroker.in_memory(host="127.0.0.3") as broker:
        host, port = broker.address.split(":")
        assert host == "127.0.0.3"
        socket.create_connection((host, int(port)), timeout=WAIT_S).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)), timeout=WAIT_S)


def test_a_wildcard_host_is_dialled_at_the_loopback_address() -> None:
    with EmbeddedBroker.in_memory(host="0.0.0.0", insecure=True) as broker:
        host, port = broker.address.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=WAIT_S).close()


def test_port_is_the_one_asked_for() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with EmbeddedBroker.in_memory(host="127.0.0.1", port=port) as broker:
        assert broker.address == f"127.0.0.1:{port}"


def test_localhost_with_a_free_port_is_one_address() -> None:
    assert BrokerConfig(port=0).broker_settings().host == "127.0.0.1"


def test_advertised_host_and_port_are_what_clients_are_told_to_dial() -> None:
    async def go() -> None:
        config = {"advertised_host": "kafka.example", "advertised_port": 1234}
        with EmbeddedBroker.in_memory(**config) as broker:
            async with admin_of(broker) as admin:
                assert await admin.brokers() == {0: "kafka.example:1234"}

    asyncio.run(go())


# ---- the disk ----


def test_data_dir_holds_everything_that_is_not_put_elsewhere(tmp_path: Path) -> None:
    async def go() -> None:
        config = {"port": 0, "data_dir": str(tmp_path / "d"), "auto_create_topics": True}
        with EmbeddedBroker(config) as broker:
            await produce(broker, {"topic": "a-b", "value": "v", "partition": 0})
        names = {path.name for path in (tmp_path / "d").rglob("*")}
        assert {"meta.properties", "a-b-0", "__consumer_offsets-0", "checkpoint"} <= names
        assert [path.name for path in tmp_path.iterdir()] == ["d"]

    asyncio.run(go())


def test_log_dirs_share_the_partitions(tmp_path: Path) -> None:
    async def go() -> None:
        dirs = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
        config = {
            "port": 0,
            "dataDir": str(tmp_path / "d"),
            "logDirs": [str(path) for path in dirs],
            "durability": "os",
        }
        broker = EmbeddedBroker(config)
        with broker:
            async with admin_of(broker) as admin:
                await admin.create_topic({"name": "a-b", "partitions": 9})
            await produce(
                broker, *({"topic": "a-b", "partition": n, "value": f"{n}"} for n in range(9))
            )
        held = [{path.name for path in where.iterdir() if path.is_dir()} for where in dirs]
        everything = set().union(*held)
        assert len(everything) == sum(map(len, held))
        assert {f"a-b-{n}" for n in range(9)} <= everything
        assert max(map(len, held)) - min(map(len, held)) <= 1
        assert all(any(name.startswith("a-b-") for name in names) for names in held)
        with broker:  # it finds them again
            async with admin_of(broker) as admin:
                assert await admin.offsets("a-b") == dict.fromkeys(range(9), (0, 1))

    asyncio.run(go())


class CountedFiles(MemoryFiles):
    """Counts the syncs of segments and of the write-ahead log."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        file = super().open(path, create=create)
        return CountedFile(self, path, file._content)


class CountedFile(MemoryFile):
    def datasync(self) -> None:
        super().datasync()
        self._files.synced.append(self.path)


def test_durability_fsync_syncs_before_it_acknowledges() -> None:
    async def go() -> None:
        files = CountedFiles()
        with EmbeddedBroker(port=0, data_dir="/d", files=files, auto_create_topics=True) as broker:
            await produce(broker, {"topic": "a-b", "value": "first"})
            before = sum(path.endswith(".wal") for path in files.synced)
            await produce(broker, *({"topic": "a-b", "value": f"{n}"} for n in range(20)))
            assert sum(path.endswith(".wal") for path in files.synced) >= before + 20

    asyncio.run(go())


def test_durability_os_syncs_nothing_by_itself() -> None:
    async def go() -> None:
        files = CountedFiles()
        with EmbeddedBroker(
            port=0, data_dir="/d", files=files, durability="os", auto_create_topics=True
        ) as broker:
            await produce(broker, *({"topic": "a-b", "value": f"{n}"} for n in range(20)))
            assert not [path for path in files.synced if path.endswith((".wal", ".log"))]

    asyncio.run(go())


def test_durability_interval_syncs_every_so_often() -> None:
    async def go() -> None:
        files = CountedFiles()
        with EmbeddedBroker(
            port=0,
            data_dir="/d",
            files=files,
            durability="interval",
            flush_interval_ms=50,
            auto_create_topics=True,
        ) as broker:
            await produce(broker, {"topic": "a-b", "value": "v", "partition": 0})

            async def synced() -> bool:
                return any("/a-b-0/" in path and path.endswith(".log") for path in files.synced)

            await until(synced)

    asyncio.run(go())


def test_in_memory_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def go() -> None:
        broker = EmbeddedBroker.in_memory(auto_create_topics=True)
        with broker:
            await produce(broker, {"topic": "a-b", "value": "v", "partition": 0})
        with broker:  # it holds what it held, as long as the object is there
            async with admin_of(broker) as admin:
                assert (await admin.offsets("a-b"))[0] == (0, 1)
        with EmbeddedBroker.in_memory() as other:
            async with admin_of(other) as admin:
                assert "a-b" not in await admin.list_topics()

    asyncio.run(go())
    assert list(tmp_path.iterdir()) == []
    assert not Path("/memory").exists()


def test_a_full_disk_in_memory_refuses_records_and_goes_on_when_there_is_room() -> None:
    async def go() -> None:
        files = MemoryFiles(capacity_bytes=300_000)
        with EmbeddedBroker.in_memory(files=files, auto_create_topics=True) as broker:
            producer = StreamProducer(ProducerConfig(retries=0, linger_ms=0, idempotence=False))
            await producer.connect(broker)
            await producer.send({"topic": "a-b", "value": "fits", "partition": 0})
            with pytest.raises(Unavailable):
                await producer.send({"topic": "a-b", "value": "x" * 400_000, "partition": 0})
            files.capacity_bytes = 2_000_000
            result = await producer.send({"topic": "a-b", "value": "x" * 400_000, "partition": 0})
            assert result.offset == 1
            await producer.close()

    asyncio.run(go())


# ---- defaults of topics ----


@pytest.mark.parametrize("is_on", [False, True])
def test_auto_create_topics_decides_whether_a_topic_comes_by_being_used(is_on: bool) -> None:
    async def go() -> None:
        with EmbeddedBroker.in_memory(auto_create_topics=is_on) as broker:
            if is_on:
                await produce(broker, {"topic": "a-b", "value": "v"})
            else:
                with pytest.raises(Invalid, match="Topic a-b does not exist"):
                    await produce(broker, {"topic": "a-b", "value": "v"})

    asyncio.run(go())


def test_num_partitions_is_for_topics_that_do_not_say() -> None:
    async def go() -> None:
        config = {"num_partitions": 5, "auto_create_topics": True}
        with EmbeddedBroker.in_memory(**config) as broker:
            await produce(broker, {"topic": "auto", "value": "v"})
            async with admin_of(broker) as admin:
                assert (await admin.create_topic({"name": "made"})).partitions == 5
                assert (await admin.create_topic({"name": "own", "partitions": 2})).partitions == 2
                assert len(await admin.partitions("auto")) == 5

    asyncio.run(go())


def test_default_replication_factor_is_lowered_to_the_one_broker_without_a_word() -> None:
    async def go() -> None:
        config = {"default_replication_factor": 3, "auto_create_topics": True}
        with EmbeddedBroker.in_memory(**config) as broker:
            await produce(broker, {"topic": "auto", "value": "v"})
            async with admin_of(broker) as admin:
                made = await admin.create_topic({"name": "made"})
                assert (made.replication_factor, made.warnings) == (1, [])
            assert broker.metrics().under_replicated_partitions == 0

    asyncio.run(go())


def test_log_retention_hours_and_its_check_delete_what_is_older() -> None:
    async def go() -> None:
        config = {"log_retention_hours": 2, "log_retention_check_interval_ms": 50}
        with EmbeddedBroker.in_memory(**config) as broker:
            async with admin_of(broker) as admin:
                await admin.create_topic({"name": "a-b", "partitions": 1})
                configs = await admin.topic_configs("a-b")
                assert configs["retention.ms"].value == str(2 * HOUR_MS)
                now_ms = broker_time_ms()
                await produce(
                    broker, {"topic": "a-b", "value": "old", "timestamp": now_ms - 3 * HOUR_MS}
                )

                async def gone() -> bool:
                    return await admin.offsets("a-b") == {0: (1, 1)}

                await until(gone)
                await produce(
                    broker, {"topic": "a-b", "value": "new", "timestamp": now_ms - HOUR_MS}
                )
                assert await admin.offsets("a-b") == {0: (1, 2)}

    asyncio.run(go())
    kept = BrokerConfig(log_retention_hours=-1).broker_settings()
    assert kept.log_retention_ms == -1


def broker_time_ms() -> int:
    from summit.base.clock import SystemClock

    return SystemClock().now_ms()


def test_log_segment_bytes_is_where_a_new_file_begins(tmp_path: Path) -> None:
    async def go() -> None:
        with EmbeddedBroker(
            port=0,
            data_dir=str(tmp_path),
            durability="os",
            log_segment_bytes=2_000,
            auto_create_topics=True,
        ) as broker:
            await produce(
                broker, *({"topic": "a-b", "partition": 0, "value": "x" * 900} for _ in range(6))
            )
        sizes = [path.stat().st_size for path in tmp_path.rglob("a-b-0/*.log")]
        assert len(sizes) == 3
        assert max(sizes) <= 2_000

    asyncio.run(go())


# ---- sockets ----


def test_socket_buffers_are_those_of_each_connection() -> None:
    config = {"socket_send_buffer_bytes": 40_000, "socket_receive_buffer_bytes": 50_000}
    with EmbeddedBroker.in_memory(**config) as broker:
        host, port = broker.address.split(":")
        with socket.create_connection((host, int(port)), timeout=WAIT_S) as client:
            client.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))  # ApiVersions
            assert client.recv(8)[4:] == struct.pack(">i", 7)
            server = broker._thread._broker  # the options of the other end are not on the wire
            (connection,) = server._connections
            sock = connection._transport.get_extra_info("socket")
            # Linux reports twice of what it was given.
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (40_000, 80_000)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (50_000, 100_000)


def test_socket_request_max_bytes_ends_a_connection_that_asks_for_more() -> None:
    with EmbeddedBroker.in_memory(socket_request_max_bytes=10_000) as broker:
        host, port = broker.address.split(":")
        with socket.create_connection((host, int(port)), timeout=WAIT_S) as client:
            client.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
            assert client.recv(4096)
            client.sendall(struct.pack(">ihhih", 10_001, 18, 0, 8, -1))
            assert client.recv(4096) == b""


# ---- what is refused, and how it is said ----


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"brokerID": 1}, "did you mean 'brokerId'"),
        ({"brokerId": -1}, "broker_id"),
        ({"host": 5}, "host"),
        ({"port": 70_000}, "port"),
        ({"dataDir": ""}, "data_dir"),
        ({"logDirs": ["a", ""]}, "logDirs: a directory's name is empty"),
        ({"durability": "never"}, "durability"),
        ({"flushIntervalMs": 100}, "flushIntervalMs: only durability 'interval'"),
        ({"numPartitions": 0}, "num_partitions"),
        ({"defaultReplicationFactor": 0}, "default_replication_factor"),
        ({"logRetentionHours": 0}, "logRetentionHours"),
        ({"logSegmentBytes": 1}, "log_segment_bytes"),
        ({"logRetentionCheckIntervalMs": 0}, "log_retention_check_interval_ms"),
        ({"advertisedHost": ""}, "advertisedHost"),
        ({"advertisedPort": 0}, "advertised_port"),
        ({"socketRequestMaxBytes": 0}, "socket_request_max_bytes"),
        ({"numNetworkThreads": 8}, "numNetworkThreads: the embedded broker has one"),
        ({"numIoThreads": 8}, "numIoThreads: the embedded broker has one"),
        ({"tls": {"certfile": "x"}}, "unknown key 'certfile'"),
        ({"tls": True}, "tls: say how"),
        ({"sasl": {"mechanisms": ["GSSAPI"]}}, "sasl_enabled_mechanisms: 'GSSAPI' is not of"),
        ({"acl": [{"allow": "*"}]}, "acl: not available yet: not through this class"),
        ({"inMemory": True, "dataDir": "d"}, "dataDir: with inMemory nothing is on a disk"),
        ({"inMemory": True, "logDirs": ["d"]}, "logDirs: with inMemory nothing is on a disk"),
        ({"inMemory": True, "durability": "fsync"}, "durability: with inMemory"),
    ],
)
def test_what_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        MessageBroker(values)


def test_what_asks_for_nothing_special_is_taken() -> None:
    config = BrokerConfig(num_network_threads=1, num_io_threads=1, tls=False, sasl=None, acl=[])
    assert config.broker_settings() == BrokerSettings(broker_id=0, host="localhost")


def test_the_guides_configuration() -> None:
    broker = MessageBroker(
        {
            "brokerId": 0,
            "host": "localhost",
            "port": 9092,
            "dataDir": "/tmp/stream-data",
            "logDirs": ["/tmp/stream-logs"],
        }
    )
    settings = broker.config.broker_settings()
    assert (settings.broker_id, settings.host, settings.port) == (0, "localhost", 9092)
    assert settings.data_dir == "/tmp/stream-data"
    assert settings.partition_dirs == ["/tmp/stream-logs"]
    assert MessageBroker().config == BrokerConfig()
    assert BrokerConfig(log_retention_hours=168).broker_settings().log_retention_ms == 604_800_000
