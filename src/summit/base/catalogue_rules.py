"""The part of the catalogue of errors that belongs to patterns, correlations, and what tries them."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

RULE_ROWS = (
    ErrorSpec("pattern.not_available", "Invalid", 400, None, False,
              "{subject}: {first}{more}", "Leave the field out, or say it in another way."),
    ErrorSpec("pattern.steps", "Invalid", 400, None, False,
              "step '{step}': {reason}", "Correct the step; the pattern page shows what goes together."),
    ErrorSpec("pattern.state", "Corrupt", 500, None, False,
              "the saved state of a pattern cannot be read: {reason}",
              "Run the version that wrote it; or rebuild it from the events instead of its saved state."),
    ErrorSpec("correlation.record", "Corrupt", 500, None, False,
              "a record of the topic 'correlations' cannot be read: {reason}",
              "Ask who writes to the topic; later versions may write what this one cannot read."),
    ErrorSpec("correlation.state", "Corrupt", 500, None, False,
              "the saved state of a correlation cannot be read: {reason}",
              "Run the version that wrote it; or begin anew without its saved state."),
    ErrorSpec("pattern.unknown", "Invalid", 404, None, False,
              "no pattern '{id}'", "List the patterns with GET /api/patterns."),
    ErrorSpec("rules.none", "Invalid", 400, None, False,
              "no rules found in {places}", "Name a YAML or JSON file, or a folder of them."),
    ErrorSpec("rules.kind_needed", "Invalid", 400, None, False,
              "several rules have the id '{rule}': {kinds}", "Say which with --kind."),
    ErrorSpec("pattern.too_many_events", "Invalid", 413, None, False,
              "{count} events; one request takes at most {max}",
              "Send fewer, or use: summit rules explain RULE --topic TOPIC."),
    ErrorSpec("rules.choose", "Invalid", 400, None, False,
              "{path} does not hold exactly one pattern, but: {known}", "Name one, such as {example}."),
    ErrorSpec("rules.no_revision", "Invalid", 404, None, False,
              "'{rule}' has no revision {revision}; it has: {known}", "Name one of them."),
    ErrorSpec("rules.no_test", "Invalid", 404, None, False,
              "the rule has no test '{name}'; its tests: {known}", "Name one of them."),
    ErrorSpec("file.unwritable", "Invalid", 400, None, False,
              "cannot write {path}: {reason}", "Check the folder and its permissions."),
    ErrorSpec("detect.no_events", "Invalid", 400, None, False,
              "none of {lines} lines is an event; the last: {reason}", "Name the right --format."),
)  # fmt: skip
