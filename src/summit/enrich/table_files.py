"""Files that hold the rows of a lookup table: CSV with a header, JSON, JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from summit.base import limits
from summit.base.errors import Invalid


def read_table(file: str, key_column: str | None) -> Iterator[tuple[str, Any]]:
    """The keys and rows of a file. A JSON file is an object by key, or a list of rows.

    Raises: Invalid("enrichment.table") for a file that cannot be read, a row without a key, or
        too many rows; while it is read.
    """
    path = Path(file)
    rows: Iterable[Any]
    try:
        if path.suffix.lower() == ".json":
            rows = msgspec.json.decode(path.read_text(encoding="utf-8-sig"))
            if isinstance(rows, dict) and key_column is None:
                yield from _counted(path, rows.items())
                return
            if not isinstance(rows, list):
                raise Invalid("enrichment.table", reason=f"{path}: it is no list of rows")
            yield from _counted(path, _keyed(path, rows, key_column))
            return
        with path.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened, strict=True) if _is_csv(path) else _lines(opened)
            yield from _counted(path, _keyed(path, rows, key_column))
    except (OSError, ValueError, csv.Error, RecursionError, msgspec.MsgspecError) as error:
        reason = f"{path} cannot be read: {error}"
        raise Invalid("enrichment.table", reason=reason) from error


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _lines(opened: Iterable[str]) -> Iterator[Any]:
    return (msgspec.json.decode(line) for line in opened if line.strip())


def _keyed(
    path: Path, rows: Iterable[Any], key_column: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(rows, 1):
        key = row.get(key_column or next(iter(row), "")) if isinstance(row, dict) else None
        if not isinstance(key, str) or None in row:
            reason = f"{path}: row {number} has no key, or more values than columns"
            raise Invalid("enrichment.table", reason=reason)
        yield key, row


def _counted(path: Path, rows: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for number, pair in enumerate(rows):
        if number >= limits.LOOKUP_ROWS_MAX:
            reason = f"{path}: more than {limits.LOOKUP_ROWS_MAX:,} rows"
            raise Invalid("enrichment.table", reason=reason)
        yield pair
