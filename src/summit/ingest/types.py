"""The types of collectors: one row each, loaded when it is needed; and those of plugins.

A plugin is an installed package with an entry point of the group `summit.collectors`:

    [project.entry-points."summit.collectors"]
    kinesis = "acme_kinesis:KinesisCollector"      # a subclass of Collector

    {"name": "clicks", "type": "plugin:kinesis", "topic": "clicks", "options": {"stream": "c"}}

Its class has `type = "plugin:kinesis"`, checks `config.options` in its constructor, and derives
from `FeedingCollector` (`feeding.py`), which does all that a configuration may ask for; or from
`Collector`, with `_open` and `_close`, and does it itself as far as `knows` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.documents.collector import PLUGIN
from summit.ingest.collector import Collector
from summit.ingest.settings import CollectorConfig

ENTRY_POINTS: Final = "summit.collectors"

# Type -> module and class. What a type's configuration may hold is its row in `settings.py`.
_CLASSES: Final = {
    "http": ("summit.ingest.http.collector", "HttpCollector"),
    "websocket": ("summit.ingest.websocket.collector", "WebSocketCollector"),
    "mqtt": ("summit.ingest.mqtt.collector", "MqttCollector"),
    "grpc": ("summit.ingest.grpc.collector", "GrpcCollector"),
    "syslog": ("summit.ingest.syslog.collector", "SyslogCollector"),
    "file": ("summit.ingest.files.collector", "FileCollector"),
    "database": ("summit.ingest.database.collector", "DatabaseCollector"),
}


def make_collector(
    config: CollectorConfig | Mapping[str, Any], *, clock: Clock | None = None
) -> Collector:
    """The collector of a configuration. Raises Invalid."""
    if not isinstance(config, CollectorConfig):
        config = CollectorConfig.from_dict(config)
    found = collector_class(config.type)
    if config.is_plugin:
        config.check_known(found.knows)
    return found(config, clock=clock)


def collector_class(type_: str) -> type[Collector]:
    """The class of a type.

    Raises: Invalid("collector.plugin_unknown"), ("collector.plugin_broken"), ("extra.missing").
    """
    if type_.startswith(PLUGIN):
        return _plugin(type_.removeprefix(PLUGIN))
    module, name = _CLASSES[type_]
    found: type[Collector] = getattr(import_module(module), name)
    return found


def plugins() -> list[str]:
    """The names of the installed plugins."""
    return sorted(point.name for point in entry_points(group=ENTRY_POINTS))


def _plugin(name: str) -> type[Collector]:
    points = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
    if not points:
        installed = ", ".join(plugins()) or "none"
        raise Invalid("collector.plugin_unknown", name=name, installed=installed, pointer="/type")
    try:
        found = points[0].load()
    except Exception as error:
        raise Invalid("collector.plugin_broken", name=name, reason=repr(error)) from error
    if not (isinstance(found, type) and issubclass(found, Collector)):
        raise Invalid("collector.plugin_broken", name=name, reason="it is no Collector")
    if found.type != PLUGIN + name:
        reason = f"its class has the type '{found.type}'"
        raise Invalid("collector.plugin_broken", name=name, reason=reason)
    return found
