"""Backups: of one moment under load, refused when damaged, restored whole or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition
from tests.broker.transactions import TxnProducer
from tests.broker.wire import Wire, batch_of

from summit.base.clock import SystemClock
from summit.base.errors import Closed, Conflict, Corrupt, Invalid
from summit.base.files import OsFiles, ReadOnlyFiles
from summit.base.memory_files import MemoryFiles
from summit.broker import BrokerThread
from summit.cli.main import root
from summit.inspection import verify
from summit.log import LogStore
from summit.log.backup import BackupFile, Manifest, restore_backup

Start = Callable[..., BrokerThread]


def restore(backup: Path, target: Path) -> None:
    restore_backup(ReadOnlyFiles(), str(backup), OsFiles(), str(target), lambda size: None)


def committed(broker: BrokerThread, topic: str) -> list[int]:
    """The numbers that a reader of committed data gets from a topic of one partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{broker.port}", "group.id": "check",
            "isolation.level": "read_committed", "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )  # fmt: skip
    found: list[int] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        for _ in range(600):
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error() is not None:
                return found  # the end
            found.append(int(message.value() or b""))
    finally:
        consumer.close()
    raise AssertionError("the end was not reached")


def group_offset(broker: BrokerThread, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{broker.port}", "group.id": group})
    try:
        (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=60)
        return max(found.offset, 0)
    finally:
        consumer.close()


class Load:
    """Transactions, each of one number to two topics and a group's offset; every third aborts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.count = 0
        self.error: BaseException | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def wait_for(self, count: int) -> None:
        pause = threading.Event()
        for _ in range(6_000):
            if self.count >= count or self.error is not None:
                return
            pause.wait(0.02)
        raise AssertionError(self.count)

    def _run(self) -> None:
        try:
            with Wire(self.port, timeout_s=60) as wire:
                producer = TxnProducer(wire, "load")
                assert producer.init() == 0
                while not self._end.is_set():
                    commits = self.count % 3 != 2
                    value = b"%d" % self.count
                    for topic in ("debit", "credit"):
                        assert producer.send(topic, value) == 0
                    assert producer.commit_offset("ledger", "debit", self.count + 1) == 0
                    assert producer.end(commits=commits) == 0
                    self.count += 1
        except BaseException as error:  # noqa: BLE001 - told by the other thread
            self.error = error


def test_a_backup_under_load_is_of_one_moment(start_broker: Start, tmp_path: Path) -> None:
    broker = start_broker(durability="fsync", checkpoint_interval_ms=200)
    with Wire(broker.port) as wire:
        for topic in ("debit", "credit"):
            assert wire.create_topic(topic, **{"segment.bytes": "4096"}).error_code == 0
    before = []
    with Load(broker.port) as load:
        for number in range(3):
            load.wait_for(load.count + 15)
            at_least = load.count
            broker.backup(str(tmp_path / f"backup-{number}"))
            before.append((at_least, load.count + 1))
    broker.stop()
    for number, (least, most) in enumerate(before):
        backup, data_dir = tmp_path / f"backup-{number}", tmp_path / f"restored-{number}"
        restore(backup, data_dir)
        for where in (backup, data_dir):
            assert {f.what for f in verify(ReadOnlyFiles(), str(where))} == {"sound"}
        restored = start_broker(data_dir=str(data_dir), durability="fsync")
        debits, credits = committed(restored, "debit"), committed(restored, "credit")
        assert debits == credits  # whole transactions
        count = debits[-1] + 1
        assert debits == [n for n in range(count) if n % 3 != 2]  # a prefix
        assert least - 1 <= count <= most
        assert group_offset(restored, "ledger", "debit") == count
        with Wire(restored.port) as wire:  # and it goes on
            producer = TxnProducer(wire, "load")
            assert producer.init() == 0
            assert producer.send("debit", b"9999") == 0
            assert producer.end(commits=True) == 0
        assert committed(restored, "debit")[-1] == 9999
        restored.stop()


def test_what_is_deleted_meanwhile_is_in_it_all_the_same(
    start_broker: Start, tmp_path: Path
) -> None:
    broker = start_broker(log_segment_bytes=2_000)
    with Wire(broker.port) as wire:
        assert wire.create_topic("kept").error_code == 0
        for n in range(20):
            assert wire.produce("kept", batch_of(b"%d" % n + b"x" * 300)).error_code == 0
    data_dir = Path(broker.settings.data_dir)
    broker.stop()
    store = LogStore.open(OsFiles(), str(data_dir), clock=SystemClock())
    cut = store.cut()
    wanted = b"".join(p.read_bytes() for p in sorted((data_dir / "topics/kept-0").glob("*.log")))
    assert store.delete_topic("kept")
    store.create_partition("kept", UUID(int=9), 0)  # another one of that name
    store.checkpoint()
    files = {each.path: b"".join(each.pieces) for each in cut.files()}
    found = b"".join(
        data
        for path, data in sorted(files.items())
        if path.startswith("topics/kept-0/") and path.endswith(".log")
    )
    assert found == wanted
    assert list((data_dir / "topics").glob("kept-0.*-delete"))
    cut.release()
    store.checkpoint()
    assert not list((data_dir / "topics").glob("kept-0.*-delete"))
    store.close()


@pytest.fixture
def backup(start_broker: Start, tmp_path: Path) -> Path:
    broker = start_broker(durability="fsync")
    with Wire(broker.port) as wire:
        assert wire.create_topic("t").error_code == 0
        assert wire.produce("t", batch_of(b"1", b"2")).error_code == 0
    broker.backup(str(tmp_path / "backup"))
    broker.stop()
    return tmp_path / "backup"


def test_a_damaged_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    def flip(path: Path, data: bytes) -> None:
        at = len(data) // 2
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])

    def cut(path: Path, data: bytes) -> None:
        path.write_bytes(data[:-1])

    def lose(path: Path, data: bytes) -> None:
        path.unlink()

    whole = [path for path in sorted(backup.rglob("*")) if path.is_file()]
    assert len(whole) > 12
    for path in whole:
        data = path.read_bytes()
        for damage in (flip, cut, lose):
            if data:
                damage(path, data)
            else:
                path.write_bytes(b"x")
            with pytest.raises(Corrupt) as refusal:
                restore(backup, tmp_path / "new")
            assert refusal.value.code == "backup.damaged"
            assert refusal.value.details["path"] == str(path)
            assert not (tmp_path / "new").exists()
            path.write_bytes(data)
    restore(backup, tmp_path / "new")


def test_a_path_that_leads_out_is_refused(backup: Path, tmp_path: Path) -> None:
    evil = Manifest(1, 0, [BackupFile("../evil", 0, "")]).sealed()
    (backup / "manifest.json").write_bytes(msgspec.json.encode(evil))
    with pytest.raises(Corrupt, match="leads out"):
        restore(backup, tmp_path / "new")


def test_nothing_is_overwritten(start_broker: Start, backup: Path, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine.txt").write_text("x")
    with pytest.raises(Conflict, match="not an empty directory"):
        restore(backup, used)
    broker = start_broker(data_dir=str(tmp_path / "other"))
    for target in (used, backup, used / "mine.txt"):
        with pytest.raises(Conflict, match="not an empty directory"):
            broker.backup(str(target))
    with pytest.raises(Conflict, match="lies in the data directory"):
        broker.backup(str(tmp_path / "other" / "inside"))
    assert [path.name for path in used.iterdir()] == ["mine.txt"]
    broker.stop()
    with pytest.raises(Closed):
        broker.backup(str(tmp_path / "late"))


def test_an_interrupted_restoring_is_begun_anew(
    start_broker: Start, backup: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new"
    pieces = 0

    def fail(size: int) -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_backup(ReadOnlyFiles(), str(backup), OsFiles(), str(target), fail)
    assert [path.name for path in target.iterdir()] == [".restoring"]
    restore(backup, target)
    assert sorted(path.name for path in target.iterdir()) == [
        "checkpoint", "meta.properties", "topics",
    ]  # fmt: skip
    broker = start_broker(data_dir=str(target))
    assert committed(broker, "t") == [1, 2]


def test_a_backup_of_a_broker_in_memory_is_on_the_disk(start_broker: Start, tmp_path: Path) -> None:
    broker = start_broker(files=MemoryFiles(), data_dir="/memory")
    with Wire(broker.port) as wire:
        assert wire.create_topic("t").error_code == 0
        assert wire.produce("t", batch_of(b"1")).error_code == 0
    broker.backup(str(tmp_path / "backup"))
    restore(tmp_path / "backup", tmp_path / "new")
    assert committed(start_broker(data_dir=str(tmp_path / "new")), "t") == [1]


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(root, ["broker", *arguments, "-o", "json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_commands(start_broker: Start, tmp_path: Path) -> None:
    broker = start_broker()
    data_dir = broker.settings.data_dir
    with Wire(broker.port) as wire:
        assert wire.create_topic("t").error_code == 0
        assert wire.produce("t", batch_of(b"1", b"2")).error_code == 0
    asked = run("backup", str(tmp_path / "running"), "--data-dir", data_dir)
    assert asked["files"] > 5
    for refused in (str(tmp_path / "running"), f"{data_dir}/inside"):
        with pytest.raises(Conflict, match="no backup was made"):
            run("backup", refused, "--data-dir", data_dir)
    broker.stop()
    with pytest.raises(Conflict, match="lies in the data directory"):
        run("backup", f"{data_dir}/inside", "--data-dir", data_dir)
    made = run("backup", str(tmp_path / "stopped"), "--data-dir", data_dir)
    assert made["files"] > 5
    with pytest.raises(Invalid, match="is not the data directory of a broker"):
        run("backup", str(tmp_path / "none"), "--data-dir", str(tmp_path / "nothing"))
    for name in ("running", "stopped"):
        target = str(tmp_path / f"new-{name}")
        assert run("restore", str(tmp_path / name), "--data-dir", target)["files"] > 5
        assert committed(start_broker(data_dir=target), "t") == [1, 2]


def test_one_at_a_time_and_a_stop_ends_it(
    start_broker: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, errors = threading.Event(), []

    def endless(*_: object, progress: Callable[[int], None], **__: object) -> None:
        began.set()
        for _n in range(12_000):
            threading.Event().wait(0.01)
            progress(1)

    monkeypatch.setattr("summit.broker.backing_up.write_backup", endless)
    broker = start_broker()

    def first() -> None:
        try:
            broker.backup(str(tmp_path / "first"))
        except Closed as error:
            errors.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(60)
    with pytest.raises(Conflict, match="another backup is being made"):
        broker.backup(str(tmp_path / "second"))
    broker.stop()
    thread.join(60)
    assert [error.code for error in errors] == ["broker.not_running"]


def test_an_old_request_is_not_served(start_broker: Start, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    start_broker().stop()
    for content in (b'{"id":"1","target":"/nowhere/at/all"}', b"what"):
        (data_dir / "backup-request").write_bytes(content)
        start_broker().stop()
        assert not (data_dir / "backup-request").exists()
        assert not (data_dir / "backup-answer").exists()


@pytest.mark.parametrize("was_clean", [True, False])
def test_a_backup_of_a_stopped_broker_does_not_hide_a_crash(
    start_broker: Start, tmp_path: Path, was_clean: bool
) -> None:
    """The next start has to end what was open when it came."""
    broker = start_broker()
    data_dir = tmp_path / "data"
    broker.stop()
    mark = data_dir / "clean-shutdown"
    if not was_clean:
        mark.unlink()
    words = ["broker", "backup", str(tmp_path / "copy"), "--data-dir", str(data_dir)]
    done = CliRunner().invoke(root, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert mark.exists() == was_clean
