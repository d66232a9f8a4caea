"""What must hold before a PostgreSQL database can be followed, made where we may make it.

The server writes its log for logical decoding; every followed table has an identity; a publication
holds the tables; a slot keeps the log, and still has what follows the position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid, SummitError
from summit.ingest.database.positions import positions_topic
from summit.ingest.database.postgresql.link import Link, quote_name
from summit.ingest.database.postgresql.pgoutput import lsn_number, lsn_text
from summit.ingest.database.postgresql.settings import PostgresqlOptions, default_slot, earlier_slot
from summit.ingest.database.postgresql.tables import Table, read_tables
from summit.ingest.database.postgresql.waiting import Closing, Waits
from summit.ingest.database.source import Position
from summit.ingest.settings import CollectorConfig

_VERSION_LEAST: Final = 120_000
_SERVER: Final = """
SELECT current_setting('server_version_num')::int, current_setting('wal_level'),
       pg_current_wal_lsn()::text, (SELECT system_identifier FROM pg_control_system())::text,
       pg_is_in_recovery()
"""
_SLOT: Final = """
SELECT plugin, confirmed_flush_lsn::text, database, to_jsonb(s) ->> 'wal_status', active_pid
  FROM pg_replication_slots s WHERE slot_name = %s
"""


class Prepared(NamedTuple):
    """A database that can be followed.

    Attributes:
        system: The identifier of the server's data.
        tables: The wanted tables.
        lsn: Where its slot, or without one its log, is; None: the slot is still to be made.
    """

    system: str
    tables: dict[str, Table]
    lsn: int | None


class Preparing:
    """Sees that a database can be followed, for one collector."""

    def __init__(self, config: CollectorConfig, link: Link) -> None:
        self._options = config.block
        self._own = config.block.postgresql or PostgresqlOptions()
        self._link = link
        self._name = config.name
        self._topic = positions_topic(config.name)
        self.slot = self._own.slot or default_slot(config.name)
        self.publication = self._own.publication or self.slot

    def prepare(self, connection: Any, position: Position | None) -> Prepared:
        """Everything that must hold, but for the slot, which may take long to make.

        Raises: as `Source.open`.
        """
        ((version, wal_level, lsn, system, in_recovery),) = self._link.query(connection, _SERVER)
        if version < _VERSION_LEAST:
            raise self._unfit("it is older than PostgreSQL 12", "Follow a newer server.")
        if in_recovery:
            raise self._unfit("it is a standby", "Follow its primary.")
        if position is not None:
            self._check_place(position, system, lsn_number(lsn))
            if self._own.slot is None:
                self._keep_slot(connection, position)
        every = read_tables(self._link, connection)
        tables = {name: one for name, one in every.items() if self._options.takes(name)}
        if not tables:
            raise self._unfit(
                f"no table fits {self._options.tables}",
                "Correct tables: names or globs like public.orders.",
            )
        if self._options.snapshot == "initialOnly":
            return Prepared(system, tables, lsn_number(lsn))
        if wal_level != "logical":
            raise self._unfit(
                f"wal_level is {wal_level}", "Set wal_level = logical and restart the server."
            )
        self._publish(connection, tables)
        return Prepared(system, tables, self._find_slot(connection, position))

    def unpublished(self, connection: Any) -> list[str]:
        """Wanted tables that the publication lacks: they are new."""
        published = self._published(connection)
        tables = read_tables(self._link, connection)
        return [
            name for name in tables if self._options.takes(name) and name not in (published or ())
        ]

    def _check_place(self, position: Position, system: str, lsn: int) -> None:
        if position["system"] != system:
            raise self._lost(position, "this is another server's data")
        if position["end"] > lsn:
            raise self._lost(position, f"its log ends at {lsn_text(lsn)}, before that")

    def _keep_slot(self, connection: Any, position: Position) -> None:
        """Go on with the slot that the position is of, whatever its default name is now."""
        slot = position.get("slot") or earlier_slot(self._name)
        if slot == self.slot or self._link.query(connection, _SLOT, self.slot):
            return
        if self._link.query(connection, _SLOT, slot):
            self.slot = slot
            self.publication = self._own.publication or slot

    def _published(self, connection: Any) -> list[str] | None:
        """The tables of the publication; None when there is none."""
        query = "SELECT 1 FROM pg_publication WHERE pubname = %s"
        if not self._link.query(connection, query, self.publication):
            return None
        query = (
            "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = %s"
        )
        return [row[0] for row in self._link.query(connection, query, self.publication)]

    def _publish(self, connection: Any, tables: dict[str, Table]) -> None:
        published = self._published(connection)
        missing = [one for name, one in tables.items() if name not in (published or ())]
        if not missing:
            return
        names = ", ".join(one.quoted for one in missing)
        name = quote_name(self.publication)
        statement = (
            f"CREATE PUBLICATION {name} FOR TABLE {names}"
            if published is None
            else f"ALTER PUBLICATION {name} ADD TABLE {names}"
        )
        if not self._own.create_publication:
            raise self._unfit(
                f"the publication '{self.publication}' lacks {names}", f"Run: {statement}"
            )
        # Published without an identity, a table would refuse UPDATE and DELETE of everybody.
        for one in missing:
            if not one.has_identity:
                raise self._unfit(
                    f"{one.qualified} has neither a primary key (a deferrable one does not count) "
                    "nor a replica identity whose index is there, so its updates and deletions "
                    "would fail once it is published",
                    f"Run: ALTER TABLE {one.quoted} REPLICA IDENTITY FULL; or exclude the table.",
                )
        self._link.query(connection, statement)

    def _find_slot(self, connection: Any, position: Position | None) -> int | None:
        found = self._link.query(connection, _SLOT, self.slot)
        if not found:
            if position is not None:
                raise self._lost(position, f"its replication slot '{self.slot}' is gone")
            if not self._own.create_slot:
                raise self._unfit(f"it has no slot '{self.slot}'", f"Run: {self._statement}")
            return None
        ((plugin, lsn, database, wal_status, _),) = found
        if plugin != "pgoutput" or (self._options.database and database != self._options.database):
            raise self._unfit(
                f"its slot '{self.slot}' is for {plugin} in the database {database}",
                "Name another slot in postgresql.slot.",
            )
        if wal_status == "lost":
            raise self._lost(position, f"its slot '{self.slot}' was given up for want of room")
        return None if lsn is None else lsn_number(lsn)

    def make_slot(self, asking: Any, waits: Waits, rest: Callable[[], None]) -> int:
        """Make the slot, which waits for every transaction that is open now; where it is.

        Args:
            asking: A connection for questions; the slot is made on one of its own.
            rest: Lets some time pass: somebody else, who may have been killed, makes the slot.
        Raises: Closing; as `Source.open`.
        """
        while True:
            lsn = self._find_slot(asking, None)
            if lsn is not None:
                return lsn
            found = self._link.query(asking, _SLOT, self.slot)
            if found:
                waits.for_whom = [f"process {found[0][4]}, which makes the slot '{self.slot}'"]
                rest()
                if waits.is_closing():
                    raise Closing
                continue
            self._make(asking, waits)

    def _make(self, asking: Any, waits: Waits) -> None:
        making = self._link.connect()
        try:
            waits.run(making, asking, lambda: self._link.query(making, self._statement))
        finally:
            making.close()

    @property
    def _statement(self) -> str:
        return f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')"

    def _unfit(self, reason: str, todo: str) -> SummitError:
        return Invalid("database.unfit", where=self._link.where, reason=reason, todo=todo)

    def _lost(self, position: Position | None, reason: str) -> SummitError:
        place = "the beginning" if position is None else lsn_text(position["end"])
        todo = (
            f"To begin anew: drop the slot '{self.slot}' if it is there, delete the topic "
            f"'{self._topic}', and start the collector; it then reads all rows again."
        )
        return Invalid(
            "database.position_lost",
            where=self._link.where, position=place, reason=reason, todo=todo,
        )  # fmt: skip
