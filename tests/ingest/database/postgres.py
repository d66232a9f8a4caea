"""A real PostgreSQL server for tests: Debian's, with a directory and a socket of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.mosquitto import free_port

SETTINGS = """
listen_addresses = '127.0.0.1'
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
shared_buffers = 16MB
autovacuum = off
wal_keep_size = 0
fsync = off
"""


def programs() -> Path | None:
    """Where the server's programs are: the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    if found:
        return found[-1]
    postgres = shutil.which("postgres")
    return None if postgres is None else Path(postgres).parent


class Postgres:
    """One server that may be killed and started again over what it has written."""

    def __init__(self, *, encoding: str = "UTF8", settings: str = "") -> None:
        found = programs()
        if found is None:
            assert os.environ.get("CI") != "true", "PostgreSQL is missing"
            pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
        self._programs = found
        # Not below directories of pytest or a bench: the server's user must get there.
        self._directory = Path(tempfile.mkdtemp(prefix="summit-pg-", dir="/tmp"))
        self.port = free_port()
        self.url = f"postgresql://cdc@127.0.0.1:{self.port}/shop"
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:  # the server refuses to run as root
            import pwd

            person = pwd.getpwnam("postgres")
            self._user = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
            os.chown(self._directory, person.pw_uid, person.pw_gid)
        self._data = self._directory / "data"
        self._run("initdb", "-D", str(self._data), "-U", "cdc", "-A", "trust", "--no-sync",
                  "-E", encoding, "--locale=C")  # fmt: skip
        config = self._data / "postgresql.conf"
        text = f"{SETTINGS}port = {self.port}\nunix_socket_directories = '{self._directory}'\n"
        with config.open("a") as file:
            file.write(text + settings)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> Postgres:
        log = (self._directory / "log").open("ab")
        self._child = subprocess.Popen(
            [self._programs / "postgres", "-D", str(self._data)],
            stdout=log, stderr=log, cwd=self._directory, start_new_session=True, **self._user,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 60
        while True:
            ready = subprocess.run(
                [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                check=False,
            )
            if ready.returncode == 0:
                return self
            assert self._child.poll() is None, (self._directory / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def create(self, database: str = "shop") -> Postgres:
        self.sql(f"CREATE DATABASE {database}", database="postgres")
        return self

    def connect(self, database: str = "shop") -> Any:
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="cdc", dbname=database, connect_timeout=20
        )
        connection.autocommit = True
        return connection

    def sql(self, *statements: str, database: str = "shop") -> list[Any]:
        """Run statements, each a transaction; the rows of the last one."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def kill(self) -> None:
        """End it as a power cut would: the server and all its processes at once."""
        assert self._child is not None
        family = [self._child.pid, *_children(self._child.pid)]  # each is a session of its own
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._child.wait(30)
        self._child = None
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in family):  # their memory is shared
            assert time.monotonic() < deadline, "PostgreSQL's processes do not end"
            time.sleep(0.01)

    def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.send_signal(signal.SIGQUIT)  # at once: its directory goes anyway
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(30)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            check=False, capture_output=True, text=True, cwd=self._directory, **self._user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(path.parent.name))
    return found


def running(**options: Any) -> Iterator[Postgres]:
    """A server with the database `shop`, for a fixture."""
    server = Postgres(**options)
    try:
        server.start().create()
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    one = Postgres().start().create()
    print(one.url)
    sys.stdin.read()
    one.stop()
