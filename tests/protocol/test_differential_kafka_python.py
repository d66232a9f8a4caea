"""Our bytes through kafka-python's decoder and encoder and back: the second, independent oracle."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from tests.protocol.foreign import LACKS, foreign_class
from tests.protocol.random_messages import every_version, random_message, version_id

from summit.protocol.api import Api
from summit.protocol.message import Message

ROUNDS = 4
MISSING = {("ApiVersions", 5)}


@pytest.mark.parametrize("kind", ["request", "response"])
@pytest.mark.parametrize(
    ("api", "version"),
    [(api, version) for api, version in every_version() if api.name not in LACKS],
    ids=version_id,
)
def test_same_bytes_as_kafka_python(api: Api[Any, Any], version: int, kind: str) -> None:
    if (api.name, version) in MISSING:
        return
    table: type[Message] = api.request if kind == "request" else api.response
    encode = api.encode_request if kind == "request" else api.encode_response
    theirs = foreign_class(table.__name__)
    rng = random.Random(zlib.crc32(f"{api.name} {version} {kind}".encode()))
    for _ in range(ROUNDS):
        message = random_message(table, version, rng)
        if table.__name__ == "ApiVersionsResponse":
            message.error_code = 0  # it reads any error as v0
        encoded = encode(version, message)
        entity = theirs.decode(encoded, version=version)
        entity._header = None  # its own encoder asks for it, its decoder does not set it
        assert bytes(entity.encode()) == encoded
