"""Collectors, as the guide names them.

    from summit.stream_ingestion import CollectorConfig, HttpCollector

    collector = HttpCollector(CollectorConfig(name="web", type="http", topic="raw-events"))
    await collector.start(producer)     # POST events to http://localhost:8080/ingest
"""

from typing import TYPE_CHECKING, Any

from summit.ingest import (
    CollectorConfig,
    CollectorManager,
    CollectorStatus,
    FileCollector,
    FileOptions,
    FileProgress,
    HttpOptions,
)

if TYPE_CHECKING:
    from summit.ingest import HttpCollector

__all__ = [
    "CollectorConfig",
    "CollectorManager",
    "CollectorStatus",
    "FileCollector",
    "FileOptions",
    "FileProgress",
    "HttpCollector",
    "HttpOptions",
]


def __getattr__(name: str) -> Any:
    if name == "HttpCollector":
        from summit.ingest import HttpCollector

        return HttpCollector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
