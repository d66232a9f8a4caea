"""Fuzzes both services by their OpenAPI documents, with Schemathesis in an environment of its own.

    make fuzz-api                              # a minute for each service
    make fuzz-api API_FUZZ_ARGS="--seconds 600 --seed 7"

All its checks run but two. `positive_data_acceptance`: a document that has the right shape may
still mean nothing (a pattern without steps), which is 400 as it should be. `use_after_free`: a key
that was revoked is still shown, with when and by whom. Streams are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

SERVICES: Final = ("streaming", "correlation")


def main() -> int:
    """The exit code: 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemathesis", help="the program `st`")
    parser.add_argument("--seconds", type=int, default=60, help="for each service")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    found = 0
    with tempfile.TemporaryDirectory() as data:
        up = [sys.executable, "-m", "summit", "up", "--port", "0", "--workers", "1", "-o", "json"]
        log = Path(data) / "log"
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                [*up, "--data-dir", f"{data}/data"], stdout=subprocess.PIPE, stderr=errors
            ) as system,
        ):
            assert system.stdout is not None
            try:
                ready = json.loads(system.stdout.readline())
                for service in SERVICES:
                    found |= _fuzz(options.schemathesis, ready[service], options.seconds, seed)
            finally:
                system.terminate()
                system.wait(60)
    return found


def _fuzz(program: str, url: str, seconds: int, seed: list[str]) -> int:
    return subprocess.run(
        [
            program, "run", f"{url}/openapi.json", "--checks", "all",
            "--exclude-checks", "positive_data_acceptance,use_after_free",
            "--exclude-path-regex", "/(live|stream|tail|backtest)$",
            "--max-time", str(seconds), "--request-timeout", "30", *seed,
        ],
        timeout=2 * seconds + 120, check=False,
    ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
