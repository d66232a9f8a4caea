"""The parts of `summit detect` that need no broker: formats, inputs, the merge."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from summit.base.errors import Invalid
from summit.cli.detect.inputs import open_inputs, sniff
from summit.cli.detect.merging import merge
from summit.client.types import ConsumerRecord, ProducerRecord


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b'{"a": 1}\n', "jsonl"),
        (b'\n\n  {"a": 1}', "jsonl"),
        (b"Dec 10 09:00:01 host CRON[1]: session opened\n", "sshd"),
        (b"Dec 10 09:00:01 host sshd[1]: x\n", "sshd"),
        (b"", "sshd"),
    ],
)
def test_sniff(head: bytes, form: str) -> None:
    assert sniff(head, "x") == form


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08rest", b"\x28\xb5\x2f\xfdrest", b"BZh9"])
def test_compressed_files_are_refused(head: bytes) -> None:
    with pytest.raises(Invalid, match="compressed"):
        sniff(head, "x")


def test_inputs_are_told_apart_by_inode(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("x")
    (tmp_path / "hard").hardlink_to(file)
    found = open_inputs([str(file), str(tmp_path / "hard")], "auto", tmp_path)
    assert [one.path for one in found] == [str(file)]
    with pytest.raises(Invalid, match="none"):
        open_inputs([str(tmp_path / "none")], "auto", tmp_path)


class Topics:
    """Reader and producer over lists."""

    def __init__(self, topics: dict[str, list[object]]) -> None:
        self.topics = topics
        self.written: list[object] = []

    async def span(self, topic: str, partition: int) -> tuple[int, int]:
        assert partition == 0
        return 0, len(self.topics[topic])

    async def consume(
        self, topic: str, partition: int, offset: int, max_messages: int
    ) -> list[ConsumerRecord]:
        values = self.topics[topic][offset : offset + max_messages]
        return [
            ConsumerRecord(topic, partition, offset + n, 7, None, _value(topic, value))
            for n, value in enumerate(values)
        ]

    async def send_batch(self, records: Sequence[ProducerRecord]) -> None:
        for record in records:
            assert (record.topic, record.partition) == ("all", 0)
            assert isinstance(record.value, bytes)
            self.written.append(json.loads(record.value))


def _value(topic: str, timestamp: object) -> bytes:
    return json.dumps({"timestamp": timestamp, "from": topic}).encode()


def _merged(topics: dict[str, list[object]]) -> list[tuple[str, object]]:
    world = Topics(topics)
    asyncio.run(merge(world, world, [*topics], "all"))  # type: ignore[arg-type]
    return [(one["from"], one["timestamp"]) for one in world.written]  # type: ignore[index]


def test_merge_by_time_and_by_file_where_times_are_equal() -> None:
    assert _merged({"a": [10, 20, 40], "b": [20, 30], "c": []}) == [
        ("a", 10), ("a", 20), ("b", 20), ("b", 30), ("a", 40)
    ]  # fmt: skip


def test_a_line_out_of_order_goes_with_the_one_before_it() -> None:
    assert _merged({"a": [50, 10, 60], "b": [20, 55]}) == [
        ("b", 20), ("a", 50), ("a", 10), ("b", 55), ("a", 60)
    ]  # fmt: skip


def test_times_may_be_texts_or_missing() -> None:
    # The records' own time is 7.
    assert _merged({"a": ["1970-01-01T00:00:00.006Z", None, 9], "b": [8, "noon"]}) == [
        ("a", "1970-01-01T00:00:00.006Z"), ("a", None), ("b", 8), ("b", "noon"), ("a", 9)
    ]  # fmt: skip


def test_many_records_go_in_blocks() -> None:
    merged = _merged({"a": list(range(0, 30_000, 2)), "b": list(range(1, 30_001, 2))})
    assert [time for _, time in merged] == list(range(30_000))
