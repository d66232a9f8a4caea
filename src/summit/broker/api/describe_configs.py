"""DescribeConfigs: key 32, versions 1-4.

Behaviour: for a topic every key that this broker honours, with the value that holds, where it
comes from and, when asked, its synonyms: every place that names a value, the strongest first. For
this broker the keys that can be set at run time and the settings behind the rest, which are
read-only; for the empty name what is set at run time for every broker. Loggers, groups and client
metrics have no configs here.
Keys that are not honoured do not exist here and are left out, even when they are asked for.
Versions: 3 types and documentation, which is null.
"""

from __future__ import annotations

from typing import Final

from summit.base.errors import Invalid, SummitError
from summit.broker import broker_configs, topic_configs
from summit.broker.altering import EVERY_BROKER
from summit.broker.config_changes import LISTS
from summit.broker.request import Request
from summit.broker.resources import (
    BROKER,
    BROKER_LOGGER,
    CLIENT_METRICS,
    GROUP,
    SOURCE_DEFAULT,
    SOURCE_DYNAMIC_BROKER,
    SOURCE_DYNAMIC_DEFAULT,
    SOURCE_STATIC_BROKER,
    SOURCE_TOPIC,
    TOPIC,
    TYPE_BOOLEAN,
    TYPE_DOUBLE,
    TYPE_INT,
    TYPE_LIST,
    TYPE_LONG,
    TYPE_STRING,
)
from summit.broker.settings import BrokerSettings
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

# Topic key → the broker's name of its default, as Kafka calls it, where they differ.
_BROKER_NAMES: Final = {
    "cleanup.policy": "log.cleanup.policy",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "flush.messages": "log.flush.interval.messages",
    "flush.ms": "log.flush.interval.ms",
    "index.interval.bytes": "log.index.interval.bytes",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "message.timestamp.type": "log.message.timestamp.type",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "preallocate": "log.preallocate",
    "retention.bytes": "log.retention.bytes",
    "retention.ms": "log.retention.ms",
    "segment.bytes": "log.segment.bytes",
    "segment.index.bytes": "log.index.size.max.bytes",
    "segment.jitter.ms": "log.roll.jitter.ms",
    "segment.ms": "log.roll.ms",
    "unclean.leader.election.enable": "unclean.leader.election.enable",
}
_BROKER_KEYS: Final = frozenset({"compression.type", "min.insync.replicas", *_BROKER_NAMES})
_INTS: Final = frozenset(
    {
        "max.message.bytes", "min.insync.replicas", "segment.bytes", "num.partitions", "node.id",
        "default.replication.factor", "message.max.bytes", "log.segment.bytes",
        "offsets.retention.minutes", "index.interval.bytes", "log.index.interval.bytes",
        "segment.index.bytes", "log.index.size.max.bytes",
    }
)  # fmt: skip
_DOUBLES: Final = frozenset({"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"})
_EMPTY: Final = frozenset({BROKER_LOGGER, GROUP, CLIENT_METRICS})
_AS_SHIPPED: Final = BrokerSettings()


def handle(state: BrokerState, request: Request, message: DescribeConfigsRequest) -> None:
    """Describe each resource, once each."""
    results = []
    resources = {(each.resource_type, each.resource_name): each for each in message.resources}
    for resource in resources.values():
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
        keys = resource.configuration_keys  # none are all of them
        result.configs = [each for each in configs if not keys or each.name in keys]
    request.reply(DescribeConfigsResponse(results=results))


def _configs(
    state: BrokerState, request: Request, resource: DescribeConfigsResource, with_synonyms: bool
) -> list[DescribeConfigsResourceResult]:
    name, kind = resource.resource_name, resource.resource_type
    if kind == TOPIC:
        topic = state.topics.named(name)
        if topic is None:
            raise Invalid("topic.unknown", topic=name)
        return [
            _result(key, _places(state, key, topic.configs.get(key)), with_synonyms=with_synonyms)
            for key in topic_configs.BY_NAME
        ]
    if kind == BROKER and name == EVERY_BROKER:
        return [
            _result(key, [(key, value, SOURCE_DYNAMIC_DEFAULT)], with_synonyms=with_synonyms)
            for key, value in state.altering.overrides(EVERY_BROKER).items()
        ]
    if kind == BROKER and name == str(state.broker_id):
        return _broker(state, request, with_synonyms=with_synonyms)
    if kind in _EMPTY:
        return []
    raise Invalid("request.contradiction", reason=f"no configs of '{name}' here")


# The name, value and source of each place that says a value; the first one holds.
_Places = list[tuple[str, str, int]]


def _places(state: BrokerState, key: str, own: str | None) -> _Places:
    """Every place that says a value for a topic's key."""
    places: _Places = [] if own is None else [(key, own, SOURCE_TOPIC)]
    name = _BROKER_NAMES.get(key, key)
    dynamic = broker_configs.BY_TOPIC_KEY.get(key)
    altering = state.altering
    if dynamic is not None:
        for where, source in (
            (str(state.broker_id), SOURCE_DYNAMIC_BROKER),
            (EVERY_BROKER, SOURCE_DYNAMIC_DEFAULT),
        ):
            value = altering.overrides(where).get(dynamic.name)
            if value is not None:
                places.append((name, value, source))
    default = topic_configs.BY_NAME[key].default
    started_with, shipped = default(altering.static), default(_AS_SHIPPED)
    if started_with != shipped:
        places.append((name, started_with, SOURCE_STATIC_BROKER))
    places.append((name, shipped, SOURCE_DEFAULT))
    return places


def _result(
    name: str, places: _Places, *, with_synonyms: bool, read_only: bool = False
) -> DescribeConfigsResourceResult:
    _, value, source = places[0]
    return DescribeConfigsResourceResult(
        name=name,
        value=value,
        read_only=read_only,
        config_source=source,
        is_sensitive=False,
        synonyms=[
            DescribeConfigsSynonym(name=place, value=text, source=where)
            for place, text, where in (places if with_synonyms else [])
        ],
        config_type=_type_of(name, value),
    )


def _broker(
    state: BrokerState, request: Request, *, with_synonyms: bool
) -> list[DescribeConfigsResourceResult]:
    found = [
        _result(
            _BROKER_NAMES.get(key, key),
            _places(state, key, None),
            with_synonyms=with_synonyms,
            read_only=key not in broker_configs.BY_TOPIC_KEY,
        )
        for key in topic_configs.BY_NAME
        if key in _BROKER_KEYS
    ]
    settings = state.settings
    host, port = state.endpoint(request.connection)
    fixed = {
        "node.id": str(state.broker_id),
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "num.partitions": str(settings.num_partitions),
        "default.replication.factor": "1",
        "auto.create.topics.enable": "true" if settings.auto_create_topics else "false",
        "offsets.retention.minutes": str(settings.offsets_retention_ms // 60_000),
    }
    for name, value in fixed.items():
        places = [(name, value, SOURCE_STATIC_BROKER)]
        found.append(_result(name, places, with_synonyms=with_synonyms, read_only=True))
    return found


def _type_of(name: str, value: str) -> int:
    if name in LISTS or name in ("advertised.listeners", "log.cleanup.policy"):
        return TYPE_LIST
    if value in ("true", "false"):
        return TYPE_BOOLEAN
    if name in _INTS:
        return TYPE_INT
    if name in _DOUBLES:
        return TYPE_DOUBLE
    return TYPE_LONG if value.lstrip("-").isdigit() else TYPE_STRING
