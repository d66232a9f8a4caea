"""A real MariaDB server for tests: Debian's mariadbd, with a directory and a port of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pymysql
import pytest

PROGRAM = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
INSTALL = shutil.which("mariadb-install-db") or "/usr/bin/mariadb-install-db"
PASSWORD = "pw of cdc"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class MariaDb:
    """One server that may be killed and started again over what it has kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None
        self._socket = str(directory / "sock")
        self.program = PROGRAM
        self.options: tuple[str, ...] = ("--performance-schema=OFF",)

    def create(self) -> None:
        """Make its files and a user with the rights that the documents name."""
        if not Path(PROGRAM).exists():
            assert os.environ.get("CI") != "true", "MariaDB is missing"
            pytest.skip("MariaDB is not installed (apt-get install mariadb-server)")
        for left in (1, 0):  # two at once may be too many for the machine's asynchronous reads
            done = subprocess.run(
                [
                    INSTALL, "--no-defaults", f"--datadir={self.directory / 'data'}",
                    "--skip-test-db", "--auth-root-authentication-method=normal", "--user=root",
                ],
                check=False, timeout=300, capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode == 0:
                break
            assert left, done.stdout[-2000:] + done.stderr[-2000:]
            shutil.rmtree(self.directory / "data", ignore_errors=True)
        self.start()
        with self.connect() as root, root.cursor() as cursor:
            cursor.execute(f"CREATE USER cdc IDENTIFIED BY '{PASSWORD}'")
            cursor.execute("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cdc")

    def start(self, *options: str) -> None:
        self._child = subprocess.Popen(
            [
                self.program, "--no-defaults", f"--datadir={self.directory / 'data'}",
                "--user=root", f"--socket={self._socket}", f"--port={self.port}",
                "--bind-address=127.0.0.1", "--log-bin=bin", "--server-id=7", "--binlog-format=ROW",
                "--binlog-row-metadata=FULL", "--innodb-buffer-pool-size=32M", "--sync-binlog=1",
                f"--pid-file={self.directory / 'pid'}", *self.options, *options,
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(6_000):
            # By a socket of our own: the driver leaves its open when nobody listens yet.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self._socket)
                return
            assert self._child.poll() is None, "mariadbd has ended"
            threading.Event().wait(0.02)
        raise AssertionError("mariadbd does not listen")

    def stop(self, *, kill: bool = False) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            child.wait(120)

    @contextlib.contextmanager
    def connect(self, database: str | None = None) -> Any:
        """A connection of its root, in autocommit mode."""
        connection = pymysql.connect(
            unix_socket=self._socket, user="root", autocommit=True, charset="utf8mb4",
            database=database,
        )  # fmt: skip
        try:
            yield connection
        finally:
            connection.close()
