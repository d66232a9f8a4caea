"""Records what Apache Flink SQL makes of events in windows: `flink_windows.json` beside this file.

Run by hand in an environment that has PyPI's apache-flink: `python record_flink_windows.py`. Events
are drawn by seeds: disorder within the delay, and some that come too late. A watermark goes out
with each event. Flink's watermark says that nothing *at or before* it will come, our frontier that
nothing before it will: so its delay is one millisecond longer.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col, lit, row_interval
from pyflink.table.window import Tumble
from pyflink.version import __version__

DELAY_MS = 5_000
SEEDS = range(3)
KINDS: dict[str, dict[str, Any]] = {
    "tumbling": {"type": "tumbling", "size": 10_000},
    "tumbling with an offset": {"type": "tumbling", "size": 10_000, "offset": 3_000},
    "hopping": {"type": "hopping", "size": 12_000, "slide": 4_000},
    "session": {"type": "session", "gap": 2_500},
    "count": {"type": "count", "count": 7},
}
WINDOWS = {
    "tumbling": "tumble(table events, descriptor(ts), interval '10' second)",
    "tumbling with an offset":
        "tumble(table events, descriptor(ts), interval '10' second, interval '3' second)",
    "hopping": "hop(table events, descriptor(ts), interval '4' second, interval '12' second)",
    "session":
        "session(table events partition by k, descriptor(ts), interval '2.500' second(1, 3))",
}  # fmt: skip
FIGURES = "count(*) as n, sum(v) as total, min(v) as low, max(v) as high, percentile(v, 0.9) as p90"
MS = (
    "cast(timestampdiff(second, timestamp '1970-01-01 00:00:00', {0}) as bigint) * 1000"
    " + extract(millisecond from {0})"
)


def events_of(seed: int) -> list[tuple[int, str, int]]:
    """Time, key and value of 300 events, in the order in which they come."""
    rng = random.Random(seed)
    at, found = 1_700_000_000_000, []
    for _ in range(300):
        at += rng.choice((0, 100, 700, 700, 1_500)) + (9_000 if rng.random() < 0.02 else 0)
        behind = rng.choice((0, 0, 0, 1_000, 4_999)) + (14_000 if rng.random() < 0.05 else 0)
        found.append((at - behind, rng.choice("abc"), rng.randint(-50, 1_000)))
    return found


def source(path: Path) -> str:
    return f"""
create temporary table events (
    `timestamp` bigint, k string, v bigint, pt as proctime(),
    ts as to_timestamp_ltz(`timestamp`, 3),
    watermark for ts as ts - interval '{(DELAY_MS + 1) / 1000}' second(1, 3)
) with ('connector' = 'filesystem', 'path' = 'file://{path}', 'format' = 'json')
"""


def main() -> None:
    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in (
        ("parallelism.default", "1"), ("table.local-time-zone", "UTC"),
        ("pipeline.auto-watermark-interval", "0 ms"),
    ):  # fmt: skip
        table.get_config().set(name, value)
    cases = []
    for seed in SEEDS:
        events = events_of(seed)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "events.json")
            rows = [json.dumps({"timestamp": t, "k": k, "v": v}) for t, k, v in events]
            path.write_text("\n".join(rows) + "\n")
            table.execute_sql(source(path))
            answers = {}
            for name in KINDS:
                if name == "count":
                    found = (
                        table.from_path("events")
                        .window(Tumble.over(row_interval(KINDS[name]["count"])).on(col("pt")).alias("w"))
                        .group_by(col("w"), col("k"))
                        .select(
                            col("k"), lit(0), lit(0), col("v").count.alias("n"), col("v").sum,
                            col("v").min, col("v").max,
                        )
                    )  # fmt: skip
                else:
                    found = table.sql_query(
                        f"select k, {MS.format('window_start')}, {MS.format('window_end')}, "
                        f"{FIGURES} from table({WINDOWS[name]}) "
                        "group by k, window_start, window_end"
                    )
                with found.execute().collect() as answer:
                    answers[name] = sorted(list(row) for row in answer)
                print(seed, name, len(answers[name]))
            table.execute_sql("drop temporary table events")
        cases.append({"events": events, "rows": answers})
    head = {"flink": __version__, "delay_ms": DELAY_MS, "windows": KINDS}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    Path(__file__).with_name("flink_windows.json").write_text(text)


if __name__ == "__main__":
    main()
