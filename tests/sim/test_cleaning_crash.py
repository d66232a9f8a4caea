"""Power cuts and errors at every call of compaction: what the log comes to never changes.

A script, drawn from a seed, writes keyed batches, checkpoints and cleans. It runs once to count the
disk's calls, then once per call with the power cut (or an error) at that one. After recovery the
log comes to what was acknowledged, no offset is reported lost, each surviving record is one that
was written at that offset, and a further cleaning and restart change nothing of that.
"""

from __future__ import annotations

import errno
import os
import random

import pytest
from tests.log.compacted import COMPACTED, clean, keyed, no_breath, records
from tests.sim.faulty_files import FaultyFiles, PowerCut
from tests.sim.log_world import NOW_MS, open_store
from tests.sim.test_crash_everywhere import TOPIC_ID

from summit.base.errors import Corrupt, Unavailable
from summit.log import LogStore, PartitionLog

SEEDS = int(os.environ.get("SUMMIT_SIM_SEEDS", "2"))  # of the long test; many in `make sim`


class Script:
    """One run on one disk, and what clients know of it."""

    def __init__(self, seed: int, files: FaultyFiles) -> None:
        self.chance = random.Random(seed)
        self.files = files
        self.sent: dict[int, tuple[str, str | None]] = {}
        self.failed: list[dict[int, tuple[str, str | None]]] = []  # may be on the disk all the same
        self.acknowledged = 0  # offsets below it are
        self.sequence = 0
        self.now_ms = NOW_MS
        self.store: LogStore
        self.log: PartitionLog

    def go(self) -> None:
        self.store = open_store(self.files, config=COMPACTED, wal_file_bytes=8192)
        self.log = self.store.create_partition("t", TOPIC_ID, 0, COMPACTED)
        for _ in range(5):
            for _ in range(self.chance.randint(3, 9)):
                self.put()
            self.now_ms += self.chance.choice([0, 400, 2000])
            self.clean()
        self.store.close()

    def put(self) -> None:
        pairs = [
            (f"k{self.chance.randrange(6)}", self.value()) for _ in range(self.chance.randint(1, 3))
        ]
        is_mine = self.chance.random() < 0.3
        producer = (5, 0, self.sequence) if is_mine else (-1, -1, -1)
        batch = keyed(*pairs, producer=producer, codec=self.chance.choice([0, 0, 4]))
        result = self.log.stage(batch, NOW_MS)
        for i, pair in enumerate(pairs):
            self.sent[result.base_offset + i] = pair
        group = self.store.seal()
        assert group is not None
        try:
            group.persist()
        except Unavailable:
            group.roll_back()
            self.failed.append({result.base_offset + i: pair for i, pair in enumerate(pairs)})
            return
        group.publish()
        self.failed.clear()
        self.acknowledged = result.last_offset + 1
        self.sequence += len(pairs) if is_mine else 0

    def value(self) -> str | None:
        return None if self.chance.random() < 0.2 else "x" * self.chance.choice([5, 60, 200])

    def clean(self) -> None:
        self.store.checkpoint()
        cleaning = self.store.begin_cleaning(self.now_ms)
        if cleaning is None:
            return
        is_complete = False
        try:
            cleaning.prepare(no_breath)
            while cleaning.copy(no_breath):
                cleaning.replace()
                if self.chance.random() < 0.5:
                    self.put()
                cleaning.settle()
                if self.chance.random() < 0.3:
                    self.store.checkpoint()
            is_complete = True
        except Unavailable:
            pass
        finally:
            cleaning.finish(is_complete=is_complete)


def check(files: FaultyFiles, script: Script) -> None:
    """Recover on `files`; compare; clean; restart; compare again."""
    files.fault_at = {}
    files.locked.clear()
    store = open_store(files, config=COMPACTED, wal_file_bytes=8192)
    assert not store.report.gaps, store.report.gaps
    log = store.partition("t", 0)
    if log is None:
        assert not script.acknowledged
        return
    end = log.high_watermark
    assert end >= script.acknowledged
    compare(log, script, end)
    clean(store, NOW_MS)
    compare(log, script, end)
    store.checkpoint()
    files = files.crash("none")
    again = open_store(files, config=COMPACTED)
    assert not again.report.gaps
    found = again.partition("t", 0)
    assert found is not None
    compare(found, script, end)
    names = files.list_dir(found.directory)
    assert not [name for name in names if name.endswith((".cleaned", ".tmp"))]


def compare(log: PartitionLog, script: Script, end: int) -> None:
    """The log comes to what was sent; who was told of an error does not know which of his tries."""
    tries = [script.sent, *({**script.sent, **one} for one in script.failed)]
    assert any(is_of(log, sent, end) for sent in tries)
    assert log.high_watermark == end


def is_of(log: PartitionLog, sent: dict[int, tuple[str, str | None]], end: int) -> bool:
    expected: dict[str, str] = {}
    for offset in range(end):
        key, value = sent[offset]
        if value is None:
            expected.pop(key, None)
        else:
            expected[key] = value
    state: dict[str, str] = {}
    for record in records(log):
        assert record.key is not None
        pair = (record.key.decode(), None if record.value is None else record.value.decode())
        if pair != sent[record.offset]:
            return False
        if pair[1] is None:
            state.pop(pair[0], None)
        else:
            state[pair[0]] = pair[1]
    return state == expected


def count_calls(seed: int) -> int:
    files = FaultyFiles(seed)
    Script(seed, files).go()
    assert any(path.endswith(".swap.tmp") for _, path in files.history), "nothing was swapped"
    return files.calls


def run_case(
    seed: int, call: int, code: int, keep: str = "random", *, cut_after: int | None = None
) -> None:
    """One run with one fault; with `cut_after`, the power goes that many calls behind it."""
    files = FaultyFiles(seed * 10_007 + call)
    files.fault_at = {call: code}
    if cut_after is not None:
        files.fault_at[call + cut_after] = -1
    script = Script(seed, files)
    try:
        script.go()
    except (PowerCut, Corrupt, Unavailable):
        pass
    files = files.crash(keep)
    if call % 3 == 0:  # and once more while it recovers
        files.fault_at = {files.chance.randint(1, 40): -1}
        try:
            open_store(files, config=COMPACTED, wal_file_bytes=8192)
        except PowerCut:
            pass
        files = files.crash(keep)
    check(files, script)


@pytest.mark.parametrize("seed", range(2))
def test_a_power_cut_at_every_call(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_case(seed, call, -1)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_at_every_call(code: int) -> None:
    for call in range(1, count_calls(3) + 2):
        run_case(3, call, code)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(304, 304 + SEEDS))
def test_many_seeds(seed: int) -> None:
    for call in range(1, count_calls(seed) + 2):
        run_case(seed, call, -1)
        run_case(seed, call, -1, "none")
        run_case(seed, call, -1, "prefix")
        run_case(seed, call, errno.ENOSPC)
        run_case(seed, call, errno.ENOSPC, cut_after=seed * call % 7 + 1)
