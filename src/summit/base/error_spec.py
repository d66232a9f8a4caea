"""`ErrorSpec`: one row of the catalogue of errors.

A row: code, kind, HTTP status, Kafka error name (or None), retriable, template, what to do.
Templates are `str.format` texts over the error's details.
"""

from __future__ import annotations

from typing import NamedTuple


class ErrorSpec(NamedTuple):
    """One row of the catalogue."""

    code: str
    kind: str
    http_status: int
    kafka_code: str | None
    retriable: bool
    template: str
    advice: str
