"""Golden bytes: requests recorded from real clients, and a few messages written out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summit.protocol import codes, frames
from summit.protocol.api_versions import (
    API_VERSIONS,
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    advertised,
)
from summit.protocol.apis import APIS
from summit.protocol.produce_fast import parse_produce

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "kafka_requests.jsonl"
ROWS = [json.loads(line) for line in GOLDEN.read_text().splitlines()]


def row_id(row: dict[str, Any]) -> str:
    return f"{row['client']}-{APIS[row['key']].name}-v{row['version']}"


def test_every_api_was_recorded() -> None:
    assert {row["key"] for row in ROWS} == {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18, 19, 20, 22}
    assert {row["client"] for row in ROWS} == {"librdkafka", "aiokafka", "kafka-python"}


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_recorded_requests_are_read_to_the_end_and_written_again(row: dict[str, Any]) -> None:
    frame = bytes.fromhex(row["hex"])
    header, position = frames.decode_request_header(frame)
    assert (header.api_key, header.api_version) == (row["key"], row["version"])
    api = APIS[header.api_key]
    message, end = api.decode_request(header.api_version, frame, position)
    assert end == len(frame)
    again = frames.encode_request_frame(
        api, header.api_version, header.correlation_id, message, header.client_id
    )
    assert again == len(frame).to_bytes(4, "big") + frame


def recorded(client: str, key: int) -> tuple[int, Any]:
    (row,) = [row for row in ROWS if (row["client"], row["key"]) == (client, key)]
    frame = bytes.fromhex(row["hex"])
    header, position = frames.decode_request_header(frame)
    return header.api_version, APIS[key].decode_request(header.api_version, frame, position)[0]


def test_what_librdkafka_meant() -> None:
    _, join = recorded("librdkafka", 11)
    assert (join.group_id, join.member_id, join.session_timeout_ms) == ("g", "", 6000)
    assert [protocol.name for protocol in join.protocols] == ["range", "roundrobin"]
    version, fetch = recorded("librdkafka", 1)
    (topic,) = fetch.topics
    assert version == 16
    assert str(topic.topic_id) == "6f7e1f0a-34b2-4c3f-9b66-2d6a2a0e1c55"
    assert (topic.partitions[0].fetch_offset, fetch.max_wait_ms) == (0, 500)
    _, create = recorded("librdkafka", 19)
    assert (create.topics[0].name, create.topics[0].num_partitions) == ("n", 2)
    assert (create.topics[0].configs[0].name, create.topics[0].configs[0].value) == ("a", "b")


@pytest.mark.parametrize("client", ["librdkafka", "aiokafka", "kafka-python"])
def test_recorded_produce_on_the_fast_path(client: str) -> None:
    (row,) = [row for row in ROWS if (row["client"], row["key"]) == (client, 0)]
    frame = memoryview(bytes.fromhex(row["hex"]))
    header, position = frames.decode_request_header(frame)
    transactional_id, acks, _, parts = parse_produce(header.api_version, frame, position)
    ((topic, partition, records),) = parts
    assert (transactional_id, acks, topic, partition) == (None, -1, "t", 0)
    assert records is not None
    # A batch of format 2 whose length field counts all that follows it.
    assert records[16] == 2
    assert int.from_bytes(records[8:12], "big") + 12 == len(records)


# ---- by hand: what no oracle has, and the traps of ApiVersions ----


def test_api_versions_v5_names_cluster_and_node() -> None:
    request = ApiVersionsRequest(
        client_software_name="java",
        client_software_version="4.3",
        cluster_id="abc",
        node_id=3,
    )
    golden = b"\x05java\x044.3\x04abc\x00\x00\x00\x03\x00"
    assert API_VERSIONS.encode_request(5, request) == golden
    assert API_VERSIONS.decode_request(5, golden) == (request, len(golden))
    unknown = b"\x05java\x044.3\x00\xff\xff\xff\xff\x00"
    assert API_VERSIONS.decode_request(5, unknown)[0].cluster_id is None


def test_api_versions_response_is_flexible_behind_a_header_that_is_not() -> None:
    response = ApiVersionsResponse(
        error_code=0,
        api_keys=[ApiVersion(api_key=18, min_version=0, max_version=5)],
        finalized_features_epoch=0,
        finalized_features=[
            FinalizedFeatureKey(name="group.version", max_version_level=1, min_version_level=1)
        ],
    )
    for version in (3, 4, 5):
        assert frames.encode_response_frame(API_VERSIONS, version, 7, response) == (
            b"\x00\x00\x00\x33"  # 51 bytes follow
            b"\x00\x00\x00\x07"  # correlation id, and no tag buffer after it
            b"\x00\x00"  # no error
            b"\x02\x00\x12\x00\x00\x00\x05\x00"  # one key: 18, 0 to 5, no tags
            b"\x00\x00\x00\x00"  # throttle time
            b"\x02"  # two tagged fields
            b"\x01\x08\x00\x00\x00\x00\x00\x00\x00\x00"  # tag 1: epoch 0
            b"\x02\x14\x02\x0egroup.version\x00\x01\x00\x01\x00"  # tag 2: the features
        )


def test_api_versions_too_new_is_answered_in_v0() -> None:
    keys = advertised(api for api in APIS.values() if api.key < 4 or api.key == 18)
    answer = frames.unsupported_api_versions(42, keys)
    assert answer[4:14] == b"\x00\x00\x00\x2a\x00\x23\x00\x00\x00\x05"  # id, error 35, 5 keys
    assert int.from_bytes(answer[:4], "big") == len(answer) - 4
    correlation_id, position = frames.decode_response_header(API_VERSIONS, 0, answer[4:])
    response, end = API_VERSIONS.decode_response(0, answer[4:], position)
    assert (correlation_id, end) == (42, len(answer) - 4)
    assert response.error_code == codes.UNSUPPORTED_VERSION
    ranges = {key.api_key: (key.min_version, key.max_version) for key in response.api_keys}
    assert (ranges[18], ranges[0]) == ((0, 5), (0, 13))


def test_a_request_of_a_future_api_versions_still_has_its_header_read() -> None:
    frame = b"\x00\x12\x00\x09\x00\x00\x00\x05\x00\x02cl\x00\x01\x02\x03"
    header, position = frames.decode_request_header(frame)
    assert header == (18, 9, 5, "cl")
    assert frame[position:] == b"\x01\x02\x03"
