"""The ingest room: collectors bring events in; they answer for each one.

`HttpCollector` is loaded at its first use: it brings the web framework with it, which whoever
only reads files does not need.
"""

from typing import TYPE_CHECKING, Any

from summit.ingest.collector import Collector, CollectorStatus
from summit.ingest.files.collector import FileCollector, FileProgress
from summit.ingest.producing import Producer
from summit.ingest.registry import CollectorManager, make_collector
from summit.ingest.settings import CollectorConfig, FileOptions, HttpOptions

if TYPE_CHECKING:
    from summit.ingest.http import HttpCollector

__all__ = [
    "Collector",
    "CollectorConfig",
    "CollectorManager",
    "CollectorStatus",
    "FileCollector",
    "FileOptions",
    "FileProgress",
    "HttpCollector",
    "HttpOptions",
    "Producer",
    "make_collector",
]


def __getattr__(name: str) -> Any:
    if name == "HttpCollector":
        from summit.ingest.http import HttpCollector

        return HttpCollector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
