"""W2 in Pathway: the file read once (static mode), the percentile of a sorted tuple."""

from __future__ import annotations

from collections.abc import Iterator

import pathway as pw
from peer import SIZE_MS, Row, percentile, run


class _Event(pw.Schema):
    timestamp: int
    country: str
    deviceType: str
    duration: int


def with_pathway(path: str) -> Iterator[Row]:
    events = pw.io.jsonlines.read(path, schema=_Event, mode="static")
    grouped = events.select(
        pw.this.country, pw.this.deviceType, pw.this.duration,
        start=pw.this.timestamp - pw.this.timestamp % SIZE_MS,
    ).groupby(pw.this.start, pw.this.country, pw.this.deviceType)  # fmt: skip
    result = grouped.reduce(
        pw.this.start, pw.this.country, pw.this.deviceType, n=pw.reducers.count(),
        mean=pw.reducers.avg(pw.this.duration),
        values=pw.reducers.sorted_tuple(pw.this.duration),
    )  # fmt: skip
    _, columns = pw.debug.table_to_dicts(result)
    for key, n in columns["n"].items():
        yield (
            columns["start"][key], columns["country"][key], columns["deviceType"][key], n,
            columns["mean"][key], percentile(list(columns["values"][key]), 95),
        )  # fmt: skip


if __name__ == "__main__":
    run(with_pathway)
