"""Starting, stopping, restarting, locking; failing and full disks; threads and files."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.broker.test_groups_on_the_wire import commit, committed, join, sync
from tests.broker.wire import Wire, batch_of, fetch_request, produce_request, records_of
from tests.sim.faulty_files import FaultyFiles

from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.broker import Broker, BrokerSettings, BrokerThread
from summit.broker.main import run
from summit.protocol import codes
from summit.protocol.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from summit.protocol.fetch import FETCH
from summit.protocol.produce import PRODUCE

Start = Callable[..., BrokerThread]
DURABILITIES = ["fsync", "interval", "os"]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_everything_is_there_after_a_restart(start_broker: Start, durability: str) -> None:
    broker = start_broker(durability=durability)
    cluster_id = broker.cluster_id
    with Wire(broker.port) as wire:
        topic_id = wire.create_topic("t", 2).topic_id
        for i in range(20):
            batch = batch_of(b"%d" % i, producer_id=4, producer_epoch=0, base_sequence=i)
            assert wire.produce("t", batch).base_offset == i
    broker.stop()
    again = start_broker(durability=durability)
    assert again.cluster_id == cluster_id
    with Wire(again.port) as wire:
        found = wire.metadata("t").topics[0]
        assert (found.topic_id, len(found.partitions)) == (topic_id, 2)
        assert wire.fetch_values("t") == [b"%d" % i for i in range(20)]
        repeated = batch_of(b"19", producer_id=4, producer_epoch=0, base_sequence=19)
        assert wire.produce("t", repeated).base_offset == 19, "producers are remembered"
        fresh = batch_of(b"20", producer_id=4, producer_epoch=0, base_sequence=20)
        assert wire.produce("t", fresh).base_offset == 20


def test_an_empty_partition_costs_no_snapshot_and_comes_back(
    start_broker: Start, tmp_path: Path
) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("t", 2)
        wire.produce("t", batch_of(b"a"), index=1)
    broker.stop()
    found = [path.parent.name for path in (tmp_path / "data" / "topics").rglob("t-*/*.snapshot")]
    assert found == ["t-1"]
    again = start_broker()
    with Wire(again.port) as wire:
        assert wire.fetch_values("t") == []
        fresh = batch_of(b"b", producer_id=4, producer_epoch=0, base_sequence=0)
        assert wire.produce("t", fresh).base_offset == 0
        assert wire.ask_values("t", 1) == [b"a"]


def test_deleted_topics_stay_deleted(start_broker: Start) -> None:
    broker = start_broker(durability="fsync")
    with Wire(broker.port) as wire:
        wire.create_topic("gone")
        wire.produce("gone", batch_of(b"x"))
        wire.ask(DELETE_TOPICS, 5, DeleteTopicsRequest(topic_names=["gone"], timeout_ms=0))
    broker.stop()
    with Wire(start_broker(durability="fsync").port) as wire:
        assert wire.metadata("gone").topics[0].error_code == codes.UNKNOWN_TOPIC_OR_PARTITION


def test_partitions_that_no_fact_names(start_broker: Start, tmp_path: Path) -> None:
    """What a crash left of a creation goes; a lost catalogue does not cost anybody's records."""
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("empty")
        wire.create_topic("full", 2)
        wire.produce("full", batch_of(b"precious"), index=1)
    broker.stop()
    for file in (tmp_path / "data/topics/__cluster_metadata-0").iterdir():
        file.unlink()
    (tmp_path / "data/topics/__cluster_metadata-0").rmdir()
    with Wire(start_broker().port) as wire:
        assert wire.metadata("empty").topics[0].error_code == codes.UNKNOWN_TOPIC_OR_PARTITION
        assert len(wire.metadata("full").topics[0].partitions) == 2
        assert wire.ask_values("full", 1) == [b"precious"]


def test_second_broker_on_the_same_directory_is_refused(start_broker: Start) -> None:
    first = start_broker()
    with pytest.raises(Conflict, match=f"in use by another process .pid {os.getpid()}."):
        start_broker()
    with Wire(first.port) as wire:
        assert wire.metadata().brokers


def test_taken_port_leaves_the_directory_free(start_broker: Start, tmp_path: Path) -> None:
    first = start_broker(data_dir=str(tmp_path / "other"))
    taken = first.port
    with pytest.raises(Conflict, match=f"{taken} is already in use"):
        start_broker(port=taken)
    assert start_broker().port != taken


def test_format_of_a_later_version(start_broker: Start, tmp_path: Path) -> None:
    start_broker().stop()
    file = tmp_path / "data/meta.properties"
    assert "cluster.id=" in file.read_text()
    file.write_text(file.read_text().replace("version=1", "version=2"))
    with pytest.raises(Invalid, match="format version 2"):
        start_broker()


def test_thread_before_and_after(start_broker: Start, tmp_path: Path) -> None:
    thread = BrokerThread(BrokerSettings(port=0, data_dir=str(tmp_path / "x"), durability="os"))
    with pytest.raises(Closed):
        thread.metrics()
    thread.stop()
    thread.start()
    assert thread.is_running
    with pytest.raises(Closed):
        thread.start()
    thread.stop()
    thread.stop()
    assert not thread.is_running
    assert not [t for t in threading.enumerate() if t.name.startswith("summit-")]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_stop_answers_what_it_has_taken(start_broker: Start, durability: str) -> None:
    broker = start_broker(durability=durability)
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        for _ in range(300):
            wire.send(PRODUCE, 9, produce_request("t", batch_of(b"x" * 1000)))
        stopper = threading.Thread(target=broker.stop)
        stopper.start()
        answered = 0
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                answer = wire.receive(PRODUCE, 9).topics[0].partitions[0]
                assert (answer.error_code, answer.base_offset) == (codes.NONE, answered)
                answered += 1
        stopper.join()
    with Wire(start_broker(durability=durability).port) as wire:
        assert wire.fetch("t", 0).high_watermark >= answered


def test_silent_connections_are_closed(start_broker: Start) -> None:
    broker = start_broker()
    with Wire(broker.port) as silent, Wire(broker.port) as lively:
        assert silent.metadata().brokers
        inner = broker._broker
        assert inner is not None

        def ten_minutes_pass() -> None:
            inner.tick += 599
            while inner.tick % 30:
                inner.close_idle()

        assert lively.metadata().brokers
        broker._call(ten_minutes_pass)
        assert lively.metadata().brokers, "not yet"
        for _ in range(3):
            broker._call(lambda: [inner.close_idle() for _ in range(30)])
            assert lively.metadata().brokers
        assert silent.is_closed_by_broker()


def test_on_the_standard_event_loop(start_broker: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop is an extra: everything works without it."""
    monkeypatch.setattr("summit.broker.thread.new_event_loop", asyncio.new_event_loop)
    broker = start_broker(durability="fsync")
    with Wire(broker.port) as wire, Wire(broker.port) as reader:
        wire.create_topic("t")
        request = fetch_request([("t", 0, 0)], max_wait_ms=20_000, min_bytes=400_000)
        waiting = reader.send(FETCH, 12, request)
        large = batch_of(b"x" * 300_000)
        sent = [wire.send(PRODUCE, 9, produce_request("t", large)) for _ in range(10)]
        for offset, each in enumerate(sent):
            answer = wire.receive(PRODUCE, 9, each).topics[0].partitions[0]
            assert answer.base_offset == offset
        part = reader.receive(FETCH, 12, waiting).topics[0].partitions[0]
        assert len(records_of(part.records)) >= 2
        assert wire.ask_values("t", 0) == [b"x" * 300_000] * 10


def test_metrics_count_and_rate(start_broker: Start) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("m")
        wire.produce("m", batch_of(b"a", b"b"))
        wire.produce("m", batch_of(b"c"))
        wire.fetch("m", 0)
        found = broker.metrics()
    assert (found["messages_in"], found["messages_out"]) == (3, 3)
    assert found["bytes_in"] == found["bytes_out"] > 0
    assert found["messages_in_per_s"] > 0
    assert (found["produce_requests"], found["fetch_requests"]) == (2, 1)
    assert found["by_api"]["CreateTopics"] == 1
    assert (found["connections"], found["topics"]) == (1, 3)


def test_records_that_are_read_in_pieces_are_counted_once(start_broker: Start) -> None:
    broker = start_broker(log_segment_bytes=2_000)
    with Wire(broker.port) as wire:
        wire.create_topic("m")
        for _ in range(40):
            wire.produce("m", batch_of(b"x" * 100, b"y" * 100))
        offset = 0
        while offset < 80:
            part = wire.fetch("m", offset, partition_max_bytes=700)
            offset = records_of(part.records)[-1].offset + 1
        assert broker.metrics()["messages_out"] == 80
        wire.fetch("m", 79)  # the second record of a batch
        assert broker.metrics()["messages_out"] == 81


def test_the_log_of_facts_is_kept_short(start_broker: Start) -> None:
    broker = start_broker(durability="fsync")
    housekeeping = broker._broker._housekeeping  # type: ignore[union-attr]
    assert housekeeping is not None
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        wire.create_topic("kept", retention_ms="7000")
        for _ in range(10):
            wire.create_topic("again")
            gone = DeleteTopicsRequest(topic_names=["again"], timeout_ms=0)
            wire.ask(DELETE_TOPICS, 5, gone)
        housekeeping.rewriter.records_min = 10
        broker._call(housekeeping.rewrite)
        assert commit(wire, "late", "t", 9) == codes.NONE
    log = housekeeping.rewriter._log
    assert log.high_watermark - log.start_offset == 5
    broker.stop()
    with Wire(start_broker(durability="fsync").port) as wire:
        assert committed(wire, "late", "t").committed_offset == 9
        assert wire.create_topic("kept").error_code == codes.TOPIC_ALREADY_EXISTS
        assert wire.create_topic("again").error_code == codes.NONE


def test_committed_offsets_are_compacted(start_broker: Start) -> None:
    quick: dict[str, Any] = {
        "durability": "fsync", "log_cleaner_enable": True,
        "log_cleaner_backoff_ms": 30, "checkpoint_interval_ms": 30,
    }  # fmt: skip
    broker = start_broker(**quick)
    state = broker._broker._state  # type: ignore[union-attr]
    assert state is not None
    log = state.coordinator.log
    assert log.config.compact
    assert not log.config.delete
    log.config = replace(log.config, segment_bytes=4096)
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        joined = join(wire, "members")
        sync(wire, "members", joined, b"mine")
        for offset in range(200):
            assert commit(wire, "g", "t", offset) == codes.NONE
        before = log.size_bytes
        wait_for(lambda: log.cleaned_offset > 150)
        assert log.size_bytes < before // 2
        assert commit(wire, "late", "t", 9) == codes.NONE
    broker.stop()
    with Wire(start_broker(**quick).port) as wire:
        assert committed(wire, "g", "t").committed_offset == 199
        assert committed(wire, "late", "t").committed_offset == 9
        assert sync(wire, "members", joined).assignment == b"mine"


def test_retention_moves_the_start_and_frees_the_disk(start_broker: Start, tmp_path: Path) -> None:
    broker = start_broker(
        log_segment_bytes=2_000, log_retention_check_interval_ms=30, flush_interval_ms=30,
        durability="interval",
    )  # fmt: skip
    with Wire(broker.port) as wire:
        wire.create_topic("short", retention_bytes="4000")
        wire.create_topic("long")
        for name in ("short", "long"):
            for _ in range(20):
                wire.produce(name, batch_of(b"x" * 900, first_ms=time.time_ns() // 1_000_000))
        directory = tmp_path / "data/topics/short-0"
        wait_for(lambda: len(list(directory.glob("*.log"))) <= 4)
        part = wire.fetch("short", 0)
        assert part.error_code == codes.OFFSET_OUT_OF_RANGE
        assert part.high_watermark == 20
        assert 0 < part.log_start_offset < 20
        assert wire.fetch_values("short", part.log_start_offset)
        assert len(wire.ask_values("long", 0)) == 20
    broker.stop()
    with Wire(start_broker().port) as wire:
        assert wire.fetch("short", 0).log_start_offset >= part.log_start_offset


def test_partitions_are_spread_over_log_directories(start_broker: Start, tmp_path: Path) -> None:
    directories = [str(tmp_path / name) for name in ("one", "two")]
    broker = start_broker(log_dirs=directories)
    with Wire(broker.port) as wire:
        wire.create_topic("t", 4)
        for index in range(4):
            wire.produce("t", batch_of(b"%d" % index), index=index)
    broker.stop()
    assert all(len(list(Path(path).glob("t-*"))) == 2 for path in directories)
    with Wire(start_broker(log_dirs=directories).port) as wire:
        assert [wire.ask_values("t", i) for i in range(4)] == [[b"0"], [b"1"], [b"2"], [b"3"]]


# ---- disks that fail ----


def test_failed_sync_stops_the_broker(start_broker: Start) -> None:
    files = FaultyFiles()
    failed: list[SummitError] = []
    broker = start_broker(
        files=files,
        data_dir="data",
        durability="fsync",
        wal_file_bytes=256 << 10,
        on_failed=failed.append,
    )
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        assert wire.produce("t", batch_of(b"kept")).error_code == codes.NONE
        fail_next(files, "datasync", errno.EIO)
        answer = wire.produce("t", batch_of(b"lost"))
        assert answer.error_code == codes.KAFKA_STORAGE_ERROR
        assert wire.is_closed_by_broker()
    wait_for(lambda: bool(failed))
    assert failed[0].code == "disk.sync_failed"
    assert not broker.is_running
    with pytest.raises(OSError):
        Wire(broker.port)
    broker.stop()
    with Wire(start_broker(files=files.crash("none"), data_dir="data").port) as wire:
        assert wire.fetch_values("t") == [b"kept"]


def fail_next(files: FaultyFiles, operation: str, code: int) -> None:
    """Make the next `operation` fail, whenever it comes."""
    step = files.step

    def failing(name: str, path: str) -> int | None:
        fault = step(name, path)
        return code if name == operation else fault

    files.step = failing  # type: ignore[method-assign]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_full_disk_fails_writes_until_there_is_room(start_broker: Start, durability: str) -> None:
    files = FaultyFiles()
    broker = start_broker(
        files=files, data_dir="data", durability=durability, wal_file_bytes=256 << 10
    )
    batch = batch_of(b"x" * 10_000)
    with Wire(broker.port) as wire, Wire(broker.port) as other:
        wire.create_topic("t")
        assert wire.produce("t", batch).base_offset == 0
        files.capacity_bytes = files.used_bytes() + 5_000
        for _ in range(3):
            answer = wire.produce("t", batch)
            assert answer.error_code == codes.KAFKA_STORAGE_ERROR
            assert "no space left" in answer.error_message
        assert other.fetch("t", 0).high_watermark == 1, "readers are served"
        small = batch_of(b"y", producer_id=3, producer_epoch=0, base_sequence=0)
        assert wire.produce("t", small).base_offset == 1, "what fits is taken"
        files.capacity_bytes = None
        assert wire.produce("t", batch).base_offset == 2
        assert len(wire.fetch_values("t")) == 3
    assert broker.is_running


def test_full_disk_refuses_new_topics_and_commits(start_broker: Start) -> None:
    files = FaultyFiles()
    broker = start_broker(files=files, data_dir="data", durability="fsync")
    with Wire(broker.port) as wire:
        wire.create_topic("before")
        files.capacity_bytes = files.used_bytes()
        assert wire.create_topic("during").error_code == codes.KAFKA_STORAGE_ERROR
        files.capacity_bytes = None
        assert wire.create_topic("during").error_code == codes.NONE
        assert wire.produce("during", batch_of(b"x")).base_offset == 0


class Freezing(FaultyFiles):
    """A disk that at one call becomes what was durable then, and from there on only fails."""

    def __init__(self, seed: int, frozen_at: int) -> None:
        super().__init__(seed)
        self.frozen_at = frozen_at
        self.after: FaultyFiles | None = None

    def step(self, operation: str, path: str) -> int | None:
        if self.after is not None:
            return errno.EIO
        if self.calls == self.frozen_at:
            self.after = FaultyFiles(root=self.root.survive(self.chance, "none", {}))
            return errno.EIO
        return super().step(operation, path)


@pytest.mark.parametrize("seed", range(12))
def test_no_answer_precedes_its_sync(start_broker: Start, seed: int) -> None:
    """The power goes at some call and every unsynced write is lost: no acknowledged one is."""
    files = Freezing(seed, frozen_at=100 + 41 * seed)
    disk = {"data_dir": "data", "durability": "fsync", "wal_file_bytes": 256 << 10}
    broker = start_broker(files=files, **disk)
    acked: dict[int, list[bytes]] = {0: [], 1: []}
    with Wire(broker.port) as wire:
        wire.create_topic("t", 2)

    def write(index: int) -> None:
        try:
            with Wire(broker.port) as wire:
                for i in range(2000):
                    value = b"%d-%d" % (index, i)
                    batch = batch_of(value, producer_id=index, producer_epoch=0, base_sequence=i)
                    if wire.produce("t", batch, index=index).error_code != codes.NONE:
                        return
                    acked[index].append(value)
        except (EOFError, OSError):
            return

    writers = [threading.Thread(target=write, args=(index,)) for index in acked]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    broker.stop()
    assert files.after is not None
    assert acked[0] or acked[1]
    with Wire(start_broker(files=files.after, **disk).port) as wire:
        for index, values in acked.items():
            found = wire.ask_values("t", index)
            assert found[: len(values)] == values, "acknowledged and lost"
            assert len(set(found)) == len(found), "doubled"


def wait_for(what: Callable[[], Any], timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_taken_port_fails_the_start_and_leaves_the_directory_usable(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            broker = Broker(BrokerSettings(host="127.0.0.1", port=port, data_dir=str(tmp_path)))
            with pytest.raises(Conflict, match="in use"):
                await broker.start()
            await broker.stop()
            assert not broker.failed.done()
        again = Broker(BrokerSettings(host="127.0.0.1", port=0, data_dir=str(tmp_path)))
        await again.start()
        await again.stop()

    asyncio.run(scenario())


def test_a_process_never_looks_again_through_what_its_start_has_made(tmp_path: Path) -> None:
    frozen: list[int] = []

    def on_ready(broker: Broker) -> None:
        frozen.append(gc.get_freeze_count())
        os.kill(os.getpid(), signal.SIGTERM)

    before = gc.get_freeze_count()
    try:
        assert run(BrokerSettings(port=0, data_dir=str(tmp_path), durability="os"), on_ready) == 0
    finally:
        gc.unfreeze()
    assert frozen[0] > before + 1_000
