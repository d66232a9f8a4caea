"""The kinds of databases: one row each, loaded when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.ingest.database.source import Source
from summit.ingest.settings import CollectorConfig

# Kind -> module and class. Its schemes and its block of options stand in `settings.py`.
_SOURCES: Final[dict[str, tuple[str, str]]] = {
    "mysql": ("summit.ingest.database.mysql.source", "MysqlSource"),
    "sqlite": ("summit.ingest.database.sqlite.source", "SqliteSource"),
}


def make_source(config: CollectorConfig, clock: Clock) -> Source:
    """The source of a configuration.

    Raises: Invalid("extra.missing"), ("collector.type_unavailable").
    """
    kind = config.block.kind
    if kind not in _SOURCES:
        known = ", ".join(_SOURCES) or "none"
        raise Invalid("collector.type_unavailable", type=f"database ({kind})", available=known)
    module, name = _SOURCES[kind]
    found: Source = getattr(import_module(module), name)(config, clock)
    return found
