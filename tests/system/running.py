"""Starts `summit` commands as real processes, and ends them by pid."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self

READY_TIMEOUT_S = 120.0
CALL_TIMEOUT_S = 60.0


class Running:
    """A long-running command; a context manager that ends it.

    Args:
        arguments: What stands after `summit`.
        env: More environment variables.
    """

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, cwd: Any = None) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SUMMIT_")}
        for name in ("PORT", "BROKER_HOST", "BROKER_PORT", "DATA_DIR", "LOG_DIR", "BROKER_ID",
                     "BOOTSTRAP_SERVERS"):  # fmt: skip
            clean.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "summit", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env={**clean, **(env or {})}, cwd=cwd, text=True,
        )  # fmt: skip
        self.errors: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read_out, daemon=True).start()
        threading.Thread(target=self._read_err, daemon=True).start()
        self.ready: dict[str, Any] = {}
        self.brokers = 1  # more where it dials a cluster

    def wait_ready(self) -> Self:
        """Wait for the ready line."""
        line = self.line(READY_TIMEOUT_S)
        assert line is not None, "".join(self.errors)
        self.ready = json.loads(line)
        return self

    def line(self, timeout_s: float = CALL_TIMEOUT_S) -> str | None:
        """The next line of standard output; None at its end."""
        return self._lines.get(timeout=timeout_s)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 60) -> int:
        """Send a signal and wait for the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def __enter__(self) -> Self:
        return self.wait_ready()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        try:
            self.end()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
        if kind is not None:
            sys.stderr.write("".join(self.errors[-30:]))

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            for line in out:
                self._lines.put(line)
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as err:
            self.errors.extend(err)


def call(
    method: str,
    url: str,
    body: Any = None,
    media: str = "application/json",
    *,
    accept: str = "*/*",
) -> tuple[int, Any]:
    """Status and JSON of one HTTP request."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Accept": accept})
    if data is not None:
        request.add_header("Content-Type", media)
    try:
        with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as answer:
            return answer.status, _decoded(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            content = error.read()
        return error.code, _decoded(content)


def run(*arguments: str, timeout_s: float = 180, stdin: bytes = b"") -> subprocess.CompletedProcess:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "summit", *arguments],
        input=stdin, capture_output=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode()
