"""Which rows were read in which snapshot: so the stream joins them without gap or double.

A snapshot that was broken off goes on in a later snapshot of the database. So a table's rows may be
of several: those with keys up to the last one that was written of the first snapshot, and so on.

    keys        … 1000 │ … 7000 │ …            segments [[1000], L1], [[7000], L2], [null, L3]
    snapshot      at L1 │  at L2 │ at L3

A change that was committed at C counts for a row where the row's segment was read before: C >= L of
its segment; else the row had it already. After the last L all changes count, and the seams are
forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Key = list[str]  # the text forms of a primary key's values
Segment = list[Any]  # [last key or None for no bound, LSN]
Segments = list[Segment]


def add_chunk(segments: Segments, last: Key | None, lsn: int) -> Segments:
    """The segments after another chunk was read in the snapshot at `lsn`, up to a key.

    >>> add_chunk([[["10"], 5]], ["20"], 5), add_chunk([[["10"], 5]], None, 7)
    ([[['20'], 5]], [[['10'], 5], [None, 7]])
    """
    known = segments[:-1] if segments and segments[-1][1] == lsn else segments
    return [*known, [last, lsn]]


def resume_key(segments: Segments) -> Key | None:
    """The key after which a table is read on; None: from its beginning."""
    return segments[-1][0] if segments else None


def is_done(segments: Segments) -> bool:
    """Whether a table was read to its end."""
    return bool(segments) and segments[-1][0] is None


def highest(segments: Segments) -> int:
    """From where on all changes count."""
    return max((segment[1] for segment in segments), default=0)


def counts(
    segments: Segments, key: Key | None, lsn: int, at_most: Callable[[Key, Key], bool]
) -> bool:
    """Whether a change at `lsn` counts for the row with this key.

    Args:
        key: None where the table has no key: then it was read as a whole.
        at_most: Whether the first key is not above the second, in the database's order.
    """
    for last, read_at in segments:
        if last is None or key is None or at_most(key, last):
            return bool(lsn >= read_at)
    return True
