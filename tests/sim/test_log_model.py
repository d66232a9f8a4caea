"""A partition log against a plain list, under any order of operations."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.sim.faulty_files import FaultyFiles
from tests.sim.log_world import NOW_MS, TOPIC_ID, a_batch, contents, open_store

from summit.log import Group, LogConfig

CONFIG = LogConfig(segment_bytes=900, index_interval_bytes=120, retention_bytes=3000)


class LogModel(RuleBasedStateMachine):
    """Staged, sealed and published values as lists; the log must agree at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.files = FaultyFiles(1)
        self.store = open_store(self.files, config=CONFIG, wal_file_bytes=8192)
        self.log = self.store.create_partition("t", TOPIC_ID, 0, CONFIG)
        self.published: list[bytes] = []
        self.start = 0
        self.sealed: list[tuple[Group, list[bytes]]] = []
        self.staged: list[bytes] = []
        self.batches: list[tuple[int, int, list[bytes]]] = []  # sequence, base offset, values
        self.sequence = 0

    @initialize()
    def nothing(self) -> None:
        assert contents(self.log) == []

    @property
    def in_flight(self) -> list[bytes]:
        return [value for _, values in self.sealed for value in values]

    @rule(data=st.lists(st.binary(max_size=120), min_size=1, max_size=5), codec=st.integers(0, 4))
    def stage(self, data: list[bytes], codec: int) -> None:
        batch = a_batch(*data, producer=(1, 0, self.sequence), codec=codec)
        result = self.log.stage(batch, NOW_MS)
        base = len(self.published) + len(self.in_flight) + len(self.staged)
        assert result[:3] == (base, base + len(data) - 1, False)
        self.batches.append((self.sequence, base, data))
        self.sequence += len(data)
        self.staged += data

    @rule(back=st.integers(0, 4))
    def send_again(self, back: int) -> None:
        if back < len(self.batches):
            sequence, base, data = self.batches[-1 - back]
            result = self.log.stage(a_batch(*data, producer=(1, 0, sequence)), NOW_MS)
            assert result.duplicate
            assert result.base_offset == base
            assert result.published == (base < len(self.published))

    @rule()
    def seal(self) -> None:
        group = self.store.seal()
        if group is None:
            assert not self.staged
        else:
            self.sealed.append((group, self.staged))
            self.staged = []

    @precondition(lambda self: self.sealed)
    @rule()
    def commit(self) -> None:
        group, values = self.sealed.pop(0)
        group.persist()
        group.publish()
        self.published += values

    @precondition(lambda self: self.sealed)
    @rule()
    def roll_back(self) -> None:
        group, _ = self.sealed.pop(0)
        group.roll_back()  # also of a group that holds but a repeated batch: all behind it goes
        self.forget_unpublished()

    def forget_unpublished(self) -> None:
        self.sealed = [(group, []) for group, _ in self.sealed]
        self.staged = []
        kept = [batch for batch in self.batches if batch[1] < len(self.published)]
        if len(kept) < len(self.batches):
            self.sequence = self.batches[len(kept)][0]
        self.batches = kept

    @rule(max_bytes=st.integers(1, 2000), back=st.integers(0, 40))
    def read(self, max_bytes: int, back: int) -> None:
        offset = max(len(self.published) - back, self.start)
        data = self.log.read(offset, max_bytes)
        assert bool(data) == (offset < len(self.published))

    @rule()
    def checkpoint(self) -> None:
        self.store.checkpoint()

    @rule()
    def expire(self) -> None:
        self.store.apply_retention(NOW_MS)
        assert self.log.start_offset >= self.start
        self.start = self.log.start_offset

    @rule(keep=st.sampled_from(["none", "all", "prefix", "subset"]))
    def crash(self, keep: str) -> None:
        self.files = self.files.crash(keep)
        self.reopen()

    @rule()
    def close(self) -> None:
        while self.sealed:
            self.commit()
        self.store.close()
        self.reopen()
        assert self.store.report.was_clean

    def reopen(self) -> None:
        self.store = open_store(self.files, config=CONFIG, wal_file_bytes=8192)
        found = self.store.partition("t", 0)
        assert found is not None
        self.log = found
        self.forget_unpublished()
        self.sealed = []
        assert self.log.start_offset <= self.start
        self.start = self.log.start_offset

    @invariant()
    def agrees(self) -> None:
        assert self.log.high_watermark == len(self.published)
        if self.start < len(self.published):
            expected = list(enumerate(self.published))[self.start :]
            assert contents(self.log, 500) == expected


LogModel.TestCase.settings = settings(
    max_examples=60,
    derandomize=True,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLogModel = LogModel.TestCase
