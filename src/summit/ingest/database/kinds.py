"""The kinds of databases: one row each, loaded when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from summit.base.clock import Clock
from summit.ingest.database.source import Source
from summit.ingest.settings import CollectorConfig

# Kind -> module and class. Its schemes and its block of options stand in `settings.py`.
_SOURCES: Final = {
    "mysql": ("summit.ingest.database.mysql.source", "MysqlSource"),
    "postgresql": ("summit.ingest.database.postgresql.source", "PostgresqlSource"),
    "sqlite": ("summit.ingest.database.sqlite.source", "SqliteSource"),
}


def make_source(config: CollectorConfig, clock: Clock) -> Source:
    """The source of a configuration. Raises Invalid("extra.missing")."""
    module, name = _SOURCES[config.block.kind]
    found: Source = getattr(import_module(module), name)(config, clock)
    return found
