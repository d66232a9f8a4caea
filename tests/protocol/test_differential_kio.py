"""Our tables against kio's, byte for byte, in both directions, for every version that kio has.

A random message of ours is encoded, decoded by kio, compared value by value, encoded by kio and
must give the same bytes; our decoder must give the message back.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import io
import random
import uuid
import zlib
from typing import Any

import pytest
from kio.index import UnknownEntity, load_payload_module
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType
from tests.protocol.random_messages import every_version, random_message, version_id

from summit.protocol.api import Api
from summit.protocol.message import Message
from summit.protocol.primitives import ZERO_UUID

ROUNDS = 8

# kio has no ApiVersions v5; its bytes are golden in test_golden.py.
MISSING = {("ApiVersions", 5)}

# Our name where it is not Kafka's in snake case (kio drops the unit of durations and times).
RENAMED = {
    "index": {"partition", "partition_index"},
    "name": {"name", "topic"},
    "topics": {"topics", "topic_data", "responses"},
    "partitions": {"partitions", "partition_data", "partition_responses"},
    "forgotten_topics": {"forgotten_topics_data"},
}


def kio_class(api: Api[Any, Any], version: int, kind: EntityType) -> Any:
    module = load_payload_module(api.key, version, kind)
    return getattr(module, f"{api.name}{kind.name.capitalize()}")


def plain(value: Any) -> Any:
    """A value of kio as one of ours."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.datetime):
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return (value - epoch) // datetime.timedelta(milliseconds=1)
    if isinstance(value, tuple):
        return list(value)
    return value


def compare(ours: Any, theirs: Any, version: int, path: str) -> None:
    if isinstance(ours, Message):
        rows = [row for row in ours.FIELDS if version in row.versions]
        fields = dataclasses.fields(theirs)
        assert len(rows) == len(fields), path
        for row, other in zip(rows, fields, strict=True):
            names = RENAMED.get(row.name, {row.name}) | {row.name, row.name.removesuffix("_ms")}
            assert other.name in names, f"{path}.{row.name} is {other.name} in kio"
            mine, yours = getattr(ours, row.name), getattr(theirs, other.name)
            if mine is None and dataclasses.is_dataclass(yours):
                mine = row.type.message()  # an absent tagged struct is all defaults in kio
            compare(mine, yours, version, f"{path}.{row.name}")
        return
    value = plain(theirs)
    if isinstance(ours, uuid.UUID) and value is None:
        value = ZERO_UUID
    if path.endswith("log_append_time_ms") and value is None:
        value = -1
    if isinstance(ours, list):
        assert len(ours) == len(value), path
        for index, (mine, yours) in enumerate(zip(ours, value, strict=True)):
            compare(mine, yours, version, f"{path}[{index}]")
        return
    assert ours == value, path


@pytest.mark.parametrize("kind", [EntityType.request, EntityType.response], ids=lambda k: k.name)
@pytest.mark.parametrize(("api", "version"), every_version(), ids=version_id)
def test_same_bytes_as_kio(api: Api[Any, Any], version: int, kind: EntityType) -> None:
    try:
        theirs = kio_class(api, version, kind)
    except UnknownEntity:
        assert (api.name, version) in MISSING
        return
    read, write = entity_reader(theirs), entity_writer(theirs)
    request = kind is EntityType.request
    table = api.request if request else api.response
    encode = api.encode_request if request else api.encode_response
    decode = api.decode_request if request else api.decode_response
    rng = random.Random(zlib.crc32(f"{api.name} {version} {kind.name}".encode()))
    for _ in range(ROUNDS):
        message = random_message(table, version, rng)
        encoded = encode(version, message)
        entity, size = read(encoded, 0)
        assert size == len(encoded)
        compare(message, entity, version, table.__name__)
        out = io.BytesIO()
        write(out, entity)
        assert out.getvalue() == encoded
        decoded, end = decode(version, encoded)
        assert decoded == message
        assert end == len(encoded)
