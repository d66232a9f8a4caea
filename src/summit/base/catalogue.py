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
    ErrorSpec("batch.crc_mismatch", "Corrupt", 400, "CORRUPT_MESSAGE", True,
              "the CRC of a record batch does not hold", "The bytes changed on their way; send them again."),
    ErrorSpec("batch.bad_format", "Invalid", 400, "INVALID_RECORD", False,
              "not a record batch: {reason}", "Correct the client; the batch was not taken."),
    ErrorSpec("batch.magic_unsupported", "Invalid", 400, "UNSUPPORTED_FOR_MESSAGE_FORMAT", False,
              "message format {magic} is not supported", "Use a client that writes record batches version 2."),
    ErrorSpec("batch.codec_unknown", "Invalid", 400, "UNSUPPORTED_COMPRESSION_TYPE", False,
              "compression {codec} does not exist", "Use none, gzip, snappy, lz4 or zstd."),
    ErrorSpec("batch.transactional", "Invalid", 400, "INVALID_TXN_STATE", False,
              "transactions are not available yet", "Use an idempotent producer without a transactional id."),
    ErrorSpec("batch.bad_timestamp", "Invalid", 400, "INVALID_TIMESTAMP", False,
              "a producer may not set the timestamp type LogAppendTime",
              "Send create times; the topic's setting decides."),
    ErrorSpec("batch.too_large", "Invalid", 413, "MESSAGE_TOO_LARGE", False,
              "a batch of {size_bytes} bytes is larger than {limit_bytes}",
              "Send smaller batches or raise max.message.bytes of the topic."),
    ErrorSpec("batch.unfolds_too_large", "Invalid", 413, "MESSAGE_TOO_LARGE", False,
              "a compressed batch unfolds to more than {limit_bytes} bytes", "Send smaller batches."),
    ErrorSpec("batch.unreadable", "Corrupt", 400, "CORRUPT_MESSAGE", False,
              "a record batch cannot be read: {reason}", "Find out who wrote it; its bytes are damaged."),
    # ---- protocol ----
    ErrorSpec("protocol.truncated", "Invalid", 400, "INVALID_REQUEST", False,
              "{what} ends before it is complete, or states a length beyond its end",
              "The sender is broken or does not speak the Kafka protocol."),
    ErrorSpec("protocol.malformed", "Invalid", 400, "INVALID_REQUEST", False,
              "malformed message: {reason}",
              "The sender is broken or does not speak the Kafka protocol."),
    ErrorSpec("protocol.frame_length", "Invalid", 413, "INVALID_REQUEST", False,
              "a frame of {length} bytes; allowed are {least} to {most}",
              "Send smaller requests (max.request.size), or check that a Kafka client is talking."),
    ErrorSpec("protocol.unknown_api", "Invalid", 400, "UNSUPPORTED_VERSION", False,
              "API key {key} is not served", "Ask ApiVersions which keys are served."),
    ErrorSpec("protocol.unsupported_version", "Invalid", 400, "UNSUPPORTED_VERSION", False,
              "version {version} of {api} is not served",
              "Ask ApiVersions which versions are served."),
    ErrorSpec("protocol.encode", "Internal", 500, "UNKNOWN_SERVER_ERROR", False,
              "{what} cannot be encoded: {reason}",
              "This is a bug; please report it with the log."),
    # ---- broker ----
    # ---- client ----
    # ---- events ----
    # ---- documents ----
    # ---- cep ----
    ErrorSpec("pattern.steps", "Invalid", 400, None, False,
              "step '{step}': {reason}", "Correct the step; the pattern page shows what goes together."),
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
    ErrorSpec("web.json_invalid", "Invalid", 400, None, False,
              "the body is not the JSON that is expected: {reason}", "Correct the body."),
    ErrorSpec("web.parameter", "Invalid", 400, None, False,
              "parameter {name}='{text}' must be {expected}", "Correct the parameter."),
    ErrorSpec("web.request_invalid", "Invalid", 400, None, False,
              "the request is not valid: {reason}", "Correct the request."),
    ErrorSpec("web.port_in_use", "Conflict", 409, None, False,
              "{address} is already in use",
              "Stop the other program or choose another port; 0 takes any."),
    ErrorSpec("web.bind_failed", "Invalid", 400, None, False,
              "cannot listen on {address}: {reason}",
              "Choose an address of this machine and a free port."),
    # ---- services, cli ----
)  # fmt: skip

CATALOGUE: dict[str, ErrorSpec] = {row.code: row for row in _ROWS}

if len(CATALOGUE) != len(_ROWS):
    raise LookupError("an error code stands twice in the catalogue")
