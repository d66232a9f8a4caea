"""The ingest room: collectors bring events in; they answer for each one.

What needs a web framework or a library of its own is loaded at its first use: whoever only reads
files does not need it.
"""

from typing import TYPE_CHECKING, Any

from summit.identity.tls import TlsOptions
from summit.ingest.auth import AuthOptions
from summit.ingest.collector import Collector, CollectorStatus
from summit.ingest.database.collector import DatabaseCollector
from summit.ingest.database.mysql.settings import MysqlOptions
from summit.ingest.database.postgresql.settings import PostgresqlOptions
from summit.ingest.database.settings import DatabaseOptions
from summit.ingest.database.sqlite.settings import SqliteOptions
from summit.ingest.feeding import FeedingCollector
from summit.ingest.files.collector import FileCollector, FileProgress
from summit.ingest.files.settings import FileOptions
from summit.ingest.grpc.settings import GrpcOptions
from summit.ingest.http.settings import HttpOptions
from summit.ingest.mqtt.settings import MqttOptions, MqttRoute, MqttTls
from summit.ingest.producing import Producer
from summit.ingest.registry import CollectorManager
from summit.ingest.settings import CollectorConfig
from summit.ingest.syslog.collector import SyslogCollector
from summit.ingest.syslog.settings import SyslogOptions
from summit.ingest.types import collector_class, make_collector
from summit.ingest.websocket.settings import WebSocketOptions

if TYPE_CHECKING:
    from summit.ingest.grpc.collector import GrpcCollector
    from summit.ingest.http.collector import HttpCollector
    from summit.ingest.mqtt.collector import MqttCollector
    from summit.ingest.websocket.collector import WebSocketCollector

__all__ = [
    "AuthOptions",
    "Collector",
    "CollectorConfig",
    "CollectorManager",
    "CollectorStatus",
    "DatabaseCollector",
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
    "Producer",
    "SyslogCollector",
    "SyslogOptions",
    "TlsOptions",
    "WebSocketCollector",
    "WebSocketOptions",
    "collector_class",
    "make_collector",
]

_LATE = {
    "GrpcCollector": "grpc",
    "HttpCollector": "http",
    "MqttCollector": "mqtt",
    "WebSocketCollector": "websocket",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return collector_class(_LATE[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
