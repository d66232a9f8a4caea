"""ARCHITECTURE.md is true: its file map is what the disk says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_map_equals_the_disk() -> None:
    done = subprocess.run(
        [sys.executable, "tools/file_map.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
