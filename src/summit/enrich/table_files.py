"""Files that hold the rows of a lookup table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from summit.base import limits
from summit.base.errors import Invalid


def read_table(file: str, key_column: str | None) -> dict[str, Any]:
    """The rows of a file by key: CSV with a header, or JSON, an object by key or a list of rows.

    Raises: Invalid("enrichment.table") for a file that cannot be read, a row without a key, a key
        that is there twice, or too many rows.
    """
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            rows: Any = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        else:
            rows = json.loads(text)
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        reason = f"{path} cannot be read: {error}"
        raise Invalid("enrichment.table", reason=reason) from error
    if isinstance(rows, dict) and key_column is None:
        found: dict[str, Any] = rows
    elif isinstance(rows, list):
        found = {}
        for number, row in enumerate(rows, 1):
            key = row.get(key_column or next(iter(row), "")) if isinstance(row, dict) else None
            if not isinstance(key, str) or None in row:
                reason = f"{path}: row {number} has no key, or more values than columns"
                raise Invalid("enrichment.table", reason=reason)
            if found.setdefault(key, row) is not row:
                raise Invalid("enrichment.table", reason=f"{path}: '{key}' is there twice")
    else:
        raise Invalid("enrichment.table", reason=f"{path}: it is no list of rows")
    if len(found) > limits.LOOKUP_ROWS_MAX:
        reason = f"{path}: more than {limits.LOOKUP_ROWS_MAX:,} rows"
        raise Invalid("enrichment.table", reason=reason)
    return found
