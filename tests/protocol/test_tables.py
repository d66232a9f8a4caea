"""The tables themselves: annotations say what the wire type is, and the facts (names, versions,
nullability, tags, defaults) are those of the schemas that kafka-python carries."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.protocol.foreign import LACKS, schema_of

from summit.base.errors import Invalid
from summit.protocol.api import Api
from summit.protocol.apis import APIS, served
from summit.protocol.message import REQUIRED, Field, Message, Versions, WireType, parse_versions

ALL = list(APIS.values())
TABLES = [(api, table) for api in ALL for table in (api.request, api.response)]

# What kafka-python's copy lacks: ApiVersions v5 has two more fields.
NEWER = {("ApiVersionsRequest", "cluster_id"), ("ApiVersionsRequest", "node_id")}

# Kafka's names where ours are shorter.
RENAMED = {
    ("TopicProduceData", "partitions"): "PartitionData",
    ("ProduceRequest", "topics"): "TopicData",
    ("TopicProduceResponse", "partitions"): "PartitionResponses",
    ("ProduceResponse", "topics"): "Responses",
    ("FetchRequest", "forgotten_topics"): "ForgottenTopicsData",
    ("FetchPartition", "index"): "Partition",
    ("FetchTopic", "name"): "Topic",
    ("ForgottenTopic", "name"): "Topic",
    ("FetchResponse", "topics"): "Responses",
    ("FetchTopicResponse", "name"): "Topic",
    ("FetchPartitionData", "index"): "PartitionIndex",
}

# Where the schema's default is 0 and ours says "unknown".
UNKNOWN_INSTEAD_OF_ZERO = {
    ("FindCoordinatorResponse", "node_id"),
    ("FindCoordinatorResponse", "port"),
    ("ListOffsetsRequest", "replica_id"),
}


def nested(table: type[Message]) -> list[type[Message]]:
    found = [table]
    for row in table.FIELDS:
        item = row.type.item or row.type
        if item.message is not None:
            found += nested(item.message)
    return found


def annotation_of(wire_type: WireType) -> str:
    match wire_type.kind:
        case "fixed":
            return {"?": "bool", "d": "float"}.get(wire_type.code, "int")
        case "uuid":
            return "uuid.UUID"
        case "string":
            return "str"
        case "bytes":
            return "bytes"
        case "records":
            return "Buffer | list[Buffer]"
        case "struct":
            return str(wire_type.message.__name__)
        case _:
            return f"list[{annotation_of(wire_type.item)}]"


@pytest.mark.parametrize(("api", "table"), TABLES, ids=lambda v: getattr(v, "__name__", ""))
def test_annotations_state_the_wire_type(api: Api[Any, Any], table: type[Message]) -> None:
    for message in nested(table):
        for row in message.FIELDS:
            want = annotation_of(row.type)
            may_lack = row.type.kind == "struct" and row.tag is not None
            if row.nullable.last >= 0 or may_lack:
                want += " | None"
            assert message.__annotations__[row.name] == want, f"{message.__name__}.{row.name}"


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def clip(versions: Versions, inside: Versions) -> Versions:
    first, last = max(versions.first, inside.first), min(versions.last, inside.last)
    return Versions(first, last) if first <= last else Versions(0, -1)


def schema_type(wire_type: WireType, schema: dict[str, Any]) -> str:
    match wire_type.kind:
        case "fixed":
            names = {"b": "int8", "h": "int16", "H": "uint16", "i": "int32", "q": "int64"}
            return {**names, "?": "bool"}[wire_type.code]
        case "array":
            return "[]" + schema_type(wire_type.item, schema)
        case "struct":
            return schema["type"].removeprefix("[]")
        case kind:
            return kind


def schema_default(schema: dict[str, Any], row: Field) -> Any:
    text = schema.get("default")
    if text is None:
        return row.type.zero
    if text == "null":
        return None
    if schema["type"] == "bool":
        return text in (True, "true")
    return text if schema["type"] == "string" else int(str(text), 0)


def check(message: type[Message], schemas: list[dict[str, Any]], valid: Versions) -> None:
    rows = [row for row in message.FIELDS if (message.__name__, row.name) not in NEWER]
    live = [s for s in schemas if clip(parse_versions(s["versions"]), valid).last >= 0]
    assert len(rows) == len(live), message.__name__
    for row, schema in zip(rows, live, strict=True):
        where = f"{message.__name__}.{row.name}"
        name = RENAMED.get((message.__name__, row.name), schema["name"])
        assert (name, snake(name)) == (schema["name"], snake(schema["name"])), where
        if (message.__name__, row.name) not in RENAMED:
            assert row.name == snake(schema["name"]), where
        assert clip(row.versions, valid) == clip(parse_versions(schema["versions"]), valid), where
        nullable = clip(parse_versions(schema.get("nullableVersions", "")), row.versions)
        assert clip(row.nullable, valid) == clip(nullable, valid), where
        assert row.tag == (None if schema.get("tag") is None else int(schema["tag"])), where
        assert schema_type(row.type, schema) == schema["type"], where
        if "default" in schema:
            assert row.default is not REQUIRED, f"{where} has a default in Kafka"
        default = row.default_factory() if row.default_factory is not None else row.default
        if default is REQUIRED or (default is None and row.nullable.last >= 0):
            pass
        elif (message.__name__, row.name) not in UNKNOWN_INSTEAD_OF_ZERO:
            assert default == schema_default(schema, row), where
        item = row.type.item or row.type
        if item.message is not None:
            check(item.message, schema["fields"], clip(row.versions, valid))


@pytest.mark.parametrize(
    ("api", "table"),
    [(api, table) for api, table in TABLES if api.name not in LACKS],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_facts_agree_with_the_schemas(api: Api[Any, Any], table: type[Message]) -> None:
    schema = schema_of(table.__name__)
    valid = parse_versions(schema["validVersions"])
    assert schema["apiKey"] == api.key
    assert valid.first == api.versions.first
    if api.name == "ApiVersions":
        assert (valid.last, api.versions.last) == (4, 5)
    elif api.name == "InitProducerId":
        assert (valid.last, api.versions.last) == (6, 5)
    else:
        assert valid == api.versions
    flexible = schema["flexibleVersions"].replace("none", "")
    assert parse_versions(flexible) == api.flexible
    check(table, schema["fields"], api.versions)


def test_only_produce_advertises_more_than_it_serves() -> None:
    odd = {api.name: api.advertise_min for api in ALL if api.advertise_min != api.versions.first}
    assert odd == {"Produce": 0}


def test_zero_is_not_the_default_where_the_protocol_means_unknown() -> None:
    wanted = {
        "FetchPartitionData": {"preferred_read_replica": -1, "last_stable_offset": -1},
        "MetadataResponsePartition": {"leader_epoch": -1},
        "MetadataResponse": {"controller_id": -1},
        "PartitionProduceResponse": {"log_append_time_ms": -1, "log_start_offset": -1},
        "OffsetCommitRequestPartition": {"committed_leader_epoch": -1},
        "ListOffsetsPartitionResponse": {"timestamp": -1, "offset": -1, "leader_epoch": -1},
        "InitProducerIdRequest": {"producer_id": -1, "producer_epoch": -1},
    }
    defaults = {
        message.__name__: {row.name: row.default for row in message.FIELDS}
        for _, table in TABLES
        for message in nested(table)
    }
    for message, fields in wanted.items():
        assert fields.items() <= defaults[message].items()
    assert defaults["ProduceRequest"]["transactional_id"] is None
    assert defaults["FetchPartitionData"]["aborted_transactions"] is None


@pytest.mark.parametrize(
    ("key", "version", "code"),
    [
        (4, 0, "protocol.unknown_api"),
        (999, 0, "protocol.unknown_api"),
        (0, 2, "protocol.unsupported_version"),
        (0, 14, "protocol.unsupported_version"),
        (18, 6, "protocol.unsupported_version"),
        (3, -1, "protocol.unsupported_version"),
    ],
)
def test_unknown_keys_and_versions_are_refused(key: int, version: int, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        served(key, version)
    assert caught.value.code == code
    assert caught.value.kafka_code == "UNSUPPORTED_VERSION"


def test_served_gives_the_api() -> None:
    assert served(3, 13) is APIS[3]
