"""Collectors, as the guide names them.

Make a `CollectorConfig`, give it to `HttpCollector` or `FileCollector`, and `start` that with a
connected producer; `CollectorManager` keeps several by name.
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
