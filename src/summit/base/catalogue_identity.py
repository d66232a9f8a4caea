"""Rows of the catalogue for who asks, and what they may do."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

IDENTITY_ROWS = (
    ErrorSpec("auth.required", "Invalid", 401, "SASL_AUTHENTICATION_FAILED", False,
              "nobody may do that without saying who it is",
              "Send 'Authorization: Bearer <API key or token>'; 'summit key create' makes keys."),
    ErrorSpec("auth.refused", "Invalid", 401, "SASL_AUTHENTICATION_FAILED", False,
              "the credentials do not hold: {reason}", "Send credentials that hold."),
    ErrorSpec("auth.forbidden", "Invalid", 403, "TOPIC_AUTHORIZATION_FAILED", False,
              "'{who}' (role {role}) may not do that: it needs {needed}",
              "Ask an admin for a key with that role or grant; GET /api/whoami says what you have."),
    ErrorSpec("auth.origin", "Invalid", 403, None, False,
              "the page of another site may not ask this: {reason}",
              "Add its origin to corsOrigins of [security], if it is one of yours."),
    ErrorSpec("auth.host", "Invalid", 421, None, False,
              "the host '{host}' is not this service",
              "Ask it by its address on this machine, or add the name to allowedHosts of [security]."),
    ErrorSpec("auth.throttled", "Unavailable", 429, None, True,
              "too many credentials that do not hold came from this address",
              "Wait, then send credentials that hold."),
    ErrorSpec("auth.rate", "Unavailable", 429, "THROTTLING_QUOTA_EXCEEDED", True,
              "more than {limit} requests a second", "Wait as long as Retry-After says."),
    ErrorSpec("auth.open_bind", "Invalid", 400, None, False,
              "{what} would listen on {host}, which others reach, and asks nobody who they are",
              "Say who may ask: {todo}."),
    ErrorSpec("key.unknown", "Invalid", 404, None, False,
              "there is no API key with the id '{id}'", "List the keys to see their ids."),
    ErrorSpec("key.invalid", "Invalid", 400, None, False,
              "the API key cannot be made: {reason}", "Correct the value."),
)  # fmt: skip
