"""The whole broker in a simulated world: some seeds here, as many as time allows in `make sim`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.run import run_seed

SEEDS = int(os.environ.get("SUMMIT_SIM_SEEDS", "16"))
# Found a defect once: a segment counted as durable whose name was not synced.
KEPT = (91302, 91338)
_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(SEEDS), *KEPT])
def test_the_broker_keeps_its_word(seed: int) -> None:
    outcome = run_seed(seed)
    assert outcome.counts["acked batches"] > 10
    assert outcome.counts["records read"] > 100


def test_a_seed_is_one_run() -> None:
    """Twice the same, step by step, also where Python hashes differently."""
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.sim.run", "3"],
            cwd=_ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert traces[0].startswith("seed 3: trace ")
    assert traces[0] == traces[1]


def test_another_seed_is_another_run() -> None:
    assert run_seed(1).trace != run_seed(2).trace
