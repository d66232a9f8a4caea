"""Rows of Parquet files as lines of JSON; the position is the number of the row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.base.limits import FILE_DEAD_LETTER_BYTES
from summit.ingest.files.lines import Line
from summit.ingest.files.source import SourceFile

ROWS_AT_ONCE: Final = 1_000


def load_parquet() -> Any:
    """The library's module. Raises Invalid("extra.missing")."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise Invalid("extra.missing", what="reading Parquet files", extra="parquet") from error
    return parquet


class RowFile(SourceFile):
    """A Parquet file: positions are rows, and it is there as a whole or not yet.

    Raises: Invalid("collector.file_unreadable"), ("extra.missing").
    """

    def __init__(self, path: str) -> None:
        self._parquet = load_parquet()
        super().__init__(path)
        self.rows = 0
        self._table: Any = None
        self._batches: Iterator[Any] | None = None
        self._next = 0
        self._whole_at: tuple[int, int] | None = None

    def open_table(self) -> Any:
        """The file by its library. Raises Invalid("collector.file_unreadable")."""
        if self._table is None:
            try:
                self._table = self._parquet.ParquetFile(self.stream())
            except Exception as error:  # of the library's own kinds, which are many
                raise self._broken(error) from error
            self.rows = self._table.metadata.num_rows
        return self._table

    def rows_from(self, position: int) -> list[dict[str, Any]]:
        """Some rows from a position on; cheap where the last ones end. Raises as `open_table`."""
        table = self.open_table()
        try:
            if self._batches is None or position != self._next:
                self._batches = self._from(table, position)
            batch = next(self._batches, None)
            rows: list[dict[str, Any]] = [] if batch is None else batch.to_pylist()
        except Exception as error:
            raise self._broken(error) from error
        self._next = position + len(rows)
        if not rows:
            self._whole_at = self.stamp()
        return rows

    def _from(self, table: Any, position: int) -> Iterator[Any]:
        groups: list[int] = []
        for group in range(table.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            if groups or position < count:
                groups.append(group)
            else:
                position -= count
        for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, row_groups=groups):
            if position < batch.num_rows:
                yield batch.slice(position)
            position = max(0, position - batch.num_rows)

    def is_shorter(self, position: int) -> bool:
        """Whether it has fewer rows; not known before it is read."""
        return False

    def bytes_at(self, position: int) -> int:
        """How many of its bytes the rows before a position took, about."""
        return self.size_bytes() * position // self.rows if self.rows else 0

    @property
    def is_whole(self) -> bool:
        """Whether its last row was read."""
        return self._whole_at is not None and self._whole_at == self.stamp()

    def begin(self) -> None:
        """Forget what was opened."""
        self._table = self._batches = None
        self._whole_at = None

    def _broken(self, error: Exception) -> Invalid:
        reason = f"it is no whole Parquet file: {str(error)[:200]}"
        return Invalid("collector.file_unreadable", path=self.path, reason=reason, pointer="/path")


class RowReader:
    """Reads the rows of one file, from `position` on.

    Args:
        max_line_bytes: A row that is larger as JSON comes cut.
    """

    def __init__(self, file: RowFile, position: int, max_line_bytes: int) -> None:
        self.file = file
        self.position = position
        self._max = max_line_bytes
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def read(self, *, final: bool) -> list[Line]:
        """The next rows; none at the end. Raises: Invalid("collector.file_unreadable")."""
        rows = self.file.rows_from(self.position)
        lines = [self._line(self.position + number, row) for number, row in enumerate(rows)]
        self.position += len(lines)
        return lines

    def _line(self, number: int, row: dict[str, Any]) -> Line:
        data = self._encode(row)
        kept = data if len(data) <= self._max else data[:FILE_DEAD_LETTER_BYTES]
        return Line(number, number + 1, kept, len(data))
