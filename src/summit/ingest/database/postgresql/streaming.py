"""From the messages of the stream to changes, with the position behind each.

Numbers within a transaction count every change that the server sends, also those that are left out
here, so that a change has the same coordinate whenever it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from summit.base.errors import Invalid
from summit.ingest.database.changes import Change, Row
from summit.ingest.database.postgresql import seams
from summit.ingest.database.postgresql.encodings import Encoding
from summit.ingest.database.postgresql.pgoutput import (
    Begin,
    Commit,
    Relation,
    Truncate,
    decode,
    lsn_text,
)
from summit.ingest.database.postgresql.pgoutput import Rows as RowMessage
from summit.ingest.database.postgresql.place import Place
from summit.ingest.database.postgresql.seams import Key
from summit.ingest.database.postgresql.shaping import Rows

_OPS = {"I": "c", "U": "u", "D": "d"}


class Streaming:
    """The stream of one slot, from `place` on, which moves with it.

    Args:
        describe: The rows of a relation; None for a table that is not followed.
        type_names: The names of the types of a relation's columns.
        at_most: Whether one key of a table is not above another, in the database's order.
        encoding: Of a server whose texts are not in UTF-8.
        schema_changes: Whether changes of columns are told.
    """

    def __init__(
        self,
        place: Place,
        describe: Callable[[Relation], Rows | None],
        type_names: Callable[[Relation], list[str]],
        at_most: Callable[[str, Key, Key], bool],
        *,
        encoding: Encoding | None = None,
        schema_changes: bool,
    ) -> None:
        self.place = place
        self._describe = describe
        self._type_names = type_names
        self._at_most = at_most
        self._to_utf8 = None if encoding is None else encoding.to_utf8
        self._schema_changes = schema_changes
        self._rows: dict[int, Rows | None] = {}
        self._begin = Begin(0, 0, 0)
        self._lsn_text = ""
        self._tx: dict[str, Any] = {}
        self._sequence = 0
        self._skip = -1  # numbers of this transaction that are written already
        self.again: str | None = None  # why the source must be opened anew after this commit
        self.behind_ms = 0  # commit time of the last transaction

    def take(self, data: bytes, out: list[Change]) -> None:
        """Add a message's changes to `out`, and move the place behind them.

        Raises: Corrupt("database.protocol").
        """
        message = decode(data, self._to_utf8)
        if isinstance(message, RowMessage):
            self._take_row(message, data, out)
        elif isinstance(message, Begin):
            self._take_begin(message)
        elif isinstance(message, Commit):
            self.place.at_commit(message.lsn, message.end_lsn)
        elif isinstance(message, Relation):
            self._take_relation(message, out)
        elif isinstance(message, Truncate):
            self._take_truncate(message, out)

    def _take_begin(self, begin: Begin) -> None:
        place = self.place
        self._begin = begin
        self._lsn_text = lsn_text(begin.lsn)
        self._tx = {"tx": str(begin.xid)}
        self._sequence = 0
        self._skip = -1
        if begin.lsn < place.lsn:
            self._skip = 1 << 62
        elif begin.lsn == place.lsn:
            self._skip = place.sequence
        self.behind_ms = begin.time_ms
        place.settle(begin.lsn)

    def _take_relation(self, relation: Relation, out: list[Change]) -> None:
        rows = self._describe(relation)
        self._rows[relation.oid] = rows
        if rows is None:
            return
        known = self.place.version(rows.table)
        if known == rows.version or not self.place.knows(rows.table):
            return
        self.place.note_version(rows.table, rows.version)
        if known is None or not self._schema_changes:
            return
        columns = [
            {"name": one.name, "type": type_name, "identity": one.is_identity}
            for one, type_name in zip(relation.columns, self._type_names(relation), strict=True)
        ]
        out.append(
            Change(
                "s", rows.table, None, None, {"columns": columns, "key": rows.key}, self._lsn_text,
                self._sequence, self._begin.time_ms, rows.version, {**self._tx, "earlier": known},
            )
        )  # fmt: skip

    def _take_row(self, message: RowMessage, data: bytes, out: list[Change]) -> None:
        sequence = self._sequence
        self._sequence = sequence + 1
        rows = self._rows[message.oid]
        if rows is None or sequence <= self._skip:
            return
        op = _OPS[message.kind]
        if message.new is not None:
            new_cells = rows.whole(message.old_kind, message.old, message.new)
            message = message._replace(new=new_cells)
        old, new = message.old, message.new
        if self.place.is_seamed:
            wanted = self._seamed_op(rows, op, message)
            if wanted is None:
                return
            op = wanted
        source, raw = self._tx, b""
        fault: Invalid | None = None
        before: Row | None
        after: Row | None
        try:
            before = None if old is None or op == "c" else rows.old_row(old)
            after = None
            if new is not None and op != "d":
                after, missing = rows.row(new)
                if missing:
                    source = {**source, "unavailable": missing}
        except Invalid as error:
            fault, raw = error, rows.told((new or old) or [], data)
            before = after = None
        key = rows.key_row(after if op != "d" else before)
        out.append(
            Change(
                op, rows.table, key, before, after, self._lsn_text, sequence,
                self._begin.time_ms, rows.version, source, fault, raw,
            )
        )  # fmt: skip
        self.place.at_change(self._begin.lsn, sequence)

    def _seamed_op(self, rows: Rows, op: str, message: RowMessage) -> str | None:
        """What a change is for those who have read the snapshots; None: they know it already."""
        segments = self.place.segments(rows.table)
        if segments is None:
            return op
        if not rows.fits(self.place.key_shape(rows.table)):
            # Nobody knows any more which of its rows were read: all are, once more.
            self.place.forget(rows.table)
            self.again = f"the key of {rows.table} was changed while its snapshot was broken off"
            return op

        def counts(cells: Any) -> bool:
            return seams.counts(
                segments, rows.key_of(cells), self._begin.lsn,
                lambda key, last: self._at_most(rows.table, key, last),
            )  # fmt: skip

        is_new = message.new is not None and counts(message.new)
        if message.kind != "U":
            return op if (is_new if message.kind == "I" else counts(message.old)) else None
        is_old = counts(message.old) if message.old is not None else is_new
        if is_old and is_new:
            return "u"
        if is_old:
            return "d"  # its new key is of a part that was read later, with it
        return "c" if is_new else None  # its old key was never read

    def _take_truncate(self, message: Truncate, out: list[Change]) -> None:
        for oid in message.oids:
            sequence = self._sequence
            self._sequence = sequence + 1
            rows = self._rows.get(oid)
            if rows is None or sequence <= self._skip:
                continue
            segments = self.place.segments(rows.table) if self.place.is_seamed else None
            if segments is not None:
                read = [lsn <= self._begin.lsn for _, lsn in segments]
                if not any(read):
                    continue  # all of it was read afterwards
                if not all(read):
                    # Rows that were read afterwards stand before this: the table is read again.
                    self.place.forget(rows.table)
                    self.again = f"{rows.table} was emptied while its snapshot was broken off"
            out.append(
                Change(
                    "t", rows.table, None, None, None, self._lsn_text, sequence,
                    self._begin.time_ms, rows.version, self._tx,
                )
            )  # fmt: skip
            self.place.at_change(self._begin.lsn, sequence)
