"""The part of the catalogue of errors that belongs to alerts and what becomes of them."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

ALERT_ROWS = (
    ErrorSpec("alert.entry", "Invalid", 400, None, False,
              "not an entry of the alert log: {reason}", "Only Summit writes to _summit.alert-state."),
    ErrorSpec("alert.state", "Corrupt", 500, None, False,
              "the saved state of the alert desk cannot be read: {reason}",
              "Run the version that wrote it; or read the alert log from its beginning."),
    ErrorSpec("alert.status_unknown", "Invalid", 400, None, False,
              "unknown status '{status}'", "Use one of: {known}."),
    ErrorSpec("alert.not_readable", "Unavailable", 503, None, True,
              "it was written but not read back within {timeout_ms} ms",
              "See what has become of it before you try again: the broker is slow or away."),
    ErrorSpec("alert.not_firing", "Conflict", 409, None, False,
              "the alert is {state} already, by {by}", "Read it again; nothing was changed."),
    ErrorSpec("alert.matchers", "Invalid", 400, None, False,
              "the matchers cannot be used: {reason}",
              "Give severity, rule, tags, key or entity, as text or list."),
    ErrorSpec("alert.silence_over", "Invalid", 400, None, False,
              "a silence until {until} would be over: it is {now}", "Choose a later time."),
    ErrorSpec("alert.silence_unknown", "Invalid", 404, None, False,
              "no silence '{id}' is in force", "List them with GET /api/silences."),
    ErrorSpec("alert.inhibition_unknown", "Invalid", 404, None, False,
              "there is no inhibition '{id}'", "List them with GET /api/inhibitions."),
    ErrorSpec("alert.too_many", "Conflict", 409, None, False,
              "there are {max} {what} already", "Remove some first."),
    ErrorSpec("alert.text_too_long", "Invalid", 400, None, False,
              "{name} has more than {max} characters", "Shorten it, and name a link."),
    ErrorSpec("alert.comment_empty", "Invalid", 400, None, False,
              "the comment says nothing", "Give its words as text."),
    ErrorSpec("alert.case_empty", "Invalid", 400, None, False,
              "a case needs an entity, or alerts that have a key", "Name an entity as field=value."),
    ErrorSpec("alert.case_open", "Conflict", 409, None, False,
              "{entity} has the open case '{id}'", "Work on that one, or close it first."),
    ErrorSpec("alert.case_closed", "Conflict", 409, None, False,
              "the case '{id}' is closed already, by {by}", "Read it again; nothing was changed."),
    ErrorSpec("alert.case_unknown", "Invalid", 404, None, False,
              "there is no case '{id}'", "List them with GET /api/cases."),
)  # fmt: skip
