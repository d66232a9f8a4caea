"""The part of the catalogue of errors that belongs to analytics queries."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

ANALYTICS_ROWS = (
    ErrorSpec("query.state", "Corrupt", 500, None, False,
              "the saved state of a query cannot be read: {reason}",
              "Run the version that wrote it. Or begin anew: remove the query, start a worker, and"
              " apply it again, with --since to read the past."),
    ErrorSpec("query.unknown", "Invalid", 404, None, False,
              "there is no query '{query}'", "List the queries, or register this one."),
)  # fmt: skip
