"""The server over real sockets: start, stop, drain, ports, limits, every error a problem."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.web import Request, Routes, WebServer, int_parameter, json_response, make_app


class Order(msgspec.Struct):
    name: str
    sizes: list[int] = []


def run(body: Callable[[httpx.AsyncClient, WebServer], Awaitable[Any]], routes: Routes) -> Any:
    async def go() -> Any:
        async with WebServer(make_app(routes)) as server:
            base = f"http://{server.address}"
            async with httpx.AsyncClient(base_url=base, timeout=10, trust_env=False) as client:
                return await body(client, server)

    return asyncio.run(go())


async def hello(request: Request) -> Any:
    return {"hello": request.path_params.get("name", "world"), "ratio": float("nan")}


async def order(request: Request) -> Any:
    found = await request.read_json(Order)
    return json_response({"name": found.name, "count": len(found.sizes)}, status=201)


async def broken(request: Request) -> Any:
    raise ZeroDivisionError("secret detail")


async def away(request: Request) -> Any:
    raise Unavailable("disk.full", path="/data", retry_after_ms=2500)


async def limited(request: Request) -> Any:
    return {"limit": int_parameter(request, "limit", 100, least=1, most=1000)}


def table() -> Routes:
    routes = Routes()
    routes.get("/hello", hello)
    routes.get("/hello/{name}", hello)
    routes.post("/hello/test", order)
    routes.post("/orders", order, body_bytes_max=200)
    routes.get("/orders", hello)
    routes.get("/broken", broken)
    routes.get("/away", away)
    routes.get("/limited", limited)
    return routes


def check_problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["error"] == problem["detail"] != ""
    assert problem["requestId"] == reply.headers["x-request-id"] != ""
    assert problem["title"]
    assert problem["type"] == "about:blank"
    return problem


def test_values_become_json_with_finite_numbers_only() -> None:
    async def body(client: httpx.AsyncClient, _: WebServer) -> None:
        reply = await client.get("/hello?x=1", headers={"X-Request-ID": "abc-1"})
        assert reply.status_code == 200
        assert reply.json() == {"hello": "world", "ratio": None}
        assert reply.headers["x-request-id"] == "abc-1"
        assert (await client.get("/hello/ann")).json()["hello"] == "ann"
        other = await client.get("/hello", headers={"X-Request-ID": b"bad id\x01"[:6]})
        assert len(other.headers["x-request-id"]) == 36

    run(body, table())


def test_typed_body_and_its_errors() -> None:
    async def body(client: httpx.AsyncClient, _: WebServer) -> None:
        good = await client.post("/orders", json={"name": "a", "sizes": [1, 2]})
        assert (good.status_code, good.json()) == (201, {"name": "a", "count": 2})
        wrong = await client.post("/orders", json={"name": "a", "sizes": [1, "x"]})
        problem = check_problem(wrong, 400, "web.json_invalid")
        assert problem["errors"][0]["pointer"] == "/sizes/1"
        for text in (b"{", b'{"name": NaN}', b"\xff", b"[" * 5000):
            reply = await client.post("/orders?a=b", content=text[:150])
            check_problem(reply, 400, "web.json_invalid")
        reply = await client.post("/orders", content=b"a", headers={"Content-Type": "text/csv"})
        check_problem(reply, 415, "web.media_type")
        reply = await client.post("/orders", content=b"a", headers={"Content-Encoding": "br"})
        check_problem(reply, 415, "web.content_encoding")

    run(body, table())


def test_body_limit_with_and_without_a_declared_length() -> None:
    async def chunks() -> Any:
        for _ in range(30):
            yield b" " * 10

    async def body(client: httpx.AsyncClient, _: WebServer) -> None:
        for content in (b" " * 201, chunks()):
            problem = check_problem(
                await client.post("/orders", content=content), 413, "web.body_too_large"
            )
            assert "200" in problem["detail"]
        exact = json.dumps({"name": "x" * 188}).encode()
        assert len(exact) == 200
        assert (await client.post("/orders", content=exact)).status_code == 201

    run(body, table())


def test_a_client_that_sends_far_too_much_still_reads_the_answer() -> None:
    async def body(_: httpx.AsyncClient, server: WebServer) -> None:
        def post() -> tuple[int, bytes]:
            # Sends all of it before it reads anything, as simple clients do.
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            connection.request("POST", "/orders", b" " * (12 << 20))
            with contextlib.closing(connection):
                answer = connection.getresponse()
                return answer.status, answer.read()

        status, content = await asyncio.to_thread(post)
        assert status == 413
        assert json.loads(content)["code"] == "web.body_too_large"

    run(body, table())


def test_pointers_of_missing_and_unknown_fields() -> None:
    async def body(client: httpx.AsyncClient, _: WebServer) -> None:
        problem = check_problem(await client.post("/orders", json={}), 400, "web.json_invalid")
        assert problem["errors"][0]["pointer"] == "/name"

    run(body, table())


def test_a_fixed_path_goes_before_a_parameter_only_for_its_own_methods() -> None:
    async def body(client: httpx.AsyncClient, _: WebServer) -> None:
        assert (await client.post("/hello/test", json={"name": "a"})).status_code == 201
        assert (await client.get("/hello/test")).json()["hello"] == "test"
        assert (await client.post("/hello/other", json={})).status_code == 405

    run(body, table())


def test_framework_errors_are_problems_too() -> None:
    async def body(client: httpx.AsyncClient, _: WebServer) -> None:
        check_problem(await client.get("/nowhere"), 404, "web.route_unknown")
        check_problem(await client.get("/hello/"), 404, "web.route_unknown")
        reply = await client.delete("/orders")
        check_problem(reply, 405, "web.method_not_allowed")
        assert reply.headers["allow"] == "GET, POST"
        problem = check_problem(await client.get("/broken"), 500, "internal")
        assert "secret" not in json.dumps(problem)
        reply = await client.get("/away")
        assert check_problem(reply, 503, "disk.full")["retryAfterMs"] == 2500
        assert reply.headers["retry-after"] == "3"
        check_problem(await client.get("/limited?limit=0"), 400, "web.parameter")
        check_problem(await client.get("/limited?limit=x"), 400, "web.parameter")
        assert (await client.get("/limited?limit=7")).json() == {"limit": 7}

    run(body, table())


def test_a_port_in_use_is_refused_clearly() -> None:
    async def go() -> None:
        async with WebServer(make_app(Routes())) as first:
            assert first.port > 0
            with pytest.raises(Conflict, match=rf"127.0.0.1:{first.port} is already in use"):
                await WebServer(make_app(Routes()), port=first.port).start()
        with pytest.raises(Invalid, match=r"cannot listen on 203.0.113.9:0"):
            await WebServer(make_app(Routes()), host="203.0.113.9").start()

    asyncio.run(go())


def test_stop_lets_a_running_request_finish_and_takes_no_more() -> None:
    async def go() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def slow(request: Request) -> Any:
            entered.set()
            await release.wait()
            return {"done": True}

        routes = Routes()
        routes.get("/slow", slow)
        server = WebServer(make_app(routes))
        await server.start()
        async with httpx.AsyncClient(base_url=f"http://{server.address}") as client:
            reply = asyncio.create_task(client.get("/slow"))
            await entered.wait()
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(0.05)
            with pytest.raises(OSError, match=r"."):
                await asyncio.open_connection("127.0.0.1", server.port)
            release.set()
            assert (await reply).json() == {"done": True}
            await stopping
            assert not server.running

    asyncio.run(go())


def test_stop_is_bounded_when_a_request_never_ends() -> None:
    async def go() -> float:
        entered = asyncio.Event()

        async def stuck(request: Request) -> Any:
            entered.set()
            await asyncio.Event().wait()

        routes = Routes()
        routes.get("/stuck", stuck)
        server = WebServer(make_app(routes), drain_ms=100)
        await server.start()
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        _idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await entered.wait()
        start = asyncio.get_running_loop().time()
        await server.stop()
        took_s = asyncio.get_running_loop().time() - start
        for one in (writer, idle_writer):
            one.close()
        return took_s

    assert asyncio.run(go()) < 4


def test_signal_handlers_stay_the_program_s() -> None:
    async def go() -> None:
        before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
        async with WebServer(make_app(Routes())):
            assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before

    asyncio.run(go())


def test_garbage_on_the_socket_leaves_the_server_serving() -> None:
    async def body(client: httpx.AsyncClient, server: WebServer) -> None:
        for garbage in (b"\x00" * 100, b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"POST"):
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.sendall(garbage)
                await asyncio.sleep(0.02)
        assert (await client.get("/hello")).status_code == 200

    run(body, table())


def test_nothing_but_this_room_pulls_in_the_framework() -> None:
    script = (
        "import sys, summit.base.errors, summit.base.config\n"
        "assert not {'starlette', 'uvicorn'} & set(sys.modules)\n"
        "import summit.web\n"
        "assert {'starlette', 'uvicorn'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
