"""Messages as objects: construction, equality, defaults; versions; what cannot be encoded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.protocol.random_messages import every_version

from summit.base.errors import Internal, Invalid
from summit.protocol.compiler import decoder_source, encoder_source
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from summit.protocol.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse
from summit.protocol.message import Versions, parse_versions
from summit.protocol.metadata import METADATA, MetadataRequest
from summit.protocol.primitives import ZERO_UUID, uuid_of


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("3+", Versions(3, 32767)),
        ("3-13", Versions(3, 13)),
        ("2", Versions(2, 2)),
        ("", Versions(0, -1)),
    ],
)
def test_versions(text: str, versions: Versions) -> None:
    assert parse_versions(text) == versions
    assert (3 in versions) == (versions.first <= 3 <= versions.last)


def test_construction_by_keyword_with_defaults() -> None:
    beat = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
    assert beat.group_instance_id is None
    assert beat == HeartbeatRequest(member_id="m", group_id="g", generation_id=1)
    assert beat != HeartbeatRequest(member_id="m", group_id="g", generation_id=2)
    assert beat != HeartbeatResponse(error_code=0)
    assert repr(beat) == (
        "HeartbeatRequest(group_id='g', generation_id=1, member_id='m', group_instance_id=None)"
    )


def test_missing_unknown_and_positional_values_are_refused() -> None:
    anything: Any = HeartbeatRequest
    with pytest.raises(TypeError, match="member_id"):
        anything(group_id="g", generation_id=1)
    with pytest.raises(TypeError, match="nonsense"):
        anything(group_id="g", generation_id=1, member_id="m", nonsense=1)
    with pytest.raises(TypeError):
        anything("g", 1, "m")
    with pytest.raises(AttributeError):
        anything(group_id="g", generation_id=1, member_id="m").nonsense = 1


def test_lists_are_not_shared() -> None:
    one = FetchRequest(max_wait_ms=1, min_bytes=1, topics=[])
    one.forgotten_topics.append(None)  # type: ignore[arg-type]
    assert FetchRequest(max_wait_ms=1, min_bytes=1, topics=[]).forgotten_topics == []
    body = FETCH.encode_request(4, FetchRequest(max_wait_ms=1, min_bytes=1, topics=[]))
    first, second = (FETCH.decode_request(4, body)[0] for _ in range(2))
    assert first.forgotten_topics is not second.forgotten_topics


def test_fields_a_version_lacks_are_left_out_and_come_back_as_defaults() -> None:
    partition = FetchPartition(
        index=1, fetch_offset=5, partition_max_bytes=9, current_leader_epoch=4, log_start_offset=3
    )
    topic = FetchTopic(name="t", topic_id=uuid_of(b"x" * 16), partitions=[partition])
    request = FetchRequest(max_wait_ms=1, min_bytes=1, topics=[topic], rack_id="r")
    back, _ = FETCH.decode_request(4, FETCH.encode_request(4, request))
    assert (back.topics[0].name, back.topics[0].topic_id) == ("t", ZERO_UUID)
    assert (back.topics[0].partitions[0].current_leader_epoch, back.rack_id) == (-1, "")
    back, _ = FETCH.decode_request(13, FETCH.encode_request(13, request))
    assert (back.topics[0].name, back.topics[0].topic_id) == ("", uuid_of(b"x" * 16))


@pytest.mark.parametrize(
    "values",
    [
        {"group_id": None},
        {"generation_id": 2**31},
        {"generation_id": "1"},
        {"member_id": 5},
        {"member_id": "x" * 40_000},
        {"member_id": "\ud800"},
    ],
)
def test_what_cannot_be_encoded_is_our_own_mistake(values: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"group_id": "g", "generation_id": 1, "member_id": "m"} | values
    with pytest.raises(Internal) as caught:
        HEARTBEAT.encode_request(0, HeartbeatRequest(**whole))
    assert caught.value.code == "protocol.encode"
    assert "HeartbeatRequest v0" in str(caught.value)


def test_null_where_the_version_has_none() -> None:
    assert METADATA.encode_request(1, MetadataRequest(topics=None)) == b"\xff\xff\xff\xff"
    with pytest.raises(Internal):
        METADATA.encode_request(0, MetadataRequest(topics=None))


@pytest.mark.parametrize("version", [-1, 5, 99])
def test_versions_out_of_range_are_refused(version: int) -> None:
    with pytest.raises(Invalid) as caught:
        HEARTBEAT.decode_request(version, b"")
    assert caught.value.code == "protocol.unsupported_version"
    assert "Heartbeat" in str(caught.value)


def test_functions_are_compiled_once() -> None:
    assert HEARTBEAT.request_decoder(3) is HEARTBEAT.request_decoder(3)
    assert HEARTBEAT.response_encoder(3) is HEARTBEAT.response_encoder(3)


def test_generated_code_tests_no_versions() -> None:
    for api, version in every_version():
        for table in (api.request, api.response):
            flexible = api.is_flexible(version)
            source = decoder_source(table, version, flexible=flexible)
            source += encoder_source(table, version, flexible=flexible)
            assert "version" not in source.replace("_version", "")


def test_importing_the_tables_compiles_nothing() -> None:
    program = (
        "from summit.protocol.apis import APIS\n"
        "assert not any(api._decode_request or api._encode_response for api in APIS.values())\n"
        "print(len(APIS))"
    )
    count = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True,
                           env={"PYTHONPATH": ":".join(sys.path)}).stdout  # fmt: skip
    assert int(count) >= 15
