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
              "Run the version that wrote it. Or begin anew: `summit rules remove` the rule, start a"
              " worker, and apply it again, with --since to read the past."),
    ErrorSpec("correlation.unknown", "Invalid", 404, None, False,
              "no correlated group has the id '{id}'",
              "List them with `summit correlations list`; old ones leave the view."),
    ErrorSpec("correlation.record", "Corrupt", 500, None, False,
              "a record of the topic 'correlations' cannot be read: {reason}",
              "Ask who writes to the topic; later versions may write what this one cannot read."),
    ErrorSpec("correlation.state", "Corrupt", 500, None, False,
              "the saved state of a correlation cannot be read: {reason}",
              "Run the version that wrote it. Or begin anew: remove the rule, start a worker, and apply"
              " it again, with --since to read the past."),
    ErrorSpec("pattern.unknown", "Invalid", 404, None, False,
              "no pattern '{id}'", "List the patterns with GET /api/patterns."),
    ErrorSpec("rules.none", "Invalid", 400, None, False,
              "no rules found in {places}", "Name a YAML or JSON file, or a folder of them."),
    ErrorSpec("rules.kind_needed", "Invalid", 400, None, False,
              "several rules have the id '{rule}': {kinds}", "Say which with --kind."),
    ErrorSpec("pattern.too_many_events", "Invalid", 413, None, False,
              "{count} events; one request takes at most {max}",
              "Send fewer, or use: summit rules explain RULE --topic TOPIC."),
    ErrorSpec("replay.process", "Closed", 503, None, True,
              "a process of the replay could not go on: {reason}",
              "Run it again; with --to it adds what is missing."),
    ErrorSpec("rules.choose", "Invalid", 400, None, False,
              "{path} does not hold exactly one rule of the kind, but: {known}", "Name one, such as {example}."),
    ErrorSpec("rules.no_revision", "Invalid", 404, None, False,
              "'{rule}' has no revision {revision}; it has: {known}", "Name one of them."),
    ErrorSpec("rules.no_test", "Invalid", 404, None, False,
              "the rule has no test '{name}'; its tests: {known}", "Name one of them."),
    ErrorSpec("sigma.unsupported", "Invalid", 400, None, False,
              "not supported: {what}", "Write that rule as a document of its own."),
    ErrorSpec("sigma.mapping", "Invalid", 400, None, False,
              "this is no mapping of log sources: {reason}", "See docs/sigma.md."),
    ErrorSpec("sigma.pipeline", "Invalid", 400, None, False,
              "this is no processing pipeline: {reason}", "See pySigma's documentation of pipelines."),
    ErrorSpec("file.unwritable", "Invalid", 400, None, False,
              "cannot write {path}: {reason}", "Check the folder and its permissions."),
    ErrorSpec("detect.no_events", "Invalid", 400, None, False,
              "none of {lines} lines is an event; the last: {reason}", "Name the right --format."),
)  # fmt: skip
