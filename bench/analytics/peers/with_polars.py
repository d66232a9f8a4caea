"""W2 in Polars: the lazy engine over the file; a batch engine without event time."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from peer import SIZE_MS, Row, run


def with_polars(path: str) -> Iterator[Row]:
    schema = {
        "timestamp": pl.Int64, "country": pl.String, "deviceType": pl.String, "duration": pl.Int64,
    }  # fmt: skip
    duration = pl.col("duration")
    start = (pl.col("timestamp") // SIZE_MS * SIZE_MS).alias("start")
    result = (
        pl.scan_ndjson(path, schema=schema)
        .group_by(start, "country", "deviceType")
        .agg(
            pl.len().alias("n"), duration.mean().alias("mean"),
            duration.quantile(0.95, "linear").alias("p95"),
        )
        .collect()
    )  # fmt: skip
    yield from result.iter_rows()


if __name__ == "__main__":
    run(with_polars)
