"""Collectors, as the guide names them.

Make a `CollectorConfig`, give it to `HttpCollector`, `WebSocketCollector`, `MqttCollector`,
`GrpcCollector`, `SyslogCollector`, `FileCollector` or `CDCCollector` (of type `database`), and
`start` that with a connected producer; `CollectorManager` keeps several by name.
`FeedingCollector` is the base of one's own (see `summit.ingest.types`).
"""

from typing import TYPE_CHECKING, Any

import summit.ingest
from summit.ingest import (
    AuthOptions,
    Collector,
    CollectorConfig,
    CollectorManager,
    CollectorStatus,
    DatabaseOptions,
    FeedingCollector,
    FileCollector,
    FileOptions,
    FileProgress,
    GrpcOptions,
    HttpOptions,
    MqttOptions,
    MqttRoute,
    MqttTls,
    MysqlOptions,
    PostgresqlOptions,
    SqliteOptions,
    SyslogCollector,
    SyslogOptions,
    TlsOptions,
    WebSocketOptions,
)
from summit.ingest import (
    DatabaseCollector as CDCCollector,
)

if TYPE_CHECKING:
    from summit.ingest import GrpcCollector, HttpCollector, MqttCollector, WebSocketCollector

__all__ = [
    "AuthOptions",
    "CDCCollector",
    "Collector",
    "CollectorConfig",
    "CollectorManager",
    "CollectorStatus",
    "DatabaseOptions",
    "FeedingCollector",
    "FileCollector",
    "FileOptions",
    "FileProgress",
    "GrpcCollector",
    "GrpcOptions",
    "HttpCollector",
    "HttpOptions",
    "MqttCollector",
    "MqttOptions",
    "MqttRoute",
    "MqttTls",
    "MysqlOptions",
    "PostgresqlOptions",
    "SqliteOptions",
    "SyslogCollector",
    "SyslogOptions",
    "TlsOptions",
    "WebSocketCollector",
    "WebSocketOptions",
]


def __getattr__(name: str) -> Any:
    if name in ("GrpcCollector", "HttpCollector", "MqttCollector", "WebSocketCollector"):
        return getattr(summit.ingest, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
