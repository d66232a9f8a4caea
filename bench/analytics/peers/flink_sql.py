"""W2 in Flink SQL (PyPI apache-flink): streaming mode, event time, one task slot, files in and out.

Its CPU is that of the Java process that runs the job, and of Python, which only starts it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyflink.java_gateway as java
from peer import Row, run
from pyflink.table import EnvironmentSettings, TableEnvironment

SOURCE = """
create table events (
    `timestamp` bigint, country string, deviceType string, duration bigint,
    ts as to_timestamp_ltz(`timestamp`, 3), watermark for ts as ts - interval '5.001' second(1, 3)
) with ('connector' = 'filesystem', 'path' = 'file://{path}', 'format' = 'json')
"""
SINK = """
create table results (
    start_s bigint, country string, deviceType string, n bigint, mean double, p95 double
) with ('connector' = 'filesystem', 'path' = 'file://{path}', 'format' = 'json')
"""
QUERY = """
insert into results
select unix_timestamp(cast(window_start as string)), country, deviceType,
    count(*), avg(cast(duration as double)), percentile(duration, 0.95)
from table(tumble(table events, descriptor(ts), interval '5' minutes))
group by window_start, window_end, country, deviceType
"""


def java_cpu_seconds() -> float:
    """CPU-seconds until now of the processes that this one has started."""
    ticks = 0
    java.get_gateway()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[1]) == os.getpid():
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def flink(path: str) -> Iterator[Row]:
    settings = EnvironmentSettings.in_streaming_mode()
    table = TableEnvironment.create(settings)
    for name, value in (
        ("parallelism.default", "1"), ("table.local-time-zone", "UTC"),
        ("pipeline.object-reuse", "true"),
    ):  # fmt: skip
        table.get_config().set(name, value)
    with tempfile.TemporaryDirectory() as directory:
        table.execute_sql(SOURCE.format(path=Path(path).resolve()))
        table.execute_sql(SINK.format(path=directory))
        table.execute_sql(QUERY).wait()
        for part in Path(directory).rglob("part-*"):
            for line in part.read_text().splitlines():
                row = json.loads(line)
                yield (
                    row["start_s"] * 1000, row["country"], row["deviceType"], row["n"],
                    row["mean"], row["p95"],
                )  # fmt: skip


if __name__ == "__main__":
    run(flink, java_cpu_seconds)
