"""The catalogue of errors: one row per code, grouped by room.

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


_ROWS = (
    # ---- base ----
    ErrorSpec("config.unknown_key", "Invalid", 400, None, False,
              "unknown key '{key}' in {where}{hint}", "Remove the key or correct its name."),
    ErrorSpec("config.invalid", "Invalid", 400, None, False,
              "invalid configuration: {reason}", "Correct the value."),
    ErrorSpec("duration.invalid", "Invalid", 400, None, False,
              "'{text}' is not a duration", "Use milliseconds or a text: 500ms, 30s, 5m, 1h, 7d."),
    ErrorSpec("size.invalid", "Invalid", 400, None, False,
              "'{text}' is not a size", "Use bytes or a text such as 64KiB, 1MiB, 1GiB."),
    ErrorSpec("internal", "Internal", 500, "UNKNOWN_SERVER_ERROR", False,
              "internal error: {reason}", "This is a bug; please report it with the log."),
    ErrorSpec("extra.missing", "Invalid", 400, None, False,
              "{feature} needs the extra '{extra}'",
              "Install it: pip install 'summit-streams[{extra}]'."),
    # ---- disk ----
    ErrorSpec("disk.full", "Unavailable", 503, "KAFKA_STORAGE_ERROR", True,
              "no space left under {path}", "Free space; writing goes on by itself."),
    ErrorSpec("disk.sync_failed", "Corrupt", 500, "KAFKA_STORAGE_ERROR", False,
              "a sync of {path} failed: {reason}",
              "The broker has stopped; check the disk, then start it again to recover."),
    ErrorSpec("disk.locked", "Conflict", 409, None, False,
              "{path} is in use by another process (pid {pid})",
              "Stop the other broker or choose another data directory."),
    # ---- records, log ----
    # ---- protocol ----
    # ---- broker ----
    # ---- client ----
    # ---- events ----
    # ---- documents ----
    # ---- cep ----
    # ---- alerts, journal, flow ----
    ErrorSpec("alert.invalid", "Invalid", 400, None, False,
              "not an alert: {reason}", "Only Summit writes to the alerts topic."),
    ErrorSpec("alert.unknown", "Invalid", 404, None, False,
              "Alert not found: {id}", "List the alerts to see their ids."),
    ErrorSpec("alert.severity_unknown", "Invalid", 400, None, False,
              "unknown severity '{severity}'", "Use one of: {known}."),
    ErrorSpec("alert.limit_invalid", "Invalid", 400, None, False,
              "limit {limit} is not between 1 and {max}", "Ask for fewer and page by cursor."),
    ErrorSpec("alert.cursor_invalid", "Invalid", 400, None, False,
              "'{cursor}' is not a cursor", "Use the nextCursor of the page before."),
    # ---- ingest, web ----
    # ---- services, cli ----
)  # fmt: skip

CATALOGUE: dict[str, ErrorSpec] = {row.code: row for row in _ROWS}

if len(CATALOGUE) != len(_ROWS):
    raise LookupError("an error code stands twice in the catalogue")
