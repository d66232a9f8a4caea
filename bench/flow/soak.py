"""One worker at 80 % of what this machine sustains, for ten minutes: does anything grow?

    python -m bench.flow.soak [--periods 10] [--period-s 60] [--share 0.8] [--rate 0]
                              [--durability fsync|os] [--guarantee exactly-once|at-least-once]

First the rate is found that sender, broker and worker sustain together: doubled until the worker
falls behind or the sender does, then once between (`--rate` names it instead). Then events at
`--share` of it: an alert for one in two hundred, a sequence for every user, forgotten after five
seconds, a window rule, a query. A line for every period: resident memory of worker and broker, the
largest lag, p50 and p99 from the call that sends an event to its alert in a reader's hand. The last
line judges, the first period left out: memory by the robust slope over the run, lag and p99 by the
median of the last third against that of the first. Exits 1 unless all are flat and no alert is
missing.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from itertools import combinations
from typing import Any, NamedTuple

from bench.broker.harness import broker, cpu_s, percentile, rss_mb, show
from bench.flow.harness import TOPIC, ends, publish, settled, worker
from bench.flow.latency import PARTITIONS, RULE, read, send

from summit.base.clock import SystemClock
from summit.client import Admin, StreamProducer, TopicConfig
from summit.journal.progress import ProgressFollower

START_RATE = 1_000
TRIAL_S = 8.0
BEHIND_S = 1.0  # of events: more lag than that at the end of a trial is not sustained
GROWTH_MB_MAX = 16.0
GROWTH_SHARE_MAX = 0.10
WORSE_MAX = 1.5
_USERS = 'eventType == "miss"'
RULES: tuple[dict[str, Any], ...] = (
    RULE,
    {
        "kind": "pattern", "id": "many", "topics": [TOPIC], "groupBy": ["source"],
        "where": _USERS, "window": {"type": "tumbling", "size": "10s"}, "having": "count() == 1",
        "action": {"type": "alert", "config": {"severity": "low", "title": "Alone"}},
    },
    {
        "kind": "pattern", "id": "pairs", "topics": [TOPIC], "groupBy": ["user"], "within": "5s",
        "steps": [{"name": "miss", "where": _USERS}, {"name": "never", "where": "n < 0"}],
        "action": {"type": "alert", "config": {"severity": "low", "title": "Never"}},
    },
    {
        "kind": "query", "id": "rates", "topics": [TOPIC], "groupBy": ["eventType"],
        "window": {"type": "tumbling", "size": "10s"},
        "metrics": [{"name": "n", "function": "count"}],
    },
)  # fmt: skip


class Period(NamedTuple):
    """What was seen in one period."""

    worker_mb: float
    broker_mb: float
    lag_max: int
    p50_ms: float
    p99_ms: float
    alerts: int


class Soak:
    """A broker and a worker under a steady rate, looked at."""

    def __init__(
        self, server: str, producer: StreamProducer, broker_pid: int, worker_pid: int
    ) -> None:
        self.server = server
        self.producer = producer
        self.pids = (worker_pid, broker_pid)
        self.sent: dict[str, float] = {}
        self.taken_ms: list[float] = []
        self.lag_max = 0
        self.lag = 0

    async def watch(self, follower: ProgressFollower) -> None:
        """Look at the lag for ever: what is written and not yet seen by the worker."""
        while True:
            await asyncio.sleep(0.5)
            written = await ends(self.server)
            workers = follower.progress.workers
            self.lag = sum(
                max(0, end - min((each.seen.get(name, 0) for each in workers), default=0))
                for name, end in written.items()
            )
            self.lag_max = max(self.lag_max, self.lag)

    async def sustains(self, rate: int) -> bool:
        """Whether the worker is not behind, nor the sender, after some seconds of that rate."""
        began = time.perf_counter()
        await send(self.producer, rate, TRIAL_S, self.sent)
        took_s = time.perf_counter() - began
        await asyncio.sleep(1.0)  # the lag was looked at
        is_sustained = self.lag < rate * BEHIND_S and took_s < TRIAL_S * 1.1
        show(
            "flow.soak", trial=rate, lag=self.lag, took_s=round(took_s, 1), sustained=is_sustained
        )  # fmt: skip
        async with asyncio.timeout(120):
            while self.lag:
                await asyncio.sleep(0.2)
        return is_sustained

    async def capacity(self) -> int:
        """The largest rate of those tried that is sustained."""
        good = 0
        rate = START_RATE
        while await self.sustains(rate):
            good, rate = rate, rate * 2
        between = (good + rate) // 2
        if good and await self.sustains(between):
            good = between
        return good

    async def period(self, rate: int, period_s: float) -> Period:
        """Events at a rate for a period; what was seen of them."""
        self.lag_max = self.lag
        self.taken_ms.clear()
        await send(self.producer, rate, period_s, self.sent)
        taken = sorted(self.taken_ms) or [float("inf")]
        worker_mb, broker_mb = map(rss_mb, self.pids)
        return Period(
            round(worker_mb, 1), round(broker_mb, 1), self.lag_max,
            percentile(taken, 0.5), percentile(taken, 0.99), len(self.taken_ms),
        )  # fmt: skip


def growth(values: list[float]) -> float:
    """By how much a series grows over its length: the median of all slopes between two of it."""
    slopes = [(b - a) / (m - n) for (n, a), (m, b) in combinations(enumerate(values), 2)]
    return statistics.median(slopes) * (len(values) - 1)


def verdict(periods: list[Period], rate: int) -> dict[str, Any]:
    """What is flat, and what is not; the first period is left out."""
    seen = periods[1:]
    third = max(1, len(seen) // 3)
    first, last = seen[:third], seen[-third:]
    found: dict[str, Any] = {}
    for name in ("worker_mb", "broker_mb"):
        values = [float(getattr(each, name)) for each in seen]
        grown = growth(values)
        found[f"{name}_growth"] = round(grown, 1)
        found[f"{name}_flat"] = grown <= max(GROWTH_MB_MAX, GROWTH_SHARE_MAX * values[0])
    lags = [statistics.median(each.lag_max for each in some) for some in (first, last)]
    found["lag_flat"] = lags[1] <= WORSE_MAX * lags[0] + rate * 0.1
    p99s = [statistics.median(each.p99_ms for each in some) for some in (first, last)]
    found["p99_flat"] = p99s[1] <= WORSE_MAX * p99s[0] + 5
    found["flat"] = all(flat for name, flat in found.items() if name.endswith("_flat"))
    return found


async def measure(arguments: argparse.Namespace, server: str, pid: int) -> bool:
    """One run; whether everything was flat and nothing missing."""
    async with Admin({"bootstrapServers": server}) as admin:
        await admin.create_topic(TopicConfig(name=TOPIC, partitions=PARTITIONS))
    await publish(server, *RULES)
    with worker(server, "--guarantee", arguments.guarantee) as child:
        await settled(server, lambda p: p.is_whole, 60)
        producer = StreamProducer({"bootstrapServers": server, "lingerMs": 0})
        await producer.connect()
        soak = Soak(server, producer, pid, child.pid)
        follower = ProgressFollower([server], SystemClock())
        await follower.start()
        tasks = [
            asyncio.create_task(read(server, soak.sent, soak.taken_ms)),
            asyncio.create_task(soak.watch(follower)),
        ]
        try:
            capacity = arguments.rate or await soak.capacity()
            rate = max(100, int(capacity * arguments.share))
            periods = []
            for number in range(arguments.periods):
                before = [cpu_s(each) for each in soak.pids]
                periods.append(await soak.period(rate, arguments.period_s))
                spent = [cpu_s(each) - b for each, b in zip(soak.pids, before, strict=True)]
                show(
                    "flow.soak", period=number, rate=rate, **periods[-1]._asdict(),
                    worker_cpu_share=spent[0] / arguments.period_s,
                    broker_cpu_share=spent[1] / arguments.period_s,
                )  # fmt: skip
            with suppress(TimeoutError):
                async with asyncio.timeout(60):
                    while soak.sent:
                        await asyncio.sleep(0.1)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await follower.stop()
            await producer.close()
    judged = verdict(periods, rate)
    show(
        "flow.soak", durability=arguments.durability, guarantee=arguments.guarantee,
        capacity=capacity, rate=rate, periods=len(periods), period_s=arguments.period_s,
        alerts=sum(each.alerts for each in periods), missing=len(soak.sent), **judged,
    )  # fmt: skip
    return bool(judged["flat"]) and not soak.sent


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--periods", type=int, default=10)
    parser.add_argument("--period-s", type=float, default=60)
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--rate", type=int, default=0, help="sustained rate; 0 = find it")
    parser.add_argument("--durability", choices=["fsync", "os"], default="fsync")
    parser.add_argument(
        "--guarantee", choices=["exactly-once", "at-least-once"], default="exactly-once"
    )
    arguments = parser.parse_args()
    if arguments.periods < 4:
        parser.error("four periods are the least that can be judged")
    with (
        tempfile.TemporaryDirectory() as data_dir,
        broker(data_dir, durability=arguments.durability, auto_create_topics="false") as found,
    ):
        pid, port = found
        if not asyncio.run(measure(arguments, f"127.0.0.1:{port}", pid)):
            sys.exit(1)


if __name__ == "__main__":
    main()
