"""The ingest room: collectors bring events in; they answer for each one."""

from summit.ingest.collector import Collector, CollectorStatus
from summit.ingest.http import HttpCollector
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig, FileOptions, HttpOptions

__all__ = [
    "Collector",
    "CollectorConfig",
    "CollectorStatus",
    "FileOptions",
    "HttpCollector",
    "HttpOptions",
    "Producer",
]
