"""The soak, for a few seconds: it measures, judges, and misses no alert. Not how fast it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_short_soak_misses_nothing_and_judges() -> None:
    options = ["--rate", "500", "--share", "1", "--periods", "4", "--period-s", "1.5"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.flow.soak", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    *periods, verdict = map(json.loads, done.stdout.splitlines())
    assert [each["period"] for each in periods] == [0, 1, 2, 3], done.stderr
    assert all(each["worker_mb"] > 1 and each["broker_mb"] > 1 for each in periods)
    assert (verdict["alerts"] > 0, verdict["missing"]) == (True, 0)
    assert verdict["worker_mb_flat"]
    assert verdict["broker_mb_flat"]
    assert done.returncode == (0 if verdict["flat"] else 1)  # lag and p99 are the machine's, too
