"""The binary log as batches of changes. The only file that imports mysql-replication.

The package keeps the connection, cuts the log into events and describes tables; rows are decoded
by `rows.py`, and connecting again is the collector's business: the package would go on from where
it thinks that it was.

A transaction is one batch, or several of which only the last has a position; a very large one has
positions inside, too (`skip`). Rows of XA transactions are told where they are prepared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError
from summit.ingest.database.ahead import PIECE_BYTES, Sized
from summit.ingest.database.changes import Change, Row, told_values
from summit.ingest.database.mysql.charsets import LENIENT, Charset, Charsets
from summit.ingest.database.mysql.link import (
    Connection,
    DatabaseError,
    Place,
    Server,
    hang_up,
    lost_connection,
    open_driver,
    query,
)
from summit.ingest.database.mysql.place import LogPlace, Seam, advanced, is_before
from summit.ingest.database.mysql.rows import BadRow, ColumnType, RowDecoder
from summit.ingest.database.mysql.statements import parse
from summit.ingest.database.mysql.tables import SYSTEM, Column, Table, describe, told, version_of
from summit.ingest.database.source import Batch

try:
    from pymysqlreplication import BinLogStreamReader, row_event
    from pymysqlreplication import event as events
    from pymysqlreplication.gtid import Gtid, GtidSet
    from pymysqlreplication.logger import logger
except ImportError as missing:
    raise Invalid("extra.missing", what="MySQL", extra="mysql") from missing

logger.setLevel("CRITICAL")  # it speaks of connecting again, which is not its business here

HEARTBEAT_S: Final = 1  # how often the server says that it is there
SILENCE_S: Final = 30  # after which it is taken for dead
PIECE: Final = 1_000  # changes of a transaction that are handed over together
LARGE: Final = 50_000  # changes of a transaction after which a position stands inside of it
_STANDALONE: Final = 1  # flag of a MariaDB GTID: one statement, without an end of its own
_PACKED: Final = frozenset({40, *range(165, 172)})  # compressed transactions and events
_ROW_EVENTS: Final = {
    row_event.WriteRowsEvent: "c", row_event.UpdateRowsEvent: "u", row_event.DeleteRowsEvent: "d",
}  # fmt: skip


class _Known(NamedTuple):
    """A table as row events of the log speak of it; `decoder` None: nobody wants it."""

    name: str
    decoder: RowDecoder | None = None
    key: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    version: str = ""


class Log:
    """Reads the binary log from a place on.

    Args:
        options: The collector's options.
        closing: Whether to come to an end.
    """

    def __init__(
        self,
        place: Place,
        server: Server,
        start: LogPlace,
        *,
        server_id: int,
        by_gtid: bool,
        clock: Clock,
        closing: Callable[[], bool],
    ) -> None:
        self._place = place
        self._options: Any = place.config.block
        self._server = server
        self._clock = clock
        self._closing = closing
        self._safe = msgspec.structs.replace(start, skip=0, server=server.number)
        self._skip = start.skip
        self._told = self._safe
        self._told_ms = clock.monotonic_ms()
        self._gtid = ""
        self._is_inside = False
        self._changes: list[Change] = []
        self._size = 0
        self._count = 0
        self._marked = 0  # of this transaction, where a position stood last
        self._origin: dict[str, Any] = {}
        self._known: dict[int, _Known] = {}
        self._altered: dict[str, str] = {}
        self._dialled: list[Connection] = []
        self._side = place.connect()
        try:
            self._charsets = Charsets(self._side)
        except (DatabaseError, OSError) as error:
            hang_up(self._side)
            with contextlib.suppress(DatabaseError, OSError):
                self._side.close()
            raise place.told(error) from error
        self.lag_bytes = 0
        self.lag_ms = 0
        self.oldest_file = ""
        self._reader = BinLogStreamReader(
            connection_settings=place.settings(read_timeout=SILENCE_S),
            server_id=server_id,
            blocking=True,
            resume_stream=True,
            log_file=None if by_gtid else start.file,
            log_pos=None if by_gtid else start.offset,
            auto_position=start.gtid if by_gtid else None,
            is_mariadb=server.is_mariadb and by_gtid,
            filter_non_implemented_events=False,
            freeze_schema=True,
            slave_heartbeat=HEARTBEAT_S,
            pymysql_wrapper=self._dial,
            enable_logging=False,
        )

    @property
    def place(self) -> LogPlace:
        """How far it has read."""
        return self._safe

    def batches(self) -> Iterator[Sized]:
        """What changes, without end. Raises as `Source.read`."""
        while not self._closing():
            try:
                event = self._reader.fetchone()
                yield from self._take(event)
            except (DatabaseError, OSError) as error:
                if self._closing():
                    return
                raise self._place.told(error, self._safe.text) from error
            except SummitError:
                raise
            except Exception as error:
                raise self._place.unfit(
                    f"what follows {self._safe.text} in its log cannot be read: {error!r}",
                    "Exclude the table that it is about, or report what the log holds there.",
                ) from error

    def wake(self) -> None:
        """Make a reader that waits on another thread return."""
        for connection in self._dialled:
            hang_up(connection)

    def close(self) -> None:
        """Let go of the connections."""
        self.wake()
        for close in (self._reader.close, self._side.close):
            with contextlib.suppress(DatabaseError, OSError, AttributeError):
                close()

    def _dial(self, **settings: Any) -> Connection:
        if len(self._dialled) == 2:  # one for the log, one for the package's own questions
            raise lost_connection()
        if "db" in settings:  # the driver's older word, of which it warns
            settings["database"] = settings.pop("db")
        self._dialled.append(open_driver(**settings))
        return self._dialled[-1]

    # ---- events ----

    def _take(self, event: Any) -> Iterator[Sized]:
        if event is None:
            raise lost_connection()
        kind = type(event)
        if kind in _ROW_EVENTS:
            yield from self._take_rows(event, _ROW_EVENTS[kind])
        elif kind is row_event.TableMapEvent:
            self._learn(event)
        elif kind is events.QueryEvent:
            yield from self._take_query(event)
        elif kind is events.MariadbGtidEvent:
            self._begin(event.gtid, event.timestamp, inside=not event.flags & _STANDALONE)
        elif kind is events.GtidEvent:
            self._begin(event.gtid, event.timestamp, inside=False)
        elif kind in (events.XidEvent, events.XAPrepareEvent):
            yield from self._commit(event.timestamp)
        elif kind is row_event.PartialUpdateRowsEvent:
            raise self._place.unfit(
                "it writes only parts of JSON values", "SET GLOBAL binlog_row_value_options = '';"
            )
        elif kind is events.NotImplementedEvent and event.event_type in _PACKED:
            raise self._place.unfit(
                f"its log is compressed behind {self._safe.text}",
                "SET GLOBAL log_bin_compress = OFF (MariaDB), binlog_transaction_compression = OFF "
                "(MySQL), and begin with a new snapshot.",
            )
        else:
            yield from self._take_other(event, kind)

    def _take_other(self, event: Any, kind: type) -> Iterator[Sized]:
        if kind in (events.RotateEvent, events.FormatDescriptionEvent):
            # The numbers of tables begin anew with the server.
            self._reader.table_map.clear()
            self._known.clear()
        # What the server makes up for this connection alone has no place.
        has_place = event.packet.log_pos and (event.timestamp or kind is not events.RotateEvent)
        if has_place and not self._is_inside and not self._gtid:
            self._move()
        if kind is events.HeartbeatLogEvent:
            self.lag_ms = 0
        if self._clock.monotonic_ms() - self._told_ms >= self._options.heartbeat_interval_ms:
            self._told_ms = self._clock.monotonic_ms()
            self._measure()
            if self._safe != self._told and not self._changes and not self._is_inside:
                self._told = self._safe
                yield Sized(Batch([], self._safe.position()), 0)

    def _begin(self, gtid: str, timestamp: int, *, inside: bool) -> None:
        self._gtid = gtid
        self._is_inside = inside
        self._count = self._marked = 0
        self._note_origin(timestamp)

    def _note_origin(self, timestamp: int) -> None:
        safe = self._safe
        self._origin = {"file": safe.file, "offset": safe.offset, "committedAt": timestamp * 1000}
        if self._gtid:
            self._origin["tx"] = self._gtid

    def _commit(self, timestamp: int) -> Iterator[Sized]:
        """A transaction is over: its changes, and the place behind it."""
        self._is_inside = False
        self._move()
        self.lag_ms = max(0, self._clock.now_ms() - timestamp * 1000) if timestamp else 0
        self._skip = 0
        self._count = self._marked = 0
        if self._changes:
            self._told = self._safe
            yield self._give(self._safe)

    def _give(self, at: LogPlace | None) -> Sized:
        changes, size = self._changes, self._size
        self._changes, self._size = [], 0
        return Sized(Batch(changes, None if at is None else at.position()), size)

    def _move(self) -> None:
        """The reader is between transactions: from here one can go on."""
        reader, safe = self._reader, self._safe
        file, offset = reader.log_file or safe.file, reader.log_pos or safe.offset
        gtid = safe.gtid
        if self._gtid:
            is_mariadb = self._server.is_mariadb
            gtid = advanced(gtid, self._gtid) if is_mariadb else _with_gtid(gtid, self._gtid)
            self._gtid = ""
        since = safe.since
        if since:
            since = {
                name: [one for one in seams if is_before(file, offset, (one.file, one.offset))]
                for name, seams in since.items()
            }
            since = {name: seams for name, seams in since.items() if seams}
        self._safe = msgspec.structs.replace(safe, file=file, offset=offset, gtid=gtid, since=since)

    def _measure(self) -> None:
        """How much of the log is still to be read."""
        found = query(self._side, "SHOW BINARY LOGS")
        self.oldest_file = found[0][0] if found else ""
        sizes = [
            int(row[1]) for row in found
            if not is_before(row[0], 0, (self._safe.file or row[0], 0))
        ]  # fmt: skip
        self.lag_bytes = max(0, sum(sizes) - self._safe.offset)

    # ---- rows ----

    def _take_rows(self, event: Any, op: str) -> Iterator[Sized]:
        known = self._known.get(event.table_id)
        if known is None or known.decoder is None:
            return
        early = self._early(known, event.packet.log_pos)
        data = event.packet.packet.get_all_data()
        start, stop = 20 + event.packet.read_bytes, 20 + event.event_size
        images = [event.columns_present_bitmap]
        if op == "u":
            images.append(event.columns_present_bitmap2)
        self._size += stop - start
        for found in known.decoder.rows(data, start, stop, images):
            if isinstance(found, BadRow):
                self._add_bad(op, known.name, _told(known, found), found.reason)
            elif not early:
                self._add_rows(op, known, found)
            else:
                # Each image for itself: a row may have moved from one side to the other.
                kept = [one for one in found if not _is_later(known, one, early)]
                if len(kept) == len(found):
                    self._add_rows(op, known, found)
                elif kept:
                    self._add_rows("d" if kept[0] is found[0] else "c", known, (kept[0],))
            if len(self._changes) >= PIECE or self._size >= PIECE_BYTES:
                is_large = self._count - self._marked >= LARGE
                self._marked = self._count if is_large else self._marked
                at = msgspec.structs.replace(self._safe, skip=self._count) if is_large else None
                yield self._give(at)

    def _early(self, known: _Known, end: int) -> list[Seam]:
        """The moments of a broken-off snapshot of a table that come after a place."""
        here = (self._reader.log_file, end)
        seams = self._safe.since.get(known.name, ())
        return [one for one in seams if not is_before(one.file, one.offset, here)]

    def _add_rows(self, op: str, known: _Known, found: tuple[Row, ...]) -> None:
        for row in found if known.hidden else ():
            for name in known.hidden:
                row.pop(name, None)
        if op == "c":
            self._add("c", known, None, found[0])
        elif op == "d":
            self._add("d", known, found[0], None)
        else:
            self._add("u", known, found[0], found[1])

    def _add(self, op: str, known: _Known, before: Row | None, after: Row | None) -> None:
        row = after if after is not None else before
        key = None
        if known.key and row is not None and not known.hidden.intersection(known.key):
            key = {name: row.get(name) for name in known.key}
        self._append(
            Change(
                op, known.name, key, before, after, self._lsn, self._count,
                self._origin["committedAt"], known.version, self._origin,
            )
        )  # fmt: skip

    def _add_bad(self, op: str, table: str, raw: bytes, reason: str) -> None:
        self._append(
            Change(
                op, table, None, None, None, self._lsn, self._count, self._origin["committedAt"],
                source=self._origin, fault=Invalid("database.row", reason=reason), raw=raw,
            )
        )  # fmt: skip

    def _append(self, change: Change) -> None:
        if self._count >= self._skip:
            self._changes.append(change)
        self._count += 1

    @property
    def _lsn(self) -> str:
        return self._gtid or f"{self._safe.file}:{self._safe.offset}"

    # ---- tables and statements ----

    def _learn(self, event: Any) -> None:
        """A table as the rows that follow have it."""
        name = f"{event.schema}.{event.table}"
        if not self._wants(event.schema, event.table):
            self._known[event.table_id] = _Known(name)
            return
        now = describe(self._side, event.schema, event.table)
        declared = {one.name: one for one in now.columns} if now is not None else {}
        hidden = frozenset(
            one.name for one in event.columns if self._options.hides(f"{name}.{one.name}")
        )
        types = [
            _column_type(
                one, declared[one.name].type if one.name in declared else "",
                self._charset(name, one, declared.get(one.name), is_hidden=one.name in hidden),
            )
            for one in event.columns
        ]  # fmt: skip
        if any(not one.name for one in types):
            raise self._place.unfit(
                f"rows behind {self._safe.text} have no names of columns",
                "They were written before binlog_row_metadata was FULL: begin with a new snapshot.",
            )
        columns = {
            one.name: declared[one.name].full_type if one.name in declared else f"type {one.code}"
            for one in types
        }
        known = _Known(
            name,
            RowDecoder(types, exact=self._options.numbers == "string"),
            _key(event.columns, now),
            hidden,
            version_of(columns),
        )
        self._known[event.table_id] = known
        if self._altered.pop(name, known.version) != known.version:
            self._append(
                Change(
                    "s", name, None, None, told(columns, known.key), self._lsn, self._count,
                    self._origin["committedAt"], known.version, self._origin,
                )
            )  # fmt: skip

    def _charset(
        self, table: str, column: Any, now: Column | None, *, is_hidden: bool
    ) -> Charset | None:
        """How a column's text is decoded; None for bytes. Raises as `Source.read`."""
        # As the log says; the package does not know every collation, then as the table is now.
        said = (column.collation_name or "").partition("_")[0].lower()
        name = said or (now.charset if now is not None else "")
        if name in ("", "binary"):
            return None
        charset = LENIENT if is_hidden else self._charsets.find(name)
        if charset is None:
            raise self._place.of_charset(f"{table}.{column.name}", name)
        return charset

    def _take_query(self, event: Any) -> Iterator[Sized]:
        text = event.query
        word = text[:9].upper()
        if word.startswith("BEGIN"):
            if not self._gtid:
                self._begin("", event.timestamp, inside=True)
            self._is_inside = True
            return
        if word.startswith(("COMMIT", "ROLLBACK")) and "TO" not in text[8:12].upper():
            yield from self._commit(event.timestamp)
            return
        if not self._gtid and not self._is_inside:
            self._begin("", event.timestamp, inside=False)
        self._take_statement(text, event.schema.decode(errors="replace"))
        if not self._is_inside:
            yield from self._commit(event.timestamp)

    def _take_statement(self, text: str, schema: str) -> None:
        statement = parse(text, schema)
        if statement.verb == "rows":
            if self._wants(schema, "*"):
                reason = "a session wrote it in statement format, so its rows are not known"
                self._add_bad("u", f"{schema}.*", text.encode(), reason)
            return
        if statement.verb:
            # The numbers of tables change with their shape; to be sure, forget them.
            self._reader.table_map.clear()
            self._known.clear()
        for database, table in statement.tables:
            if not self._wants(database, table):
                continue
            name = f"{database}.{table}"
            if statement.verb == "truncate":
                self._append(
                    Change(
                        "t", name, None, None, None, self._lsn, self._count,
                        self._origin["committedAt"], source=self._origin,
                    )
                )  # fmt: skip
            elif self._options.schema_changes:
                now = describe(self._side, database, table)
                columns: Row | None = None if now is None else told(now.shape, now.key)
                version = "" if now is None else version_of(now.shape)
                self._altered[name] = version
                self._append(
                    Change(
                        "s", name, None, None, columns, self._lsn, self._count,
                        self._origin["committedAt"], version,
                        {**self._origin, "statement": text},
                    )
                )  # fmt: skip

    def _wants(self, schema: str, table: str) -> bool:
        if schema.lower() in SYSTEM or self._options.database not in ("", schema):
            return False
        return bool(self._options.takes(f"{schema}.{table}"))


def _is_later(known: _Known, row: Row, early: list[Seam]) -> bool:
    """Whether a snapshot has read the row after this change, so that it holds it."""
    key = [row.get(name) for name in known.key]
    return any(not one.behind or key > list(one.behind) for one in early)


def _told(known: _Known, bad: BadRow) -> bytes:
    """What a dead letter shows of a row: its bytes, or what of it is not hidden."""
    if not known.hidden:
        return bad.raw
    shown = [pair for row in bad.rows[-1:] for pair in row.items() if pair[0] not in known.hidden]
    return told_values(shown)


def _column_type(column: Any, declared: str, charset: Charset | None) -> ColumnType:
    """A column as the package describes it, as ours."""
    code = column.type
    size = scale = 0
    members: tuple[str, ...] = ()
    if code in (15, 254):
        size = 2 if column.max_length > 255 else 1
        scale = column.max_length if code == 254 else 0
    elif code in (245, 252, 255):
        size = column.length_size
    elif code in (17, 18, 19):
        size = column.fsp
    elif code == 246:
        size, scale = column.precision, column.decimals
    elif code == 16:
        size = column.bytes
    elif code == 247:
        size, members = column.size, tuple(column.enum_values[1:])
    elif code == 248:
        size, members = column.size, tuple(column.set_values)
    return ColumnType(column.name, code, size, scale, column.unsigned, charset, members, declared)


def _key(columns: list[Any], now: Table | None) -> tuple[str, ...]:
    """The primary key's columns, in its order where the catalogue still says it."""
    marked = tuple(one.name for one in columns if one.is_primary)
    if now is not None and set(now.key) == set(marked):
        return now.key
    return marked


def _with_gtid(state: str, gtid: str) -> str:
    """A MySQL GTID set with one more transaction.

    >>> server = "57b70f4e-20d3-11e5-a393-4a63946f7eac"
    >>> _with_gtid(f"{server}:1-4", f"{server}:5")
    '57b70f4e-20d3-11e5-a393-4a63946f7eac:1-5'
    """
    return str(GtidSet(state) + Gtid(gtid))
