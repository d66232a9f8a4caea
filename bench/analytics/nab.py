"""Detectors on labelled series of the Numenta Anomaly Benchmark: whole, and by unseen halves.

    python -m bench.analytics.nab --data DIR [--detector auto] [--no-times] [--files] [--tune]

DIR has `windows.json` (series: labelled windows) and `data/`; the series are MIT licensed and not
part of the project. The whole: one threshold, the best one, as the benchmark does. By halves: the
threshold of one half of the series, the score on the other half with it, many splits by a seed.
`--tune` chooses the constants of `auto` on one half as well, each one half and twice as large.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from bench.analytics.nab_score import Array, Labelled, best, score_at

from summit.kernels import detector_of
from summit.kernels.detectors import auto

SPLITS = 50
CONSTANTS = ("_SLOT_WEIGHT", "_SLOW", "_SHIFT_SHARE", "_EXTREME_SHARE")


def load(directory: Path) -> list[Labelled]:
    """The series in order of name."""
    corpus = []
    for name, spans in sorted(json.loads((directory / "windows.json").read_text()).items()):
        with (directory / "data" / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        times = np.array([_ms(row["timestamp"]) for row in rows])
        values = np.array([float(row["value"]) for row in rows])
        windows = [
            (int(np.searchsorted(times, _ms(first))),
             int(np.searchsorted(times, _ms(last), side="right")) - 1)
            for first, last in spans
        ]  # fmt: skip
        corpus.append(Labelled(name, times, values, windows))
    return corpus


def _ms(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000


def judge(each: Labelled, detector: str, with_times: bool) -> Array:
    """The size of the deviation at each place, in limits; 0 where nothing is said."""
    update = detector_of(detector).update
    values = each.values.tolist()
    if with_times:
        found = [update(v, at) for v, at in zip(values, each.times.tolist(), strict=True)]
    else:
        found = [update(v) for v in values]
    return np.array([score.ratio for score in found])


def halves(
    corpus: list[Labelled], variants: list[list[Array]], splits: int = SPLITS
) -> list[float]:
    """The score of each half with the threshold, and the variant, that are best on the other."""
    draw = np.random.default_rng(0)
    reached = []
    for _ in range(splits):
        order = draw.permutation(len(corpus))
        parts = order[: len(order) // 2], order[len(order) // 2 :]
        for known, unseen in (parts, parts[::-1]):
            tuned = [best([corpus[n] for n in known], [v[n] for n in known]) for v in variants]
            chosen = max(range(len(variants)), key=lambda number: tuned[number][1])
            scores = [variants[chosen][n] for n in unseen]
            reached.append(score_at([corpus[n] for n in unseen], scores, tuned[chosen][0]))
    return reached


def variants_of_auto(corpus: list[Labelled], with_times: bool) -> list[list[Array]]:
    """The scores with each constant of `auto` half and twice as large."""
    variants = []
    for name in CONSTANTS:
        usual = getattr(auto, name)
        for factor in (0.5, 2):
            setattr(auto, name, usual * factor)
            variants.append([judge(each, "auto", with_times) for each in corpus])
        setattr(auto, name, usual)
    return variants


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--no-times", action="store_true")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--tune", action="store_true")
    arguments = parser.parse_args()
    corpus = load(arguments.data)
    begin = time.process_time()
    scores = [judge(each, arguments.detector, not arguments.no_times) for each in corpus]
    took = time.process_time() - begin
    threshold, whole = best(corpus, scores)
    if arguments.files:
        for each, score in zip(corpus, scores, strict=True):
            told = (score >= threshold) & (each.window > -2)
            hit = [bool(told[a : b + 1].any()) for a, b in each.windows]
            false = int((told & (each.window == -1)).sum())
            print(f"{each.name:58} windows {sum(hit)}/{len(hit)}, false {false}")
    variants = [scores]
    if arguments.tune:
        variants += variants_of_auto(corpus, not arguments.no_times)
    reached = halves(corpus, variants)
    print(
        json.dumps(
            {
                "bench": "analytics.nab",
                "detector": arguments.detector,
                "variants": len(variants),
                "times": not arguments.no_times,
                "series": len(corpus),
                "points": sum(len(each.values) for each in corpus),
                "score": round(whole, 1),
                "score_low_false": round(best(corpus, scores, 0.22)[1], 1),
                "threshold_in_limits": round(threshold, 2),
                "score_at_limit": round(score_at(corpus, scores, 1.0), 1),
                "unseen_halves": round(float(np.mean(reached)), 1),
                "unseen_halves_lowest_tenth": round(float(np.quantile(reached, 0.1)), 1),
                "points_per_cpu_s": round(sum(len(e.values) for e in corpus) / took),
            }
        )
    )


if __name__ == "__main__":
    main()
