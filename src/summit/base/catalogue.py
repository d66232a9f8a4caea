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
    ErrorSpec("topic.name_invalid", "Invalid", 400, "INVALID_TOPIC_EXCEPTION", False,
              "'{topic}' is not a topic name",
              "Use 1 to 249 of A-Z a-z 0-9 . _ - and neither '.' nor '..'."),
    ErrorSpec("topic.exists", "Conflict", 409, "TOPIC_ALREADY_EXISTS", False,
              "Topic {topic} already exists", "Use it, or choose another name."),
    ErrorSpec("topic.unknown", "Invalid", 404, "UNKNOWN_TOPIC_OR_PARTITION", True,
              "Topic {topic} does not exist", "Create it first or correct the name."),
    ErrorSpec("topic.id_unknown", "Invalid", 404, "UNKNOWN_TOPIC_ID", True,
              "no topic has the id {topic_id}",
              "Ask for fresh metadata: the topic was deleted or made anew."),
    ErrorSpec("topic.being_deleted", "Unavailable", 503, "UNKNOWN_TOPIC_OR_PARTITION", True,
              "topic {topic} is being deleted", "Wait until it is gone."),
    ErrorSpec("topic.internal", "Invalid", 400, "INVALID_REQUEST", False,
              "topic {topic} belongs to the broker", "Leave it alone."),
    ErrorSpec("topic.partitions_invalid", "Invalid", 400, "INVALID_PARTITIONS", False,
              "{partitions} is not a partition count", "Use 1 to {most}."),
    ErrorSpec("topic.replication_invalid", "Invalid", 400, "INVALID_REPLICATION_FACTOR", False,
              "replication factor {replicas} on one broker",
              "Use 1, or -1 for the default; for copies on more machines use Apache Kafka."),
    ErrorSpec("topic.assignment_invalid", "Invalid", 400, "INVALID_REPLICA_ASSIGNMENT", False,
              "the assignments do not fit one broker",
              "Number the partitions from 0 and give each the one broker {broker_id}."),
    ErrorSpec("topic.config_invalid", "Invalid", 400, "INVALID_CONFIG", False,
              "topic config {key}: {reason}", "Correct or drop the key."),
    ErrorSpec("request.duplicate", "Invalid", 400, "INVALID_REQUEST", False,
              "{what} stands twice in the request", "Send it once."),
    ErrorSpec("request.contradiction", "Invalid", 400, "INVALID_REQUEST", False,
              "the request contradicts itself: {reason}", "Choose one."),
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
    ErrorSpec("collector.type_unavailable", "Invalid", 400, None, False,
              "collectors of type '{type}' are not available yet; available: {available}",
              "Use an available type, or a program that posts to an http collector."),
    ErrorSpec("collector.unknown", "Invalid", 404, None, False,
              "collector '{name}' does not exist{hint}", "Check the name; list the collectors."),
    ErrorSpec("collector.exists", "Conflict", 409, None, False,
              "collector '{name}' already exists", "Remove it first or choose another name."),
    ErrorSpec("collector.running", "Conflict", 409, None, False,
              "collector '{name}' already runs (state {state})", "Stop it first."),
    ErrorSpec("collector.not_running", "Conflict", 409, None, False,
              "collector '{name}' is not running (state {state})", "Start it first."),
    ErrorSpec("collector.no_producer", "Invalid", 400, None, False,
              "collector '{name}' has no producer", "Give one to the constructor or to start."),
    ErrorSpec("collector.not_taking", "Unavailable", 503, None, True,
              "collector '{name}' takes nothing now (state {state})", "Try again later."),
    ErrorSpec("collector.no_files", "Invalid", 400, None, False,
              "no file matches {patterns}", "Check the path; mode tail waits for files to come."),
    ErrorSpec("collector.file_unreadable", "Invalid", 400, None, False,
              "cannot read {path}: {reason}", "Check the path and its permissions."),
    ErrorSpec("ingest.event_invalid", "Invalid", 400, None, False,
              "{what} is not an event: {reason}",
              "Correct it; nothing of the request was written."),
    ErrorSpec("ingest.too_many", "Invalid", 413, None, False,
              "{count} events are more than maxEventsPerRequest = {limit}",
              "Send fewer events in one request."),
    ErrorSpec("ingest.event_too_large", "Invalid", 413, None, False,
              "event {index} has {size_bytes} bytes, more than maxEventBytes = {limit}",
              "Make the event smaller, or raise the limit."),
    ErrorSpec("ingest.rate_limited", "Unavailable", 429, None, True,
              "this client sends more than collector '{name}' allows", "Wait as Retry-After says."),
    ErrorSpec("ingest.queue_full", "Unavailable", 429, None, True,
              "too much waits for the broker in collector '{name}' (limit {limit})",
              "Wait as Retry-After says, then send again."),
    ErrorSpec("ingest.broker_away", "Unavailable", 503, None, True,
              "the broker does not acknowledge; the events may or may not be written",
              "Send again as Retry-After says; keep eventId so that repeats are known."),
    ErrorSpec("ingest.line_too_long", "Invalid", 413, None, False,
              "a line of {size_bytes} bytes at {path}:{offset} exceeds maxLineBytes = {limit}",
              "Read the line from the file; raise the limit to take such lines."),
    ErrorSpec("ingest.line_invalid", "Invalid", 400, None, False,
              "the line at {path}:{offset} is not an event: {reason}", "Correct the source."),
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
