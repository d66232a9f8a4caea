"""DescribeConfigs: key 32, versions 1-4.

Behaviour: for a topic every key that this broker honours, with the value that holds, where it
comes from and its synonyms; for this broker the settings behind those defaults, read-only.
Keys that are not honoured do not exist here and are left out, even when they are asked for.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from summit.base.errors import Invalid, SummitError
from summit.broker import topic_configs
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

_TOPIC: Final = 2
_BROKER: Final = 4

_SOURCE_TOPIC: Final = 1
_SOURCE_STATIC_BROKER: Final = 4
_SOURCE_DEFAULT: Final = 5

_TYPE_STRING: Final = 2
_TYPE_LONG: Final = 5

# Topic key → the broker's name of its default, as Kafka calls it.
_BROKER_NAMES: Final = {
    "cleanup.policy": "log.cleanup.policy",
    "compression.type": "compression.type",
    "flush.messages": "log.flush.interval.messages",
    "flush.ms": "log.flush.interval.ms",
    "index.interval.bytes": "log.index.interval.bytes",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "message.timestamp.type": "log.message.timestamp.type",
    "min.insync.replicas": "min.insync.replicas",
    "retention.bytes": "log.retention.bytes",
    "retention.ms": "log.retention.ms",
    "segment.bytes": "log.segment.bytes",
    "segment.index.bytes": "log.index.size.max.bytes",
    "segment.ms": "log.roll.ms",
}


def handle(state: BrokerState, request: Request, message: DescribeConfigsRequest) -> None:
    """Describe each resource."""
    results = []
    for resource in message.resources:
        result = DescribeConfigsResult(
            error_code=codes.NONE,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            configs=[],
        )
        results.append(result)
        try:
            configs = _configs(state, request, resource, message.include_synonyms)
        except SummitError as error:
            result.error_code = codes.code_of(error)
            result.error_message = str(error)
            continue
        keys: Container[str] | None = resource.configuration_keys
        result.configs = [each for each in configs if keys is None or each.name in keys]
    request.reply(DescribeConfigsResponse(results=results))


def _configs(
    state: BrokerState, request: Request, resource: DescribeConfigsResource, with_synonyms: bool
) -> list[DescribeConfigsResourceResult]:
    name = resource.resource_name
    if resource.resource_type == _TOPIC:
        topic = state.topics.named(name)
        if topic is None:
            raise Invalid("topic.unknown", topic=name)
        return _topic(state, topic.configs, with_synonyms=with_synonyms)
    if resource.resource_type == _BROKER and name in ("", str(state.broker_id)):
        return _broker(state, request)
    raise Invalid("request.contradiction", reason=f"no configs of '{name}' here")


def _topic(
    state: BrokerState, own: dict[str, str], *, with_synonyms: bool
) -> list[DescribeConfigsResourceResult]:
    defaults = topic_configs.effective({}, state.settings)
    found = []
    for key, default in defaults.items():
        synonyms = [
            DescribeConfigsSynonym(
                name=_BROKER_NAMES.get(key, key), value=default, source=_SOURCE_DEFAULT
            )
        ]
        if key in own:
            synonyms.insert(
                0, DescribeConfigsSynonym(name=key, value=own[key], source=_SOURCE_TOPIC)
            )
        found.append(
            DescribeConfigsResourceResult(
                name=key,
                value=own.get(key, default),
                read_only=False,
                config_source=_SOURCE_TOPIC if key in own else _SOURCE_DEFAULT,
                is_sensitive=False,
                synonyms=synonyms if with_synonyms else [],
                config_type=_type_of(default),
            )
        )
    return found


def _broker(state: BrokerState, request: Request) -> list[DescribeConfigsResourceResult]:
    settings = state.settings
    values = {
        _BROKER_NAMES[key]: value
        for key, value in topic_configs.effective({}, settings).items()
        if key in _BROKER_NAMES
    }
    host, port = state.endpoint(request.connection)
    values["node.id"] = str(state.broker_id)
    values["advertised.listeners"] = f"PLAINTEXT://{host}:{port}"
    values["num.partitions"] = str(settings.num_partitions)
    values["default.replication.factor"] = "1"
    values["auto.create.topics.enable"] = "true" if settings.auto_create_topics else "false"
    values["offsets.retention.minutes"] = str(settings.offsets_retention_ms // 60_000)
    return [
        DescribeConfigsResourceResult(
            name=name,
            value=value,
            read_only=True,
            config_source=_SOURCE_STATIC_BROKER,
            is_sensitive=False,
            config_type=_type_of(value),
        )
        for name, value in values.items()
    ]


def _type_of(value: str) -> int:
    return _TYPE_LONG if value.lstrip("-").isdigit() else _TYPE_STRING
