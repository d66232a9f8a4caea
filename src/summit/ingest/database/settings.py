"""Options of database collectors: those of all kinds; each kind has a block of its own.

{"name": "shop", "type": "database", "topic": "shop.changes",
 "database": {"url": "postgresql://cdc@db.example:5432/shop", "password": "${SHOP_PASSWORD}",
              "tables": ["public.orders"], "postgresql": {"slot": "summit_shop"}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.base.secrets import is_secret_reference, read_secret
from summit.ingest.checks import at_least, bad_setting
from summit.ingest.database.mysql.settings import MysqlOptions
from summit.ingest.database.postgresql.settings import PostgresqlOptions
from summit.ingest.database.sqlite.settings import SqliteOptions

# Scheme of the URL -> kind. A kind's source is its row in `kinds.py`.
SCHEMES: Final[Mapping[str, str]] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
KINDS: Final = tuple(dict.fromkeys(SCHEMES.values()))


class DatabaseOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a database collector.

    Attributes:
        url: Where the database is, without a password: `postgresql://user@host:port/database`,
            `mysql://user@host:port/database` (without a database: all of them),
            `sqlite:////absolute/path` or `sqlite:///relative/path`.
        type: The kind of database, where the URL's scheme does not say it.
        password: Reference to the password, `${NAME}` or `file:PATH`.
        tables: Which tables, names or globs as the database qualifies them (`public.orders`).
        exclude: Which of those not.
        exclude_columns: Columns that are never read into an event, `schema.table.column` or globs.
        snapshot: `initial`: the rows that are there, then changes; `initialOnly`: the rows, and
            it is completed; `never`: only what changes from the first start on.
        snapshot_chunk_rows: Rows that are read at once; a killed snapshot goes on after the last
            chunk that was written.
        numbers: What becomes of numbers that JSON readers would round: `string` keeps every digit.
        tombstones: A row that is deleted, or gets another key, is followed by a record without a
            value under its old key, for compacted topics; not with keys of one's own.
        schema_changes: Whether changes of a table's columns are events too.
        schema_topic: Where those go; default the collector's topic.
        heartbeat_interval_ms: How often the place is kept while nothing changes.
        lag_alarm_bytes: From how much log that the database keeps for this collector it warns.
        queue_changes: Changes that are read ahead of the broker; then the database waits.
        queue_bytes: The same in bytes of the database's messages.
        connect_timeout_ms: How long to wait for a connection.
        postgresql: Options of PostgreSQL.
        mysql: Options of MySQL and MariaDB.
        sqlite: Options of SQLite.
    """

    url: str = ""
    type: Literal["postgresql", "mysql", "sqlite"] | None = None
    password: str | None = None
    tables: list[str] = msgspec.field(default_factory=lambda: ["*"])
    exclude: list[str] = msgspec.field(default_factory=list)
    exclude_columns: list[str] = msgspec.field(default_factory=list)
    snapshot: Literal["initial", "initialOnly", "never"] = "initial"
    snapshot_chunk_rows: int = limits.DATABASE_CHUNK_ROWS
    numbers: Literal["string", "number"] = "string"
    tombstones: bool = False
    schema_changes: bool = True
    schema_topic: str | None = None
    heartbeat_interval_ms: int = limits.DATABASE_HEARTBEAT_MS
    lag_alarm_bytes: int = limits.DATABASE_LAG_ALARM_BYTES
    queue_changes: int = limits.DATABASE_QUEUE_CHANGES
    queue_bytes: int = limits.DATABASE_QUEUE_BYTES
    connect_timeout_ms: int = limits.DATABASE_CONNECT_TIMEOUT_MS
    postgresql: PostgresqlOptions | None = None
    mysql: MysqlOptions | None = None
    sqlite: SqliteOptions | None = None

    def check(self) -> None:
        at_least(
            self, 1, "snapshot_chunk_rows", "queue_changes", "queue_bytes", "connect_timeout_ms"
        )
        at_least(self, 10, "heartbeat_interval_ms")
        if not self.tables:
            raise bad_setting("/tables", "tables must name at least one table or glob")
        if self.schema_topic == "":
            raise bad_setting("/schemaTopic", "schemaTopic must not be empty")
        if self.password is not None and not is_secret_reference(self.password):
            raise bad_setting(
                "/password", "password names where it stands: ${NAME}, or file: and a path"
            )
        if not self.url:
            return  # the collector's check says that it is missing, with the whole pointer
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as error:
            raise bad_setting("/url", f"url is no URL: {error}") from error
        if parts.password is not None:
            raise bad_setting("/url", "url must hold no password; name it in password")
        if parts.query or parts.fragment:
            raise bad_setting("/url", "url must end with the database; the settings say the rest")
        if self.type is None and parts.scheme not in SCHEMES:
            known = ", ".join(SCHEMES)
            raise bad_setting("/url", f"url must begin with one of {known}, not '{parts.scheme}'")
        for kind in KINDS:
            if kind != self.kind and getattr(self, kind) is not None:
                raise bad_setting(f"/{kind}", f"the block '{kind}' belongs to databases of {kind}")

    @property
    def kind(self) -> str:
        """The kind of database."""
        return self.type or SCHEMES[self.address.scheme]

    @property
    def address(self) -> SplitResult:
        """The parts of the URL."""
        return urlsplit(self.url)

    @property
    def user(self) -> str | None:
        """Who connects, as the URL says."""
        name = self.address.username
        return None if name is None else unquote(name)

    @property
    def database(self) -> str:
        """The path of the URL without its first slash: the name of the database."""
        return unquote(self.address.path.removeprefix("/"))

    def secret(self) -> str | None:
        """The password. Raises Invalid("secret.missing")."""
        return None if self.password is None else read_secret(self.password).decode()

    def takes(self, table: str) -> bool:
        """Whether changes of a table are wanted, by its qualified name."""
        return _fits(table, self.tables) and not _fits(table, self.exclude)

    def hides(self, column: str) -> bool:
        """Whether a column is left out, by its qualified name."""
        return _fits(column, self.exclude_columns)


def _fits(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
