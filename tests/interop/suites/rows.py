"""One row of the report card."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """What became of one test of one suite.

    Attributes:
        outcome: `passed`, `failed`, `expected` (a failure whose reason is known), or `skipped`.
        reason: Why it failed or was skipped; else what is worth saying.
    """

    suite: str
    name: str
    outcome: str
    reason: str = ""
