"""Headers and frames: v1 and v2 of requests, v0 and v1 of responses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocol.random_messages import every_version, version_id

from summit.base.errors import Invalid
from summit.protocol import frames
from summit.protocol.api import Api
from summit.protocol.apis import APIS
from summit.protocol.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse

BEAT = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")


@pytest.mark.parametrize(
    ("version", "client_id", "golden"),
    [
        (0, "ab", b"\x00\x00\x00\x16\x00\x0c\x00\x00\x00\x00\x00\x07\x00\x02ab\x00\x01g"),
        (0, None, b"\x00\x00\x00\x14\x00\x0c\x00\x00\x00\x00\x00\x07\xff\xff\x00\x01g"),
        (4, "ab", b"\x00\x00\x00\x17\x00\x0c\x00\x04\x00\x00\x00\x07\x00\x02ab\x00\x02g"),
        (4, "", b"\x00\x00\x00\x15\x00\x0c\x00\x04\x00\x00\x00\x07\x00\x00\x00\x02g"),
    ],
)
def test_request_frames(version: int, client_id: str | None, golden: bytes) -> None:
    frame = frames.encode_request_frame(HEARTBEAT, version, 7, BEAT, client_id)
    assert frame.startswith(golden)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    header, position = frames.decode_request_header(frame, 4)
    assert header == (12, version, 7, client_id)
    assert HEARTBEAT.decode_request(version, frame, position) == (BEAT, len(frame))


def test_response_frames() -> None:
    response = HeartbeatResponse(error_code=27)
    assert frames.encode_response_frame(HEARTBEAT, 0, 7, response) == (
        b"\x00\x00\x00\x06\x00\x00\x00\x07\x00\x1b"
    )
    assert frames.encode_response_frame(HEARTBEAT, 4, 7, response) == (
        b"\x00\x00\x00\x0c\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x1b\x00"
    )
    assert frames.decode_response_header(HEARTBEAT, 4, b"\x00\x00\x00\x07\x00rest") == (7, 5)


@pytest.mark.parametrize(("api", "version"), every_version(), ids=version_id)
def test_header_versions(api: Api[Any, Any], version: int) -> None:
    flexible = api.is_flexible(version)
    assert api.request_header_version(version) == (2 if flexible else 1)
    if api.name == "ApiVersions":
        assert api.response_header_version(version) == 0
    else:
        assert api.response_header_version(version) == (1 if flexible else 0)


def test_tags_in_the_header_are_passed_over() -> None:
    frame = b"\x00\x0c\x00\x04\x00\x00\x00\x07\x00\x00" + b"\x01\x05\x02xy" + b"body"
    header, position = frames.decode_request_header(frame)
    assert (header.client_id, frame[position:]) == ("", b"body")


def test_header_of_an_unknown_api_is_read() -> None:
    header, position = frames.decode_request_header(b"\x7f\xff\x00\x01\x00\x00\x00\x07\x00\x01c")
    assert (header, position) == ((32767, 1, 7, "c"), 11)


def test_client_id_with_bad_utf8_is_kept_readable() -> None:
    header, _ = frames.decode_request_header(b"\x00\x0c\x00\x00\x00\x00\x00\x07\x00\x02\xff!")
    assert header.client_id == "\ufffd!"


@pytest.mark.parametrize("key", sorted(APIS))
def test_truncated_headers_are_refused(key: int) -> None:
    version = APIS[key].versions.last
    whole = frames.encode_request_header(APIS[key], version, 1, "client")
    for stop in range(len(whole)):
        with pytest.raises(Invalid) as caught:
            frames.decode_request_header(whole[:stop])
        assert caught.value.code == "protocol.truncated"


@pytest.mark.parametrize("size", [b"\xff\xfe", b"\x80\x00"])
def test_negative_client_id_lengths_are_refused(size: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        frames.decode_request_header(b"\x00\x0c\x00\x00\x00\x00\x00\x07" + size + b"abc")
    assert caught.value.code == "protocol.malformed"


def test_truncated_response_headers_are_refused() -> None:
    for bad in (b"", b"\x00\x00\x00", b"\x00\x00\x00\x01", b"\x00\x00\x00\x01\x01\x05\x7f"):
        with pytest.raises(Invalid):
            frames.decode_response_header(HEARTBEAT, 4, bad)
