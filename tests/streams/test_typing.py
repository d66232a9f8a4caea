"""Streams are typed: a strict type checker finds what is wrong with a graph, and nothing else."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_strict_type_checker_follows_types_through_a_graph() -> None:
    files = ["tests/streams/typed.py", "examples/streams/page_views.py"]
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", *files]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
