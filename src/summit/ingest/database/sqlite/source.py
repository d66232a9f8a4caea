"""SQLite as a source: a snapshot in short reads, then what the triggers wrote down.

Each piece of the snapshot is read in the same transaction as the changes before it. A change of a
row that the snapshot has not come to is left out, as the row will be read as it is then; others
are told. So there is neither gap nor double, also after a kill, and no reader that holds up the
application for longer than one piece takes.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.ingest.database.ahead import PIECE_BYTES, ReadAhead, Sized
from summit.ingest.database.changes import ROW_FAULTS, Change, Row, told_values
from summit.ingest.database.handoff import Handoff
from summit.ingest.database.positions import positions_topic
from summit.ingest.database.source import Batch, Position
from summit.ingest.database.sqlite.settings import SqliteOptions
from summit.ingest.database.sqlite.tables import Table, list_tables, quoted, read_row, row_sql
from summit.ingest.database.sqlite.triggers import Foreign, Installed, Shape
from summit.ingest.settings import CollectorConfig

PIECE: Final = 1_000  # changes that are read at once
CHUNK_BYTES: Final = 8 << 20  # of rows of a snapshot that are read in one moment
DELETE_CHANGES: Final = 5_000  # written ones that are deleted together, or those of a second
DELETE_MS: Final = 1_000
BACKLOG_ALARM: Final = 1_000_000  # changes that wait before there is a warning
_SNAPSHOT: Final = {"snapshot": True}
_OLDEST: Final = (3, 38)  # the first version that always has JSON


class Place(msgspec.Struct, frozen=True):
    """A position.

    Attributes:
        epoch: Of the installation that counts.
        seq: The last change that was written or left out.
        snapshot: Whether there is one under way.
        done: Its tables that are finished.
        table: The one that is being read; empty between tables.
        after: Its last row number that was written.
        rows: Rows written so far, of all tables.
    """

    epoch: str
    seq: int = 0
    snapshot: bool = False
    done: tuple[str, ...] = ()
    table: str = ""
    after: int | None = None
    rows: int = 0


class SqliteSource:
    """One SQLite database as one collector reads it."""

    def __init__(self, config: CollectorConfig, clock: Clock) -> None:
        self._config = config
        self._options: Any = config.block
        self._own: SqliteOptions = self._options.sqlite or SqliteOptions()
        self._clock = clock
        self._path = self._options.database
        if not self._path:
            raise Invalid(
                "config.invalid", reason="name the file: sqlite:////absolute/path",
                pointer="/database/url",
            )  # fmt: skip
        self._db: sqlite3.Connection | None = None
        self._installed: Installed | None = None
        self._place: Place | None = None
        self._ahead: ReadAhead | None = None
        self._ending = threading.Event()
        self._confirmed = 0
        self._deleted = 0
        self._deleted_ms = 0.0
        self._waiting = 0
        self._phase = "closed"

    @property
    def source_id(self) -> str:
        """`sqlite:` and the name of the file."""
        return f"sqlite:{Path(self._path).name}"

    async def open(self, position: Position | None) -> None:
        """Open the file, see to the triggers, and find the place. Raises as `Source.open`."""
        self._ending.clear()
        await asyncio.to_thread(self._prepare, position)
        self._ahead = ReadAhead(
            self._batches,
            name=f"sqlite {self._config.name}",
            handoff=Handoff(self._options.queue_changes, self._options.queue_bytes),
            wake=self._ending.set,
        )
        self._ahead.start()

    async def read(self) -> Batch | None:
        """The next changes. Raises as `Source.read`."""
        assert self._ahead is not None
        return await self._ahead.read()

    async def confirm(self, position: Position) -> None:
        """What is written may be deleted; the reading thread does it now and then."""
        self._confirmed = max(self._confirmed, position["seq"])

    def status(self) -> dict[str, Any]:
        """Phase, place, and how many changes wait."""
        place = self._place
        found: dict[str, Any] = {"phase": self._phase, "lagChanges": self._waiting}
        if place is not None:
            found["seq"] = place.seq
            if place.snapshot:
                found["snapshot"] = {
                    "tablesDone": len(place.done), "table": place.table, "rows": place.rows
                }  # fmt: skip
        return found

    def warnings(self) -> list[str]:
        """Too many changes wait in the database."""
        if self._waiting < BACKLOG_ALARM:
            return []
        table = self._own.changes_table
        return [f"{self._waiting} changes wait in {table} of {self._path}: is the broker slow?"]

    async def close(self) -> None:
        """End the thread and close the file. Idempotent."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.close()
        await asyncio.to_thread(self._let_go)
        self._phase = "closed"

    # ---- on threads ----

    def _prepare(self, position: Position | None) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise self._unfit(
                f"this Python has SQLite {sqlite3.sqlite_version}", "Use SQLite 3.38 or newer."
            )
        try:
            self._db = db = self._connect()
            self._installed = installed = Installed(
                db, self._own.changes_table, self._config.name, self._options.takes
            )
            if self._own.remove:
                installed.remove()
                self._place = None
                return
            self._place = self._find(installed, position)
        except Foreign as error:
            raise self._unfit(
                f"the table {self._own.changes_table} belongs to the collector '{error}'",
                "Name another one in database.sqlite.changesTable.",
            ) from error
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _connect(self) -> sqlite3.Connection:
        if not Path(self._path).is_file():
            raise Unavailable("database.unreachable", where=self._path, reason="no such file")
        return sqlite3.connect(
            f"{Path(self._path).resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=self._own.busy_timeout_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
        )

    def _find(self, installed: Installed, position: Position | None) -> Place:
        mode = self._options.snapshot
        if position is None:
            if mode == "initialOnly":
                return Place("", snapshot=True)
            installed.install(with_rows=False)
            epoch = installed.epoch()
            if mode == "never":
                return Place(epoch, installed.last_seq())
            return Place(epoch, installed.last_seq(), snapshot=True)
        place = msgspec.convert(position, Place)
        if mode == "initialOnly":
            return place
        if not installed.exists() or installed.epoch() != place.epoch:
            raise self._lost(place, "its triggers were removed meanwhile")
        if installed.last_seq() < place.seq:
            raise self._lost(place, "an older state of the file was put back")
        installed.install(with_rows=mode != "never")
        return place

    def _batches(self) -> Iterator[Sized]:
        try:
            yield from self._follow()
        except SummitError:
            raise
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _follow(self) -> Iterator[Sized]:
        place = self._place
        if place is None:
            return
        self._phase = "snapshot" if place.snapshot else "stream"
        yield Sized(Batch([], msgspec.to_builtins(place)), 0)
        while place.snapshot and not self._ending.is_set():
            for sized, more in self._snapshot_piece(place):
                self._place = place = more
                yield sized
        if self._options.snapshot == "initialOnly":
            return
        self._phase = "stream"
        yield from self._stream(place)

    def _stream(self, place: Place) -> Iterator[Sized]:
        db, installed = self._db, self._installed
        assert db is not None
        assert installed is not None
        seen = shape_seen = None
        pause_s = self._own.poll_interval_ms / 1000
        told_ms = self._clock.monotonic_ms()
        while not self._ending.is_set():
            version = db.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                shape = db.execute("PRAGMA schema_version").fetchone()[0]
                if shape != shape_seen:
                    installed.install(with_rows=self._options.snapshot != "never")
                    shape_seen = db.execute("PRAGMA schema_version").fetchone()[0]
                seen = version
                while not self._ending.is_set():
                    sized, more = self._piece(place)
                    if sized is None:
                        break
                    self._place = place = more
                    yield sized
                    self._delete()
            self._delete(idle=True)
            now_ms = self._clock.monotonic_ms()
            if now_ms - told_ms >= self._options.heartbeat_interval_ms:
                told_ms = now_ms
                yield Sized(Batch([], msgspec.to_builtins(place)), 0)
            self._ending.wait(pause_s)

    def _piece(self, place: Place) -> tuple[Sized | None, Place]:
        """The next changes."""
        changes, size, seq = self._changes_after(place, PIECE)
        if seq == place.seq:
            self._waiting = 0
            return None, place
        more = msgspec.structs.replace(place, seq=seq)
        return Sized(Batch(changes, msgspec.to_builtins(more)), size), more

    def _changes_after(self, place: Place, limit: int) -> tuple[list[Change], int, int]:
        """Changes behind a place: those that count, their bytes, and the last number."""
        db, installed = self._db, self._installed
        assert db is not None
        assert installed is not None
        if self._options.snapshot == "initialOnly":
            return [], 0, place.seq
        # As bytes: text that is none must not stop the reading.
        rows = db.execute(
            "SELECT seq, shape, op, ts, old_rowid, new_rowid, CAST(old AS BLOB), CAST(new AS BLOB)"
            f" FROM {self._own.changes_table} WHERE seq > ? ORDER BY seq LIMIT ?",
            (place.seq, limit),
        )
        changes: list[Change] = []
        size, seq = 0, place.seq
        for row in rows:
            seq = row[0]
            shape = installed.shapes.get(row[1])
            if shape is None:
                installed.load()
                shape = installed.shapes[row[1]]
            size += len(row[6] or b"") + len(row[7] or b"")
            changes += self._changes_of(place, shape, row)
            if size >= PIECE_BYTES:
                break
        rows.close()
        self._waiting = max(0, installed.last_seq() - seq)
        return changes, size, seq

    def _changes_of(self, place: Place, shape: Shape, row: tuple[Any, ...]) -> list[Change]:
        seq, _, op, ts, old_rowid, new_rowid, old, new = row
        table = shape.table
        if op == "s":
            return self._schema_change(table, seq, ts, has=new is not None)
        if not self._options.takes(table.name):
            return []
        if place.snapshot and table.name not in place.done:
            if table.name != place.table or place.after is None:
                return []
            old = old if old_rowid is not None and old_rowid <= place.after else None
            new = new if new_rowid is not None and new_rowid <= place.after else None
        names = [name for name, _ in table.columns]
        try:
            before = None if old is None else read_row(names, old)
            after = None if new is None else read_row(names, new)
        except ROW_FAULTS as error:
            texts = [one for one in (old, new) if one is not None]
            fault, raw = self._bad(table, texts, error)
            return [Change(op, table.name, None, None, None, str(seq), 0, ts, fault=fault, raw=raw)]
        return self._row_changes(table, op, before, after, seq, ts)

    def _bad(self, table: Table, texts: list[bytes], error: Exception) -> tuple[Invalid, bytes]:
        """The fault of a row that cannot be read, and what a dead letter shows of it."""
        fault = Invalid("database.row", reason=f"text that is none: {str(error)[:1_000]}")
        names = [name for name, _ in table.columns]
        hidden = {name for name in names if self._options.hides(f"{table.name}.{name}")}
        if not hidden:
            return fault, b"\n".join(texts)
        try:
            row = read_row(names, texts[-1].decode(errors="replace").encode())
        except ROW_FAULTS:
            return fault, b""
        return fault, told_values(pair for pair in row.items() if pair[0] not in hidden)

    def _row_changes(
        self, table: Table, op: str, before: Row | None, after: Row | None, seq: int, ts: int
    ) -> list[Change]:
        keys = [
            {name: row[name] for name in table.key} if row is not None and table.key else None
            for row in (before, after)
        ]
        hidden = [name for name, _ in table.columns if self._options.hides(f"{table.name}.{name}")]
        if any(name in table.key for name in hidden):
            keys = [None, None]
        for name in hidden:
            for row in (before, after):
                if row is not None:
                    del row[name]
        if after is None and op == "u":
            op = "d"  # of a row that moved to where the snapshot has not come yet
        elif before is None and op == "u":
            op = "c"
        if before is None and after is None:
            return []
        key = keys[1] if after is not None else keys[0]
        return [
            Change(
                op,
                table.name,
                key,
                before,
                after,
                str(seq),
                0,
                ts,
                table.version,
                _SNAPSHOT if op == "r" else None,
            )
        ]

    def _schema_change(self, table: Table, seq: int, ts: int, *, has: bool) -> list[Change]:
        if not self._options.schema_changes:
            return []
        named = [{"name": name, "type": type_} for name, type_ in table.columns]
        columns: Row | None = {"columns": named, "key": list(table.key)} if has else None
        return [
            Change(
                "s",
                table.name,
                None,
                None,
                columns,
                str(seq),
                0,
                ts,
                table.version,
            )
        ]

    # ---- the snapshot ----

    def _snapshot_piece(self, place: Place) -> Iterator[tuple[Sized, Place]]:
        """The changes so far, then the next rows, of one moment."""
        db = self._db
        assert db is not None
        db.execute("BEGIN")
        try:
            changes, size, seq = self._changes_after(place, PIECE)
            # All changes of this moment must be told before its rows.
            table = None if self._waiting else self._next_table(db, place)
            rows = None if table is None else self._select(db, table, place)
            if table is None or table.rowid is not None:
                db.execute("ROLLBACK")  # a slow broker must not hold up the application
            if seq != place.seq:
                place = msgspec.structs.replace(place, seq=seq)
                yield Sized(Batch(changes, msgspec.to_builtins(place)), size), place
            if table is not None and rows is not None:
                yield from self._rows(table, place, rows)
            elif not self._waiting:
                place = msgspec.structs.replace(place, snapshot=False, done=(), table="")
                yield Sized(Batch([], msgspec.to_builtins(place)), 0), place
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _next_table(self, db: sqlite3.Connection, place: Place) -> Table | None:
        """The table that is being read, or the next one; those without triggers come later."""
        left = [
            one for one in list_tables(db)
            if self._options.takes(one.name) and one.name not in place.done
        ]  # fmt: skip
        if self._options.snapshot != "initialOnly":
            assert self._installed is not None
            followed = {one.table.name for one in self._installed.shapes.values() if one.current}
            left = [one for one in left if one.name in followed]
        return next((one for one in left if one.name == place.table), left[0] if left else None)

    def _select(
        self, db: sqlite3.Connection, table: Table, place: Place
    ) -> Iterator[list[tuple[int | None, bytes]]]:
        """The next rows of a table: a chunk at once, or, where rows have no numbers, all of it.

        The last piece is empty where the table's end was reached.
        """
        rowid, after = table.rowid, place.after if table.name == place.table else None
        limit = self._options.snapshot_chunk_rows
        where = order = ""
        if rowid is not None:
            where = "" if after is None else f" WHERE {rowid} > {after}"
            order = f" ORDER BY {rowid} LIMIT {limit}"
        cursor = db.execute(
            f"SELECT {rowid or 'NULL'}, CAST({row_sql(table, '')} AS BLOB)"
            f" FROM {quoted(table.name)}{where}{order}"
        )
        if rowid is None:
            return itertools.chain(_pieces(cursor), iter([[]]))
        # Read to the end of the chunk before anything is handed over, so that the moment is short.
        found: list[list[tuple[int | None, bytes]]] = []
        size = count = 0
        for piece in _pieces(cursor):
            found.append(piece)
            count += len(piece)
            size += sum(len(text) for _, text in piece)
            if size >= CHUNK_BYTES:
                cursor.close()
                return iter(found)
        return iter([*found, []] if count < limit else found)

    def _rows(
        self, table: Table, place: Place, rows: Iterator[list[tuple[int | None, bytes]]]
    ) -> Iterator[tuple[Sized, Place]]:
        if table.name != place.table:
            place = msgspec.structs.replace(place, table=table.name, after=None)
        names = [name for name, _ in table.columns]
        lsn, now_ms = str(place.seq), self._clock.now_ms()
        count, last, is_end = 0, place.after, False
        for found in rows:
            is_end = not found
            changes = []
            for number, text in found:
                sequence, last = place.rows + count, number
                count += 1
                try:
                    row = read_row(names, text)
                except ROW_FAULTS as error:
                    fault, raw = self._bad(table, [text], error)
                    changes.append(
                        Change(
                            "r", table.name, None, None, None, lsn, sequence, now_ms,
                            fault=fault, raw=raw,
                        )
                    )  # fmt: skip
                    continue
                (change,) = self._row_changes(table, "r", None, row, place.seq, now_ms)
                changes.append(change._replace(lsn=lsn, sequence=sequence))
            if changes:
                yield Sized(Batch(changes, None), sum(len(text) for _, text in found)), place
        place = msgspec.structs.replace(place, after=last, rows=place.rows + count)
        if is_end:
            done = (*place.done, table.name)
            place = msgspec.structs.replace(place, done=done, table="", after=None)
        yield Sized(Batch([], msgspec.to_builtins(place)), 0), place

    # ---- the end of changes ----

    def _delete(self, *, idle: bool = False) -> None:
        """Delete changes that are written, now and then; an application's lock is waited out."""
        upto, now_ms = self._confirmed, self._clock.monotonic_ms()
        if upto <= self._deleted:
            return
        due = now_ms - self._deleted_ms >= DELETE_MS or upto - self._deleted >= DELETE_CHANGES
        if not due and not (idle and self._ending.is_set()):
            return
        assert self._db is not None
        self._deleted_ms = now_ms
        try:
            self._db.execute(f"DELETE FROM {self._own.changes_table} WHERE seq <= ?", (upto,))
        except sqlite3.OperationalError:
            return  # locked: the next time
        self._deleted = upto

    def _let_go(self) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        if self._confirmed > self._deleted:
            try:
                db.execute(
                    f"DELETE FROM {self._own.changes_table} WHERE seq <= ?", (self._confirmed,)
                )
            except sqlite3.Error:
                pass  # they are written, and are left out at the next start
        db.close()

    def _told(self, error: sqlite3.Error) -> SummitError:
        if isinstance(error, sqlite3.OperationalError):
            return Unavailable("database.unreachable", where=self._path, reason=str(error))
        return self._unfit(str(error), "See whether the file is an SQLite database, and whole.")

    def _unfit(self, reason: str, todo: str) -> Invalid:
        return Invalid("database.unfit", where=self._path, reason=reason, todo=todo)

    def _lost(self, place: Place, reason: str) -> Invalid:
        topic = positions_topic(self._config.name)
        return Invalid(
            "database.position_lost", where=self._path, position=f"change {place.seq}",
            reason=reason,
            todo=f"To begin with a new snapshot, stop the collector, delete the topic '{topic}', "
            f"and start it.",
        )  # fmt: skip


def _pieces(cursor: sqlite3.Cursor) -> Iterator[list[tuple[int | None, bytes]]]:
    """The rows of a query, in pieces that are bounded in number and bytes."""
    rows: list[tuple[int | None, bytes]] = []
    size = 0
    for row in cursor:
        if rows and (len(rows) >= PIECE or size + len(row[1]) > PIECE_BYTES):
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += len(row[1])
    if rows:
        yield rows
