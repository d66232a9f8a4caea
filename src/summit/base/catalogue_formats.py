"""The catalogue's rows for formats of values, schema registries and outgoing HTTP."""

from __future__ import annotations

from typing import Final

from summit.base.error_spec import ErrorSpec

FORMAT_ROWS: Final = (
    # ---- http_out ----
    ErrorSpec("extra.missing", "Invalid", 400, None, False,
              "{what} needs packages that are not installed: pip install 'summit-streams[{extra}]'",
              "Install them: pip install 'summit-streams[{extra}]'."),
    ErrorSpec("http.unavailable", "Unavailable", 503, None, True,
              "{what} does not answer: {reason}", "Try again; look at that service."),
    ErrorSpec("http.internal", "Invalid", 403, None, False,
              "{what} may not be asked: {reason}",
              "Name a public address, or set allowInternalAddresses to true."),
    ErrorSpec("http.too_large", "Corrupt", 502, None, False,
              "an answer of {what} is larger than {limit_bytes} bytes",
              "Look at that service, or raise responseBytesMax."),
    # ---- serde ----
    ErrorSpec("record.unserializable", "Invalid", 400, None, False,
              "the {part} of a record for topic {topic} cannot be serialized: {reason}",
              "Correct the {part}, or give the producer a serializer that takes it; nothing was sent."),
    ErrorSpec("record.undeserializable", "Corrupt", 500, None, False,
              "the {part} of {topic}, partition {partition}, offset {offset} cannot be deserialized: "
              "{reason}",
              "Find out who wrote it; seek() behind it, or set onHandlerFailure to 'skip' or "
              "'dead-letter'."),
    ErrorSpec("serde.unknown", "Invalid", 400, None, False,
              "{given} is no serializer for a {part}{hint}",
              "Give one of the names {known}, an object with serialize or deserialize, or a function."),
    ErrorSpec("serde.no_registry", "Invalid", 400, None, False,
              "'{format}' for a {part} needs a schema",
              "Name a registry (schemaRegistry), or give an object with the schema: AvroSerde(schema), "
              "ProtobufSerde(message), JsonSchemaSerde(schema)."),
    ErrorSpec("serde.not_ready", "Conflict", 409, None, True,
              "the {part} for topic {topic} cannot be serialized without waiting",
              "Send the first record of its kind by send(), which waits for the schema."),
    ErrorSpec("schema.invalid", "Invalid", 400, None, False,
              "not a schema for {what}: {reason}", "Correct the schema."),
    ErrorSpec("registry.not_found", "Invalid", 404, None, False,
              "the schema registry does not have {what}: {reason}",
              "Register it, or correct the name."),
    ErrorSpec("registry.incompatible", "Invalid", 409, None, False,
              "the schema does not fit those of subject {subject} before it: {reason}",
              "Change the schema, or the compatibility of the subject."),
    ErrorSpec("registry.refused", "Invalid", 422, None, False,
              "the schema registry refuses it ({what}): {reason}", "Correct the schema or the request."),
    ErrorSpec("registry.denied", "Invalid", 403, None, False,
              "the schema registry does not allow it: {reason}",
              "Correct username, password or bearerToken, or ask for the right."),
    ErrorSpec("registry.answer", "Corrupt", 502, None, False,
              "the schema registry's answer cannot be used: {reason}",
              "See whether the address is that of a registry with Confluent's interface."),
)  # fmt: skip
