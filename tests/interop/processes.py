"""A broker as a process of its own, as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any


class BrokerProcess:
    """`python -m summit.broker` on a data directory; may be killed and started again."""

    def __init__(self, data_dir: str, **settings: Any) -> None:
        self.settings = {"data_dir": data_dir, "port": 0, "auto_create_topics": "true", **settings}
        self.process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *prefix: str) -> BrokerProcess:
        """Start and wait for the ready line; `prefix` is put before the command."""
        arguments = [f"{key}={value}" for key, value in self.settings.items()]
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "summit.broker", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the broker did not start: exit code {self.process.wait()}"
        self.port = json.loads(line)["port"]
        self.settings["port"] = self.port  # the same one after a restart
        return self

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(20)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def __enter__(self) -> BrokerProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
