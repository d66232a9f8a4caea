"""Rows of the catalogue for HTTP: routes, bodies, headers, parameters, ports."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

WEB_ROWS = (
    ErrorSpec("web.route_unknown", "Invalid", 404, None, False,
              "there is no {method} {path}", "Check the path; GET /health names the service."),
    ErrorSpec("web.method_not_allowed", "Invalid", 405, None, False,
              "{method} is not allowed here; allowed: {allowed}",
              "Use one of the allowed methods."),
    ErrorSpec("web.body_too_large", "Invalid", 413, None, False,
              "the body is larger than {limit} = {limit_bytes} bytes",
              "Send less in one request, or raise the limit."),
    ErrorSpec("web.media_type", "Invalid", 415, None, False,
              "content type '{media}' is not taken here; taken: {accepted}",
              "Set the Content-Type header to what the body is."),
    ErrorSpec("web.content_encoding", "Invalid", 415, None, False,
              "content encoding '{encoding}' is not available yet", "Send the body uncompressed."),
    ErrorSpec("web.precondition_failed", "Invalid", 412, None, False,
              "the condition {header} does not hold: {current}",
              "Read it again, then repeat the change on what it is now."),
    ErrorSpec("web.cursor_invalid", "Invalid", 400, None, False,
              "'{cursor}' is not a cursor of this list, or its place is gone",
              "Use the nextCursor of the page before, or begin without one."),
    ErrorSpec("web.json_invalid", "Invalid", 400, None, False,
              "the body is not the JSON that is expected: {reason}", "Correct the body."),
    ErrorSpec("web.parameter", "Invalid", 400, None, False,
              "parameter {name}='{text}' must be {expected}", "Correct the parameter."),
    ErrorSpec("web.parameter_unknown", "Invalid", 400, None, False,
              "unknown parameter '{name}'{hint}", "Known here: {known}."),
    ErrorSpec("web.request_invalid", "Invalid", 400, None, False,
              "the request is not valid: {reason}", "Correct the request."),
    ErrorSpec("web.port_in_use", "Conflict", 409, None, False,
              "{address} is already in use",
              "Stop the other program or choose another port; 0 takes any."),
    ErrorSpec("web.bind_failed", "Invalid", 400, None, False,
              "cannot listen on {address}: {reason}",
              "Choose an address of this machine and a free port."),
)  # fmt: skip
