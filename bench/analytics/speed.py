"""Points per CPU-second of every detector of streams, a value at a time; river's beside them.

    python -m bench.analytics.speed [--points N]

Values: a daily wave with noise and rare spikes, by a seed. A detector of river that does the same
is measured on the same values in the same run where river is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from summit.kernels import STREAMING, detector_of

TREES = {"half-space-trees", "random-cut-forest"}
TARGET, TARGET_TREES = 100_000, 20_000


def series(size: int) -> list[float]:
    """A wave of 288 values, noise, and a spike in a thousand."""
    draw = np.random.default_rng(0)
    wave = 100 + 20 * np.sin(np.arange(size) * 2 * np.pi / 288) + draw.normal(size=size)
    return (wave + 50 * (draw.random(size) < 0.001)).tolist()


def rate(take: Callable[[float], Any], values: list[float]) -> int:
    """Values per CPU-second."""
    begin = time.process_time()
    for value in values:
        take(value)
    return round(len(values) / (time.process_time() - begin))


def of_river() -> dict[str, Callable[[float], Any]]:
    """River's nearest relatives by our names."""
    if importlib.util.find_spec("river") is None:
        return {}
    from river import anomaly, drift, stats

    forest = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=0)

    def half_spaces(value: float) -> None:
        row = {"x": value / 200}
        forest.score_one(row)
        forest.learn_one(row)

    mean, variance = stats.EWMean(0.02), stats.EWVar(0.02)

    def moments(value: float) -> None:
        (value - mean.get()) / (variance.get() ** 0.5 or 1.0)
        mean.update(value)
        variance.update(value)

    return {
        "half-space-trees": half_spaces,
        "adwin": drift.ADWIN().update,
        "page-hinkley": drift.PageHinkley().update,
        "zscore": moments,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=50_000)
    values = series(parser.parse_args().points)
    peers = of_river()
    slowest: dict[str, tuple[int, str]] = {}
    for method in STREAMING:
        ours = rate(detector_of(method).update, values)
        row = {"bench": "analytics.speed", "detector": method, "points_per_cpu_s": ours}
        kind = "trees" if method in TREES else "statistics"
        row["target"] = TARGET_TREES if method in TREES else TARGET
        slowest[kind] = min(slowest.get(kind, (ours, method)), (ours, method))
        if method in peers:
            theirs = rate(peers[method], values[:20_000])
            row |= {"river_points_per_cpu_s": theirs, "ratio": round(ours / theirs, 1)}
        print(json.dumps(row))
    for kind, (ours, method) in slowest.items():
        line = {"bench": "analytics.speed", "slowest": kind, "method": method}
        cost = {"points_per_cpu_s": ours, "us_cpu_per_point": round(1e6 / ours, 2)}
        print(json.dumps({**line, **cost}))


if __name__ == "__main__":
    main()
