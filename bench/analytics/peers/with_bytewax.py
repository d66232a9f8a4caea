"""W2 in Bytewax: a keyed window that folds durations into a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.testing import TestingSink, run_main
from peer import DELAY_MS, SIZE_MS, Row, percentile, run

BATCH = 1_000


class _Lines(StatelessSourcePartition[bytes]):
    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed in close

    def next_batch(self) -> list[bytes]:
        lines = [line for _, line in zip(range(BATCH), self._file, strict=False)]
        if not lines:
            raise StopIteration
        return lines

    def close(self) -> None:
        self._file.close()


class _Source(DynamicSource[bytes]):
    def __init__(self, path: str) -> None:
        self._path = path

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Lines:
        return _Lines(self._path)


def _read(line: bytes) -> tuple[str, tuple[datetime, int]]:
    event = json.loads(line)
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return f"{event['country']}|{event['deviceType']}", (at, event["duration"])


def _add(values: list[int], item: tuple[datetime, int]) -> list[int]:
    values.append(item[1])
    return values


def with_bytewax(path: str) -> Iterator[Row]:
    out: list[Any] = []
    flow = Dataflow("w2")
    keyed = op.map("read", op.input("in", flow, _Source(path)), _read)
    clock = win.EventClock(lambda item: item[0], timedelta(milliseconds=DELAY_MS))
    windower = win.TumblingWindower(
        length=timedelta(milliseconds=SIZE_MS), align_to=datetime.fromtimestamp(0, UTC)
    )
    folded = win.fold_window("fold", keyed, clock, windower, list, _add, lambda a, b: a + b)
    op.output("out", folded.down, TestingSink(out))
    run_main(flow)
    for key, (window, values) in out:
        country, device = key.split("|")
        mean = sum(values) / len(values)
        yield window * SIZE_MS, country, device, len(values), mean, percentile(values, 95)


if __name__ == "__main__":
    run(with_bytewax)
