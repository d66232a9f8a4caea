"""What the guide takes for granted: a place on disk, free ports, running services."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

SUMMIT = [sys.executable, "-c", "from summit.cli.main import main; main()"]


@pytest.fixture
def broker_config(tmp_path: Path) -> dict[str, Any]:
    """The guide's broker configuration, on a free port and a temporary directory."""
    return {
        "brokerId": 0,
        "host": "localhost",
        "port": 0,
        "dataDir": str(tmp_path / "stream-data"),
        "logDirs": [str(tmp_path / "stream-logs")],
    }


async def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


class Services(NamedTuple):
    """The two services of the guide, running."""

    streaming: httpx.Client
    correlation: httpx.Client
    broker: str


class Started:
    """One `summit …` process and its ready line."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [*SUMMIT, *arguments, "-o", "json"], cwd=cwd, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"summit {arguments} did not start: exit code {self.process.wait()}"
        self.ready: dict[str, Any] = json.loads(line)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """`summit streaming` with its embedded broker, and `summit correlation` beside it."""
    path = tmp_path_factory.mktemp("services")
    streaming = Started("streaming", "--port", "0", "--data-dir", "data", cwd=path)
    try:
        broker = streaming.ready["broker"]
        correlation = Started("correlation", "--port", "0", "-b", broker, cwd=path)
        try:
            with (
                _client(streaming.ready["streaming"]) as first,
                _client(correlation.ready["correlation"]) as second,
            ):
                yield Services(first, second, broker)
        finally:
            assert correlation.stop() == 0
    finally:
        assert streaming.stop() == 0


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=90, trust_env=False)
