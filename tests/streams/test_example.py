"""The example runs, and finds what its events hold."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "streams" / "page_views.py"


def test_the_example_finds_what_it_has_sent() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    views = [int(n) for line in lines for n in re.findall(r"'views': (\d+)", line)]
    assert sum(views) == 120
    assert len([line for line in lines if line.startswith("bored")]) == 4
