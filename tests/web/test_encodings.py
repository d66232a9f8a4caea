"""Content encodings: bodies that come compressed, answers that leave compressed."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
import zstandard

from summit.web import EventStream, Request, Response, Routes, WebServer, make_app, tagged_response
from summit.web.encodings import fold

LARGE = {"names": [f"name-{number}" for number in range(30_000)]}
SMALL = {"ok": True}


async def echo(request: Request) -> Any:
    return {"bytes": len(await request.body()), "value": await request.read_json()}


async def large(request: Request) -> Any:
    return LARGE


async def small(request: Request) -> Any:
    return SMALL


async def tagged(request: Request) -> Response:
    return tagged_response(request, LARGE, "t1")


def ask(*calls: dict[str, Any]) -> list[httpx.Response]:
    routes = Routes()
    routes.post("/echo", echo, body_bytes_max=1_000)
    for path, handler in (("/large", large), ("/small", small), ("/tagged", tagged)):
        routes.get(path, handler)

    async def main() -> list[httpx.Response]:
        async with (
            WebServer(make_app(routes)) as server,
            httpx.AsyncClient(base_url=server.url, timeout=60) as client,
        ):
            return [await client.request(**call) for call in calls]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("encoding", "folded"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_bodies_are_unfolded_within_the_limit_of_their_route(encoding: str, folded: Any) -> None:
    plain = json.dumps({"text": "x" * 900}).encode()
    headers = {"Content-Encoding": encoding}
    good, bomb, junk = ask(
        {"method": "POST", "url": "/echo", "content": folded(plain), "headers": headers},
        {"method": "POST", "url": "/echo", "content": folded(b" " * 9_000), "headers": headers},
        {"method": "POST", "url": "/echo", "content": b"junk", "headers": headers},
    )
    assert good.json() == {"bytes": len(plain), "value": json.loads(plain)}
    assert (bomb.status_code, bomb.json()["code"]) == (413, "web.body_unfolds_too_large")
    assert (junk.status_code, junk.json()["code"]) == (400, "web.body_unreadable")


@pytest.mark.parametrize(
    ("accepted", "is_folded"),
    [("gzip", True), ("br;q=1, *;q=0.5", True), ("gzip;q=0, *", False), ("br", False), ("", False)],
)
def test_large_answers_leave_compressed_when_that_is_asked(accepted: str, is_folded: bool) -> None:
    headers = {"Accept-Encoding": accepted}
    big, little = ask(
        {"method": "GET", "url": "/large", "headers": headers},
        {"method": "GET", "url": "/small", "headers": headers},
    )
    assert (big.json(), little.json()) == (LARGE, SMALL)  # the client unfolds
    assert big.headers.get("content-encoding") == ("gzip" if is_folded else None)
    assert (int(big.headers["content-length"]) < 200_000) is is_folded
    assert big.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in little.headers


def test_the_tag_of_a_compressed_answer_still_holds_as_a_condition() -> None:
    (reply,) = ask({"method": "GET", "url": "/tagged", "headers": {"Accept-Encoding": "gzip"}})
    tag = reply.headers["etag"]
    assert tag.startswith('W/"')
    (again,) = ask({"method": "GET", "url": "/tagged", "headers": {"If-None-Match": tag}})
    assert again.status_code == 304


def test_a_stream_is_left_alone() -> None:
    async def none() -> Any:
        return
        yield

    scope = {"type": "http", "headers": [(b"accept-encoding", b"gzip")]}
    stream = EventStream(none())
    asyncio.run(fold(Request(scope, None, None), stream))  # type: ignore[arg-type]
    assert "content-encoding" not in stream.headers
