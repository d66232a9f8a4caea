"""One node of a local cluster: a Java process of its own, known by its pid file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from summit.base.config import environment
from summit.cluster.distribution import Distribution

_SIGNS: Final = ("ERROR", "FATAL", "Exception")
_LOG_TAIL_BYTES: Final = 16_384
_PROC: Final = Path("/proc")
_CHILDREN: Final[set[int]] = set()  # process ids that this process has started


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A node at this moment; `pid` is None when it does not run."""

    id: int
    address: str
    pid: int | None


class Node:
    """A node's process and files. Nothing here waits; the cluster does.

    Args:
        directory: Its own.
    """

    def __init__(self, node_id: int, address: str, directory: Path) -> None:
        self.id = node_id
        self.address = address
        self.data = directory / "data"
        self.properties = directory / "server.properties"
        self.log = directory / "kafka.log"
        self._pid_file = directory / "pid"

    @property
    def pid(self) -> int | None:
        """The id of its process while that runs; one that took over an old id is not it."""
        try:
            text, birth = self._pid_file.read_text(encoding="utf-8").split(maxsplit=1)
            pid = int(text)
        except (OSError, ValueError):
            return None
        if _birth_of(pid) == birth.strip():
            return pid
        if pid in _CHILDREN:  # our own child stays a zombie until it is asked for
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return None

    def status(self) -> NodeStatus:
        """What runs."""
        return NodeStatus(id=self.id, address=self.address, pid=self.pid)

    def write_properties(self, text: str) -> None:
        """Give it its settings."""
        self.properties.parent.mkdir(parents=True, exist_ok=True)
        self.properties.write_text(text, encoding="utf-8")

    def spawn(self, distribution: Distribution, options: Sequence[str]) -> None:
        """Start the process, which outlives this one; its output goes to its log."""
        command = distribution.command("kafka.Kafka", str(self.properties), options=tuple(options))
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            command[0],
            command,
            environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setpgroup=0,  # Ctrl-C is not for it
        )
        _CHILDREN.add(pid)
        self._pid_file.write_text(f"{pid} {_birth_of(pid)}\n", encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process, if it runs."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def last_words(self) -> str:
        """The last errors of its log, or its last line."""
        try:
            text = self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace")
        except OSError:
            return "it wrote no log"
        lines = [line for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if any(sign in line for sign in _SIGNS)]
        return (telling or lines or ["its log is empty"])[-1].strip()


def _birth_of(pid: int) -> str | None:
    """When a process began, in the system's own words; None for none, or only its zombie."""
    if _PROC.is_dir():
        try:
            stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # After the name, which may hold anything, in brackets: the state is 3rd, the start 22nd.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    asked = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, began = asked.stdout.strip().partition(" ")
    return None if not began or state.startswith("Z") else " ".join(began.split())
