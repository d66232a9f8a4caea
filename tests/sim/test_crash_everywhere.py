"""Power cuts at every point of a run: what was acknowledged under `fsync` is there afterwards.

A script, drawn from a seed, writes batches of idempotent and plain producers to three partitions
with small segments, makes checkpoints, rolls files of the write-ahead log and has groups in flight.
It runs once to count the disk's calls, then once per call with the power cut in the middle of that
one; what was not synced survives in part or not at all. After recovery

- every acknowledged batch is read back at its offset;
- whatever else is there was sent, at that offset, and is whole;
- a producer that sends its last batches again is told the offsets of before, not given new ones.

Replay one case: `run_case(seed, call)`.
"""

from __future__ import annotations

import contextlib
import errno
import random
from uuid import UUID

import pytest
from tests.sim.faulty_files import FaultyFiles, PowerCut
from tests.sim.log_world import NOW_MS, a_batch, contents, open_store

from summit.base.errors import Corrupt, Unavailable
from summit.log import AppendResult, LogConfig, LogStore, PartitionLog

PARTITIONS = 3
CONFIG = LogConfig(segment_bytes=2000, index_interval_bytes=200)
TOPIC_ID = UUID(int=99)


class Ledger:
    """What clients sent and what they were promised."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, dict[int, str]] = {p: {} for p in range(PARTITIONS)}
        self.sent: dict[int, dict[int, set[str]]] = {p: {} for p in range(PARTITIONS)}
        # Per producer and partition: (sequence, values, base offset) of acknowledged batches.
        self.produced: dict[tuple[int, int], list[tuple[int, list[str], int]]] = {}
        self.next_sequence: dict[tuple[int, int], int] = {}


class Run:
    """One run of a script on one disk."""

    def __init__(self, seed: int, files: FaultyFiles) -> None:
        self.chance = random.Random(seed)
        self.files = files
        self.ledger = Ledger()
        self.counter = 0
        self.unsettled: list[tuple[int, AppendResult, list[str], tuple[int, int, int]]] = []
        self.store: LogStore
        self.logs: list[PartitionLog]

    def go(self, steps: int = 14) -> None:
        self.store = open_store(self.files, config=CONFIG, wal_file_bytes=8192)
        self.logs = self.store.create_partitions("t", TOPIC_ID, range(PARTITIONS), CONFIG)
        for _ in range(steps):
            self.step()
        self.store.close()

    def step(self) -> None:
        """Stage some batches and commit them, or do some maintenance."""
        action = self.chance.random()
        if action < 0.1:
            self.store.checkpoint()
            return
        checkpoint = self.store.begin_checkpoint() if action > 0.75 else None
        for _ in range(self.chance.randint(1, 4)):
            self.stage()
        if action < 0.3:
            return  # two steps' batches in one group
        first = self.store.seal()
        if first is None:
            return
        in_first = len(self.unsettled)
        if action > 0.8:
            self.stage()  # the next group is sealed before this one is settled
        second = self.store.seal() if action > 0.9 else None
        first.persist()
        first.publish()
        self.settle(in_first)
        if second is not None:
            second.persist()
            second.publish()
            self.settle(len(self.unsettled))
        if checkpoint is not None:
            checkpoint.run()

    def stage(self) -> None:
        partition = self.chance.randrange(PARTITIONS)
        producer_id = self.chance.choice([-1, 1, 2])
        values = []
        for _ in range(self.chance.randint(1, 3)):
            self.counter += 1
            values.append(f"v{self.counter}" + "." * self.chance.choice([0, 10, 300]))
        key = (producer_id, partition)
        sequence = self.ledger.next_sequence.get(key, 0) if producer_id >= 0 else -1
        producer = (producer_id, 0 if producer_id >= 0 else -1, sequence)
        batch = a_batch(*values, producer=producer, codec=self.chance.choice([0, 0, 1, 4]))
        result = self.logs[partition].stage(batch, NOW_MS)
        assert not result.duplicate
        self.ledger.next_sequence[key] = sequence + len(values)
        for i, value in enumerate(values):
            self.ledger.sent[partition].setdefault(result.base_offset + i, set()).add(value)
        self.unsettled.append((partition, result, values, producer))

    def settle(self, count: int) -> None:
        """Note the acknowledgement of the first `count` unsettled batches."""
        for partition, result, values, producer in self.unsettled[:count]:
            for i, value in enumerate(values):
                self.ledger.acknowledged[partition][result.base_offset + i] = value
            if producer[0] >= 0:
                sent = self.ledger.produced.setdefault((producer[0], partition), [])
                sent.append((producer[2], values, result.base_offset))
        del self.unsettled[:count]


def check(files: FaultyFiles, ledger: Ledger) -> None:
    """Recover on `files` and compare with what clients know."""
    store = open_store(files, config=CONFIG, wal_file_bytes=8192)
    assert not store.report.gaps
    for partition in range(PARTITIONS):
        log = store.partition("t", partition)
        if log is None:
            assert not ledger.acknowledged[partition]
            continue
        found = {offset: (value or b"").decode() for offset, value in contents(log)}
        acknowledged = ledger.acknowledged[partition]
        assert {offset: found.get(offset) for offset in acknowledged} == acknowledged
        for offset, value in found.items():
            assert value in ledger.sent[partition].get(offset, ()), f"{value} at {offset}"
        send_again(log, partition, ledger)
        before = log.high_watermark
        assert log.stage(a_batch("after"), NOW_MS).base_offset == before
    group = store.seal()
    if group is not None:
        group.persist()
        group.publish()
    store.close()
    again = open_store(files, config=CONFIG)
    assert again.report.was_clean
    for log in again.partitions():
        assert contents(log)[-1][1] == b"after"


def send_again(log: PartitionLog, partition: int, ledger: Ledger) -> None:
    """Every producer sends its last five acknowledged batches again."""
    for (producer_id, where), batches in ledger.produced.items():
        if where != partition:
            continue
        entry = log.producers.get(producer_id)
        assert entry is not None
        # A batch that was written and not acknowledged may have pushed out the oldest.
        newest = {batch.first_sequence for batch in entry.batches}
        extra = len([s for s in newest if s > batches[-1][0]])
        for sequence, values, base_offset in batches[::-1][: max(5 - extra, 0)]:
            batch = a_batch(*values, producer=(producer_id, 0, sequence))
            result = log.stage(batch, NOW_MS)
            assert result.duplicate
            assert result.published
            assert result.base_offset == base_offset


def count_calls(seed: int) -> int:
    files = FaultyFiles(seed)
    Run(seed, files).go()
    return files.calls


def run_case(seed: int, call: int, keep: str = "random") -> None:
    """Cut the power at one call, sometimes again during recovery, then check."""
    files = FaultyFiles(seed * 10_007 + call)
    files.fault_at = {call: -1}
    run = Run(seed, files)
    try:
        run.go()
    except PowerCut:
        pass
    files = files.crash(keep)
    if call % 3 == 0:  # and once more while it recovers
        files.fault_at = {files.chance.randint(1, 25): -1}
        try:
            open_store(files, config=CONFIG, wal_file_bytes=8192)
        except PowerCut:
            pass
        files = files.crash(keep)
    files.fault_at = {}
    check(files, run.ledger)


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_at_every_call(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_case(seed, call)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 112))
def test_a_power_cut_at_every_call_many_seeds(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_case(seed, call)
        run_case(seed, call, "none")


def run_kills(seed: int, call: int, code: int = -1) -> None:
    """Kills keep what was not synced: the starts after them must not take it for durable.

    The process ends at one call, or for an error that it meets there; once more while it recovers;
    then it comes up, and the power goes.
    """
    files = FaultyFiles(seed * 10_007 + call)
    files.fault_at = {call: code}
    run = Run(seed, files)
    with contextlib.suppress(PowerCut, Corrupt, Unavailable):
        run.go()
    files = files.kill()
    files.fault_at = {files.chance.randint(1, 40): -1}
    with contextlib.suppress(PowerCut):
        open_store(files, config=CONFIG, wal_file_bytes=8192)
    files = files.kill()
    store = open_store(files, config=CONFIG, wal_file_bytes=8192)
    assert not store.report.gaps
    check(files.crash("none" if call % 2 else "random"), run.ledger)


@pytest.mark.parametrize(("seed", "code"), [(0, -1), (1, errno.EIO)])
def test_kills_and_then_a_power_cut(seed: int, code: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_kills(seed, call, code)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 204))
def test_kills_and_then_a_power_cut_many_seeds(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_kills(seed, call)
        run_kills(seed, call, errno.EIO)


def run_with_errors(seed: int, call: int, code: int, *, then_cut: int = 0) -> None:
    """Let one call fail; the run goes on if the store can, else recovers from a crash.

    Args:
        then_cut: The power goes this many calls later.
    """
    files = FaultyFiles(seed * 10_007 + call)
    files.fault_at = {call: code}
    if then_cut:
        files.fault_at[call + then_cut] = -1
    run = Run(seed, files)
    try:
        try:
            run.store = open_store(files, config=CONFIG, wal_file_bytes=8192)
        except (Unavailable, Corrupt):
            return  # never came up: nothing was promised
        run.logs = run.store.create_partitions("t", TOPIC_ID, range(PARTITIONS), CONFIG)
        for _ in range(14):
            step_with_errors(run)
        run.store.close()
    except (Corrupt, Unavailable, PowerCut):
        files = files.crash()
    files.fault_at = {}
    check(files, run.ledger)


def step_with_errors(run: Run) -> None:
    """One group at a time; a group that meets a full disk is taken back and its clients told."""
    if run.chance.random() < 0.2:
        run.store.checkpoint()
        return
    for _ in range(run.chance.randint(1, 4)):
        run.stage()
    group = run.store.seal()
    assert group is not None
    try:
        group.persist()
    except Unavailable:
        failed = group.roll_back()
        for partition, _, _, producer in reversed(run.unsettled):
            assert run.logs[partition] in failed
            if producer[0] >= 0:
                run.ledger.next_sequence[(producer[0], partition)] = producer[2]
        run.unsettled.clear()
        return
    group.publish()
    run.settle(len(run.unsettled))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("seed", range(2))
def test_an_error_at_every_call(seed: int, code: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_with_errors(seed, call, code)


@pytest.mark.parametrize("seed", range(2))
def test_a_full_disk_and_soon_after_a_power_cut(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_with_errors(seed, call, errno.ENOSPC, then_cut=1 + call % 7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 205))
def test_errors_and_power_cuts_many_seeds(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_with_errors(seed, call, errno.EIO)
        for then_cut in range(1, 12, 2):
            run_with_errors(seed, call, errno.ENOSPC, then_cut=then_cut)


def test_no_acknowledgement_before_its_sync() -> None:
    for seed in range(5):
        files = FaultyFiles(seed)
        run = Run(seed, files)
        run.store = open_store(files, config=CONFIG, wal_file_bytes=8192)
        run.logs = run.store.create_partitions("t", TOPIC_ID, range(PARTITIONS), CONFIG)
        for _ in range(30):
            run.stage()
            group = run.store.seal()
            assert group is not None
            syncs = files.sync_count
            group.persist()
            assert files.sync_count > syncs
            assert files.history[-1][0] == "datasync"
            assert files.history[-1][1].endswith(".wal")
            group.publish()
