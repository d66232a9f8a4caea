"""The part of the catalogue of errors that belongs to rules over single events."""

from __future__ import annotations

from summit.base.error_spec import ErrorSpec

ENRICH_ROWS = (
    ErrorSpec("transformation.not_available", "Invalid", 400, None, False,
              "{subject}: {first}{more}", "Use what is available."),
    ErrorSpec("enrichment.database", "Invalid", 400, None, False,
              "enrichment '{rule}' has no geo database",
              "Name one in its config, or set SUMMIT_GEOIP_DATABASE."),
    ErrorSpec("enrichment.handler", "Invalid", 400, None, False,
              "there is no function '{name}' (installed: {known})",
              "Install it under the entry points summit.enrichers, or give it in Python."),
    ErrorSpec("enrichment.table", "Invalid", 400, None, False,
              "the lookup table cannot be used: {reason}", "Correct the table or its file."),
    ErrorSpec("enrichment.failed", "Invalid", 400, None, False,
              "rule '{rule}': {reason}",
              "See what stands in the event, and whether the rule's source can be reached."),
    ErrorSpec("journal.enrichment", "Corrupt", 500, None, False,
              "a record of the enrichments cannot be read: {reason}",
              "Was it written by a newer version? Then replay with that one."),
    ErrorSpec("event.too_long", "Invalid", 413, None, False,
              "what became of the event has {size} bytes, more than {limit}",
              "Enrich it with less, or remove what nobody needs."),
    ErrorSpec("route.circle", "Invalid", 409, None, False,
              "route '{rule}': {reason}", "Let it read other topics, or write to others."),
    ErrorSpec("transformation.failed", "Invalid", 400, None, False,
              "rule '{rule}': '{operation}' of '{field}' could not be done: {reason}",
              "See what the sender writes there, or correct the rule."),
    ErrorSpec("secret.missing", "Invalid", 400, None, False,
              "the secret {name} cannot be had: {reason}",
              "Set the variable, put a file there, or give the secrets where the rules are run."),
)  # fmt: skip
