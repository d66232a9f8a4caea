"""Connections to a PostgreSQL server. The only file that imports psycopg2.

Everything here blocks; it is called on the source's thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final
from weakref import WeakSet

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.ingest.database.postgresql.encodings import Encoding
from summit.ingest.database.postgresql.settings import PostgresqlOptions
from summit.ingest.database.settings import DatabaseOptions

try:
    import psycopg2
    from psycopg2 import extras
except ImportError as missing:
    raise Invalid("extra.missing", what="PostgreSQL", extra="postgresql") from missing

# How values are written: the same in the snapshot and in the stream. Where row-level security would
# leave rows out of the snapshot, reading fails.
_SESSION: Final = (
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c bytea_output=hex "
    "-c extra_float_digits=1 -c statement_timeout=0 -c idle_in_transaction_session_timeout=0 "
    "-c row_security=off"
)
_LSN_MAX: Final = (1 << 64) - 1
_REFUSALS: Final = (
    "authentication failed", "no pg_hba.conf entry", "does not exist", "permission denied",
    "not permitted", "no password supplied", "must be superuser",
)  # fmt: skip
# SQLSTATE classes that pass by themselves: connection, resources, in use, operator's intervention.
_PASSING: Final = ("08", "53", "55006", "55P03", "57", "58", "XX000", "40")


class Link:
    """The way to one server: makes connections, and translates their errors."""

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._made: WeakSet[Any] = WeakSet()
        self.encoding: Encoding | None = None  # of a server whose bytes are turned here
        own = options.postgresql or PostgresqlOptions()
        address = options.address
        self.where = f"{address.hostname or 'local'}:{address.port or 5432}/{options.database}"
        self._settings: dict[str, Any] = {
            "dbname": options.database or "postgres",
            "user": options.user,
            "host": None if address.hostname is None else _host(options),
            "port": address.port,
            "sslmode": own.sslmode,
            "sslrootcert": own.sslrootcert,
            "connect_timeout": max(1, options.connect_timeout_ms // 1000),
            "application_name": "summit",
            "client_encoding": "UTF8",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,  # of what was sent and nobody says that it has come
            "options": _SESSION,
        }

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the library raises into errors of ours."""
        try:
            yield
        except psycopg2.Error as error:
            raise self.fault(error) from error

    def fault(self, error: Exception) -> SummitError:
        """What an error of the library means: `database.unreachable` passes, `refused` does not."""
        reason = " ".join(str(error).split()) or repr(error)
        code = getattr(error, "pgcode", None)
        if code is not None:
            passes = code.startswith(_PASSING)
        else:
            is_link = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
            passes = not any(word in reason for word in _REFUSALS)
            passes = passes and (is_link or isinstance(error, psycopg2.DatabaseError))
        if passes:
            return Unavailable("database.unreachable", where=self.where, reason=reason)
        return Invalid("database.refused", where=self.where, reason=reason)

    def connect(self) -> Any:
        """A connection for queries, each its own transaction. Raises as `fault`."""
        with self.translated():
            connection = psycopg2.connect(**self._arguments())
            name = connection.info.parameter_status("server_encoding")
            self.encoding = Encoding.of_server(name or "")
            if name == "SQL_ASCII":
                # Its bytes are of any encoding: asked for UTF-8, the server fails at the first
                # that are not. So they are taken as they are, and looked at one by one.
                self._settings["client_encoding"] = "SQL_ASCII"
                connection.set_client_encoding("SQL_ASCII")
            connection.autocommit = True
            self._made.add(connection)
            return connection

    def replication_cursor(self, connection: Any, *, forwards: bool) -> Any:
        """A cursor for the replication protocol.

        Args:
            forwards: Whether it may tell the server on its own that all is flushed up to the
                log's end, while nothing comes for us. It does so when that end is behind what was
                flushed explicitly: a largest such place, set before `__init__` is called once
                more, which leaves it and resets what is told, is never passed.
        """
        cursor = connection.cursor()
        if not forwards:
            cursor.send_feedback(flush_lsn=_LSN_MAX)  # noted, not sent
            cursor.__init__(connection)
        return cursor

    def connect_for_rows(self) -> Any:
        """A connection whose COPY gives bytes as the server has them, where it cannot turn all.

        Raises: as `fault`.
        """
        connection = self.connect()
        if self.encoding is not None:
            with self.translated():
                connection.set_client_encoding("SQL_ASCII")
        return connection

    def connect_replication(self) -> Any:
        """A connection for the replication protocol, after one of `connect`. Raises as `fault`."""
        given = self._arguments()
        if self.encoding is not None:
            given["client_encoding"] = "SQL_ASCII"
        with self.translated():
            connection = psycopg2.connect(
                connection_factory=extras.LogicalReplicationConnection, **given
            )
            self._made.add(connection)
            return connection

    def hang_up(self) -> None:
        """Cut all connections, also those that another thread waits for."""
        for connection in list(self._made):
            with contextlib.suppress(Exception):  # it may be closed already
                sock = socket.socket(fileno=os.dup(connection.fileno()))
                with sock:
                    sock.shutdown(socket.SHUT_RDWR)

    def query(self, connection: Any, sql: str | bytes, *values: Any) -> list[Any]:
        """The rows of a query. Raises as `fault`."""
        with self.translated(), connection.cursor() as cursor:
            cursor.execute(_raw(sql), values or None)
            return cursor.fetchall() if cursor.description else []

    def copy_out(self, connection: Any, sql: str, take: Callable[[bytes], Any]) -> None:
        """Give every line of a COPY TO STDOUT to `take`, in UTF-8. Raises as `fault`.

        Args:
            connection: One for rows.
        """
        encoding, query = self.encoding, _raw(sql)
        sink = _Sink(take)
        if encoding is not None:
            query, to_utf8 = encoding.to_server(query), encoding.to_utf8
            sink = _Sink(lambda line: take(to_utf8(line)))
        with self.translated(), connection.cursor() as cursor:
            cursor.copy_expert(query, sink)

    def quote_value(self, text: str) -> str:
        """A value of a key as SQL has it, on any connection."""
        if self.encoding is None:
            return quote_text(text)
        return self.encoding.quoted(_raw(text))

    def _arguments(self) -> dict[str, Any]:
        given = {**self._settings, "password": self._options.secret()}
        return {name: value for name, value in given.items() if value is not None}


def _raw(sql: str | bytes) -> bytes:
    """SQL as it is sent: values of keys may be bytes of any encoding, as surrogates."""
    return sql.encode(errors="surrogateescape") if isinstance(sql, str) else sql


class _Sink:
    """What psycopg2 takes for a file."""

    def __init__(self, take: Callable[[bytes], Any]) -> None:
        self.write = take

    def read(self, _: int = -1) -> bytes:
        """Nothing: psycopg2 asks whether it is there."""
        return b""


def _host(options: DatabaseOptions) -> str:
    """The host; `%2Fvar%2Frun` is a directory with a socket."""
    from urllib.parse import unquote

    netloc = options.address.netloc.rpartition("@")[2]
    host = unquote(netloc.partition(":")[0])
    return host if host.startswith("/") else options.address.hostname or host


def quote_name(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text as SQL has it, whatever is in it."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
