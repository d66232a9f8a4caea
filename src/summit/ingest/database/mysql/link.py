"""Connections to MySQL and MariaDB: dialling, what the server must be like, and its errors.

The only file that imports PyMySQL; `binlog.py` alone imports the package that reads the log.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.ingest.database.positions import positions_topic
from summit.ingest.settings import CollectorConfig

try:
    import pymysql
    from pymysql.converters import encoders
    from pymysql.cursors import SSCursor
except ImportError as missing:
    raise Invalid("extra.missing", what="MySQL", extra="mysql") from missing

DEFAULT_PORT: Final = 3306
READ_TIMEOUT_S: Final = 600  # of one answer; a server that is silent for longer is taken for dead
_REFUSED: Final = frozenset({1044, 1045, 1049, 1130, 1142, 1143, 1227, 1251, 1698, 1862, 3118})
_LOG: Final = 1236  # ER_MASTER_FATAL_ERROR_READING_BINLOG

DatabaseError = pymysql.err.MySQLError
Connection = Any  # pymysql has no types


class Server(NamedTuple):
    """What a server says of itself.

    Attributes:
        is_mariadb: Or else MySQL.
        number: Its server_id.
        has_gtids: Whether its transactions have GTIDs.
    """

    version: str
    is_mariadb: bool
    number: int
    has_gtids: bool


class Place:
    """Where the database of a configuration is, and what goes wrong there."""

    def __init__(self, config: CollectorConfig) -> None:
        options: Any = config.block
        address = options.address
        self.config = config
        self.where = f"{address.hostname or '127.0.0.1'}:{address.port or DEFAULT_PORT}"
        self._settings: dict[str, Any] = {
            "host": address.hostname or "127.0.0.1",
            "port": address.port or DEFAULT_PORT,
            "user": options.user or "root",
            "password": options.secret() or "",
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": max(1, options.connect_timeout_ms // 1000),
        }
        block = options.mysql
        if block is not None and block.tls:
            try:
                self._settings["ssl"] = ssl.create_default_context(cafile=block.ca_file)
            except (OSError, ssl.SSLError) as error:
                reason = f"the file of certificates cannot be used: {error}"
                raise Invalid(
                    "config.invalid", reason=reason, pointer="/database/mysql/caFile"
                ) from error

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What to dial with."""
        return {**self._settings, "read_timeout": READ_TIMEOUT_S, **changes}

    def connect(self, **changes: Any) -> Connection:
        """A connection that gives every value as text or bytes. Raises as `told`."""
        try:
            return pymysql.connect(**self.settings(conv=dict(encoders), **changes))
        except (DatabaseError, OSError) as error:
            raise self.told(error) from error

    def told(self, error: Exception, position: str = "") -> SummitError:
        """An error of the driver as one of ours."""
        code, text = _parts(error)
        if code in _REFUSED:
            return Invalid("database.refused", where=self.where, reason=text)
        if code == _LOG:
            return self._of_the_log(text, position)
        if isinstance(error, pymysql.err.ProgrammingError | pymysql.err.NotSupportedError):
            return self.unfit(text, "Correct what the database complains of.")
        return Unavailable("database.unreachable", where=self.where, reason=text)

    def unfit(self, reason: str, todo: str) -> Invalid:
        """The error for a server that must be set up first."""
        return Invalid("database.unfit", where=self.where, reason=reason, todo=todo)

    def of_charset(self, column: str, charset: str) -> Invalid:
        """The error for text that cannot be decoded."""
        table = column.rpartition(".")[0]
        return self.unfit(
            f"the column '{column}' has the character set {charset}, which cannot be decoded",
            f"Exclude the column (database.excludeColumns: ['{column}']) or the table "
            f"(database.exclude: ['{table}']), or convert the column to utf8mb4.",
        )

    def lost(self, position: str, reason: str) -> Invalid:
        """The error for a place that the binary log no longer has."""
        todo = (
            f"Changes after it are gone. To begin with a new snapshot, stop the collector, delete "
            f"the topic '{positions_topic(self.config.name)}' and start it; or name a place in "
            f"mysql.startAt. Then have the server keep its logs for longer "
            f"(binlog_expire_logs_seconds)."
        )
        return Invalid(
            "database.position_lost", where=self.where, position=position, reason=reason, todo=todo
        )

    def _of_the_log(self, text: str, position: str) -> SummitError:
        low = text.lower()
        if "max_allowed_packet" in low:
            return self.unfit(text, "Raise max_allowed_packet on the server to 1G.")
        if "same server" in low:
            return self.unfit(
                text, "Give each reader of the server another number: database.mysql.serverId."
            )
        return self.lost(position, text)


def query(connection: Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


def stream(connection: Connection, sql: str) -> Any:
    """A cursor that reads the rows of a query as they come."""
    cursor = connection.cursor(SSCursor)
    cursor.execute(sql)
    return cursor


def look_at(place: Place, connection: Connection) -> Server:
    """See that a server writes what can be followed.

    Raises: Invalid("database.unfit") that says which setting to change.
    """
    found = dict(query(connection, "SHOW GLOBAL VARIABLES"))
    version = str(found.get("version", ""))
    if found.get("log_bin", "OFF") != "ON":
        raise place.unfit(
            "it writes no binary log", "Start it with log_bin, and server_id above 0."
        )
    wanted = {
        "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL",
        "log_bin_compress": "OFF", "binlog_transaction_compression": "OFF",
    }  # fmt: skip
    for name, value in wanted.items():
        is_value = found.get(name)
        if is_value is None and name == "binlog_row_metadata":
            raise place.unfit(
                f"version {version} does not write the names of columns",
                "Use MariaDB 10.5, MySQL 8.0.14, or newer ones.",
            )
        if is_value is not None and is_value.upper() != value:
            raise place.unfit(
                f"{name} is {is_value}, not {value}",
                f"SET GLOBAL {name} = {value}; and the same in the server's configuration.",
            )
    is_mariadb = "mariadb" in version.lower()
    has_gtids = is_mariadb or found.get("gtid_mode") == "ON"
    return Server(version, is_mariadb, int(found.get("server_id", 0)), has_gtids)


def quoted(*names: str) -> str:
    """A name as SQL writes it.

    >>> quoted("shop", "odd`name")
    '`shop`.`odd``name`'
    """
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def hang_up(connection: Connection) -> None:
    """Close a connection at once, also while another thread waits for it."""
    sock: Any = getattr(connection, "_sock", None)
    with contextlib.suppress(OSError, AttributeError):
        sock.shutdown(socket.SHUT_RDWR)


def _parts(error: Exception) -> tuple[int, str]:
    arguments = error.args
    if len(arguments) >= 2 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    return 0, str(error) or type(error).__name__


def open_driver(**settings: Any) -> Connection:
    """A connection with the driver's own settings."""
    return pymysql.connect(**settings)


def lost_connection() -> Exception:
    """The driver's error for a connection that is gone."""
    gone: Exception = pymysql.err.OperationalError(2013, "the connection was lost")
    return gone
