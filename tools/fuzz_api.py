"""Fuzzes both services by their OpenAPI documents, with Schemathesis in an environment of its own.

    make fuzz-api                              # a minute for each service, open and with a key
    make fuzz-api API_FUZZ_ARGS="--seconds 600 --seed 7 --auth off"

Once nobody is asked who they are, once everybody is and the calls are an administrator's. All
checks of Schemathesis run but two. `positive_data_acceptance`: a document that has the right shape
may still mean nothing (a pattern without steps), which is 400 as it should be. `use_after_free`: a
key that was revoked is still shown, with when and by whom. 503 is an answer: a collector's source
may be away. Streams without an end and backtests are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SERVICES: Final = ("streaming", "correlation")
_SETTINGS: Final = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""
_KEY: Final = "fuzz-" + "0123456789abcdef" * 4


def main() -> int:
    """The exit code: 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemathesis", help="the program `st`")
    parser.add_argument("--seconds", type=int, default=60, help="for each service, each time")
    parser.add_argument("--auth", choices=["off", "on", "both"], default="both")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    found = 0
    for key in {"off": [""], "on": [_KEY], "both": ["", _KEY]}[options.auth]:
        print(f"== {'as an administrator' if key else 'nobody is asked'}", flush=True)
        with tempfile.TemporaryDirectory() as data, _system(Path(data), key) as ready:
            settings = Path(data) / "schemathesis.toml"
            settings.write_text(_SETTINGS)
            program = [options.schemathesis, "--config-file", str(settings)]
            for service in SERVICES:
                found |= _fuzz(program, ready[service], options.seconds, key, seed)
    return found


@contextmanager
def _system(data: Path, key: str) -> Iterator[dict[str, str]]:
    """`summit up`, with this key for administrators if any; gives its ready line."""
    up = [sys.executable, "-m", "summit", "up", "--port", "0", "--workers", "1", "-o", "json"]
    env = {name: text for name, text in os.environ.items() if not name.startswith("SUMMIT_")}
    with (
        (data / "log").open("wb") as errors,
        subprocess.Popen(
            [*up, "--data-dir", str(data / "data")], stdout=subprocess.PIPE, stderr=errors,
            env={**env, **({"SUMMIT_ADMIN_KEY": key} if key else {})},
        ) as system,
    ):  # fmt: skip
        assert system.stdout is not None
        try:
            yield json.loads(system.stdout.readline())
        finally:
            system.terminate()
            system.wait(60)


def _fuzz(program: list[str], url: str, seconds: int, key: str, more: list[str]) -> int:
    if key:
        more = [*more, "--header", f"Authorization: Bearer {key}"]
    return subprocess.run(
        [
            *program, "run", f"{url}/openapi.json", "--checks", "all",
            "--exclude-checks", "positive_data_acceptance,use_after_free",
            "--exclude-path-regex", "/(live|stream|tail|backtest)$",
            "--max-time", str(seconds), "--request-timeout", "30", *more,
        ],
        timeout=2 * seconds + 120, check=False,
    ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
