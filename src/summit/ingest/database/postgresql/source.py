"""PostgreSQL as a source: prepares, reads what is there, then follows the log; on one thread."""

from __future__ import annotations

import asyncio
import select
import threading
from contextlib import suppress
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Internal, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.ingest.database.changes import Change
from summit.ingest.database.handoff import Handoff
from summit.ingest.database.postgresql import seams
from summit.ingest.database.postgresql.link import Link
from summit.ingest.database.postgresql.pgoutput import Relation, lsn_number, lsn_text
from summit.ingest.database.postgresql.place import Place
from summit.ingest.database.postgresql.preparing import Prepared, Preparing
from summit.ingest.database.postgresql.seams import Key
from summit.ingest.database.postgresql.settings import PostgresqlOptions
from summit.ingest.database.postgresql.shaping import Rows, integer_order
from summit.ingest.database.postgresql.snapshot import (
    Chunk,
    Snapshot,
    TableReader,
    key_expression,
    open_snapshot,
)
from summit.ingest.database.postgresql.streaming import Streaming
from summit.ingest.database.postgresql.tables import Table, ask_type, read_tables
from summit.ingest.database.postgresql.values import Values
from summit.ingest.database.postgresql.waiting import Closing, Waits
from summit.ingest.database.postgresql.watching import Watching
from summit.ingest.database.source import Batch, Position
from summit.ingest.settings import CollectorConfig

BATCH_CHANGES: Final = 1_000
BATCH_BYTES: Final = 1 << 20
FEEDBACK_MS: Final = 1_000  # how often the server hears from us; it gives up after 60 s
WAIT_S: Final = 0.2  # how long the thread waits for a message before it looks at the rest
JOIN_S: Final = 5.0
LOCK_MS: Final = 5_000  # how long a start waits for a lock of the catalogue, then it tries again


class PostgresqlSource:
    """A PostgreSQL database as one collector reads it; see `Source`."""

    def __init__(self, config: CollectorConfig, clock: Clock) -> None:
        self._options = config.block
        self._own = config.block.postgresql or PostgresqlOptions()
        self._clock = clock
        self._link = Link(config.block)
        self._preparing = Preparing(config, self._link)
        self._watching = Watching(self._preparing, self._link, config.block, clock)
        self._connection: Any = None
        self._thread: threading.Thread | None = None
        self._handoff: Handoff | None = None
        self._place = Place("", 0)
        self._prepared = Prepared("", {}, None)
        self._position: Position | None = None
        self._slot_lsn = 0
        self._tables: dict[str, Table] = {}
        self._is_preparing = False
        self._waits = Waits(self._link, self._is_closing)
        self._confirmed = 0
        self._values = Values(self._options.numbers, self._ask_type)
        self._phase = "starting"
        self._tables_done = 0
        self._rows_to_do = 0
        self._streaming: Streaming | None = None

    @property
    def source_id(self) -> str:
        """`postgresql:` and the database's name."""
        return f"postgresql:{self._options.database or 'postgres'}"

    async def open(self, position: Position | None) -> None:
        """See `Source.open`."""
        self._is_preparing = True
        await asyncio.to_thread(self._prepare, position)
        self._is_preparing = False
        handoff = Handoff(self._options.queue_changes, self._options.queue_bytes)
        self._handoff = handoff
        self._thread = threading.Thread(
            target=self._work, args=(handoff,), name="summit-postgresql", daemon=True
        )
        self._thread.start()

    async def read(self) -> Batch | None:
        """See `Source.read`."""
        assert self._handoff is not None
        return await self._handoff.take()

    async def confirm(self, position: Position) -> None:
        """See `Source.confirm`; the thread tells the server within a second."""
        kept = position["end"] - self._own.keep_bytes
        self._confirmed = max(self._confirmed, self._slot_lsn, kept)

    def status(self) -> dict[str, Any]:
        """See `Source.status`."""
        streaming = self._streaming
        return {
            "phase": self._phase,
            "slot": self._preparing.slot,
            "publication": self._preparing.publication,
            "lsn": lsn_text(self._place.end),
            "confirmedLsn": lsn_text(self._confirmed),
            "waitsFor": self._waits.for_whom,
            "waiting": 0 if self._handoff is None else self._handoff.changes,
            "lastCommitAt": None if streaming is None else streaming.behind_ms or None,
            "snapshot": {
                "tables": len(self._prepared.tables),
                "tablesDone": self._tables_done,
                "rows": self._place.rows,
                "rowsEstimate": self._rows_to_do,
            },
            **self._watching.figures(),
        }

    def warnings(self) -> list[str]:
        """See `Source.warnings`."""
        return [*self._waits.warnings(), *self._watching.warnings()]

    async def close(self) -> None:
        """See `Source.close`."""
        handoff, thread = self._handoff, self._thread
        if handoff is not None:
            handoff.close()
        if thread is not None:
            await asyncio.to_thread(thread.join, JOIN_S)
        if self._is_preparing or (thread is not None and thread.is_alive()):
            self._link.hang_up()  # the server does not answer
            if thread is not None:
                await asyncio.to_thread(thread.join, JOIN_S)
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.to_thread(connection.close)

    # ---- on a thread ----

    def _prepare(self, position: Position | None) -> None:
        """All that takes no time, or fails at once."""
        self._connection = connection = self._link.connect()
        self._link.query(connection, f"SET lock_timeout = {LOCK_MS}")
        self._prepared = prepared = self._preparing.prepare(connection, position)
        self._position = position
        self._tables = dict(prepared.tables)
        if prepared.lsn is not None:
            self._find_place(prepared, prepared.lsn)

    def _find_place(self, prepared: Prepared, slot_lsn: int) -> None:
        position = self._position
        place = Place(prepared.system, slot_lsn) if position is None else Place.of(position)
        wanted = self._own.start_lsn
        if wanted is not None and place.seek != wanted:
            lsn = lsn_number(wanted)
            if lsn < slot_lsn:
                raise Invalid(
                    "database.position_lost", where=self._link.where, position=wanted,
                    reason=f"the slot begins at {lsn_text(slot_lsn)}",
                    todo="Name a later place in startLsn; keepBytes lets the slot keep more.",
                )  # fmt: skip
            place.seek_to(lsn, wanted)
        place.slot = self._preparing.slot
        if position is not None:
            # Never below the slot's own place: some servers would take it back.
            self._confirmed = max(slot_lsn, position["end"] - self._own.keep_bytes)
        self._slot_lsn = slot_lsn
        if self._options.snapshot == "never":
            for name, table in prepared.tables.items():
                if not place.knows(name):
                    place.follow(name, table.version)
        self._place = place

    def _make_slot(self, handoff: Handoff) -> None:
        if self._prepared.lsn is not None:
            return
        self._phase = "waiting"
        lsn = self._preparing.make_slot(self._connection, self._waits, lambda: handoff.rest(WAIT_S))
        self._find_place(self._prepared, lsn)

    def _work(self, handoff: Handoff) -> None:
        error: SummitError | None = None
        try:
            self._make_slot(handoff)
            self._read_snapshot(handoff)
            if self._options.snapshot != "initialOnly":
                self._follow(handoff)
            self._phase = "complete"
        except Closing:
            pass
        except SummitError as fault:
            error = fault
        except Exception as fault:  # noqa: BLE001 - the thread's end; the collector says it
            get_logger(__name__).exception("database.thread")
            error = Internal("internal", reason=repr(fault))
        handoff.end(error)

    def _is_closing(self) -> bool:
        return self._handoff is None or self._handoff.is_closed

    def _ask_type(self, type_oid: int) -> tuple[str, int]:
        return ask_type(self._link, self._connection, type_oid)

    # ---- the rows that are there ----

    def _read_snapshot(self, handoff: Handoff) -> None:
        place = self._place
        to_do = [one for name, one in self._prepared.tables.items() if not place.is_done(name)]
        self._tables_done = len(self._prepared.tables) - len(to_do)
        if not to_do:
            return
        self._phase = "waiting"
        self._rows_to_do = place.rows + sum(max(0, one.rows_estimate) for one in to_do)
        snapshot = open_snapshot(self._link, self._preparing.slot, self._waits, self._connection)
        self._phase = "snapshot"
        try:
            for table in to_do:
                self._read_table(handoff, snapshot, table)
                if handoff.is_closed:
                    return
                self._tables_done += 1
        finally:
            snapshot.connection.close()

    def _read_table(self, handoff: Handoff, snapshot: Snapshot, table: Table) -> None:
        place, name = self._place, table.qualified
        rows = Rows.of_table(table, self._values.decoder, self._options.hides)
        if place.key_shape(name) not in (None, table.key_shape):
            place.forget(name)  # its place within the rows means nothing any more
        segments = place.segments(name) or []
        reader = TableReader(
            self._link, snapshot, table, rows,
            after=seams.resume_key(segments), counted=place.rows, clock=self._clock,
        )  # fmt: skip

        def hand(chunk: Chunk) -> None:
            nonlocal segments
            place.rows = reader.counted
            position = None
            if (table.key and chunk.last is not None) or chunk.is_end:
                segments = seams.add_chunk(segments, chunk.last, snapshot.lsn)
                place.set_segments(name, table.version, segments, table.key_shape)
                position = place.position()
            self._hand_over(handoff, Batch(chunk.changes, position), chunk.size_bytes)

        reader.read(self._options.snapshot_chunk_rows, lambda: not handoff.is_closed, hand)

    def _hand_over(
        self, handoff: Handoff, batch: Batch, size_bytes: int, cursor: Any = None
    ) -> None:
        while not handoff.offer(batch, size_bytes, FEEDBACK_MS / 1000):
            if cursor is not None:
                self._tell_server(cursor)

    # ---- the log ----

    def _follow(self, handoff: Handoff) -> None:
        if handoff.is_closed:
            return
        place = self._place
        streaming = self._streaming = Streaming(
            place,
            self._describe,
            self._type_names,
            self._at_most,
            encoding=self._link.encoding,
            schema_changes=self._options.schema_changes,
        )
        publication = self._preparing.publication.replace('"', '""').replace("'", "''")
        replication = self._link.connect_replication()
        try:
            with self._link.translated():
                cursor = self._link.replication_cursor(
                    replication, forwards=self._own.keep_bytes == 0
                )
                cursor.start_replication(
                    slot_name=self._preparing.slot, decode=False, start_lsn=place.end,
                    status_interval=10,
                    options={"proto_version": "1", "publication_names": f'"{publication}"'},
                )  # fmt: skip
                self._phase = "streaming"
                self._pump(handoff, cursor, streaming)
                self._tell_server(cursor)
        finally:
            with suppress(Exception):
                replication.close()

    def _pump(self, handoff: Handoff, cursor: Any, streaming: Streaming) -> None:
        """Hand over what comes, until the collector ends or an error does."""
        place, read, take = self._place, cursor.read_message, streaming.take
        told_ms = kept_ms = self._clock.monotonic_ms()
        kept_end = place.end
        changes: list[Change] = []
        size_bytes, is_inside = 0, False
        while not handoff.is_closed:
            message = read()
            if message is not None:
                data = message.payload
                kind = data[0]
                take(data, changes)
                size_bytes += len(data)
                is_inside = kind != 67 and (is_inside or kind == 66)
                if streaming.again is not None and not is_inside:
                    self._hand_over(handoff, Batch(changes, place.position()), size_bytes, cursor)
                    raise Unavailable("database.again", reason=streaming.again)
                if len(changes) < BATCH_CHANGES and size_bytes < BATCH_BYTES:
                    continue
            elif not is_inside and cursor.wal_end > place.end:
                place.at_idle(cursor.wal_end)
            now_ms = self._clock.monotonic_ms()
            is_due = now_ms - kept_ms >= self._options.heartbeat_interval_ms
            if (
                message is not None  # the batch is full
                or (changes and not is_inside)  # a transaction comes in one go: its rest is not far
                or (place.end > kept_end and is_due)
            ):
                self._hand_over(handoff, Batch(changes, place.position()), size_bytes, cursor)
                changes, size_bytes = [], 0
                kept_ms, kept_end = now_ms, place.end
            if now_ms - told_ms >= FEEDBACK_MS:
                told_ms = now_ms
                self._tell_server(cursor)
                self._watching.look(self._connection)
            if message is None:
                select.select([cursor], [], [], WAIT_S)

    def _tell_server(self, cursor: Any) -> None:
        with self._link.translated():
            confirmed = max(0, self._confirmed)
            cursor.send_feedback(
                write_lsn=confirmed,
                flush_lsn=confirmed,
                apply_lsn=confirmed,
                reply=False,
                force=True,
            )

    def _describe(self, relation: Relation) -> Rows | None:
        if not self._options.takes(relation.table):
            return None
        if not self._place.knows(relation.table):
            # A publication of all tables: this one was made after the slot, so all of it comes.
            self._place.follow(relation.table, relation.version)
        # Asked anew: the key may be another one than at the start.
        table = read_tables(self._link, self._connection, relation.oid).get(relation.table)
        if table is not None:
            self._tables[relation.table] = table
        key = [] if table is None else [one.name for one in table.key]
        return Rows.of_relation(relation, key, self._values.decoder, self._options.hides)

    def _type_names(self, relation: Relation) -> list[str]:
        query = (
            "SELECT format_type(one.id::oid, one.modifier) "
            "FROM unnest(%s::int8[], %s::int4[]) WITH ORDINALITY AS one(id, modifier, place) "
            "ORDER BY place"
        )
        ids = [one.type_oid for one in relation.columns]
        modifiers = [one.modifier for one in relation.columns]
        return [row[0] for row in self._link.query(self._connection, query, ids, modifiers)]

    def _at_most(self, name: str, key: Key, last: Key) -> bool:
        table = self._tables[name]
        order = integer_order(table)
        if order is not None:
            return order(key, last)
        both = (key_expression(self._link, table.key, one) for one in (key, last))
        query = f"SELECT {' <= '.join(both)}"
        ((answer,),) = self._link.query(self._connection, query)
        return bool(answer)
