"""The bare framework: the same server and the same routing with handlers that do nothing.

    python -m bench.services.bare

Prints its address as JSON, and ends with its standard input. `GET /` answers a small object, `POST
/` decodes the JSON that was sent and answers a small object.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_ENCODER = msgspec.json.Encoder()


def _reply(value: object) -> Response:
    return Response(_ENCODER.encode(value), media_type="application/json")


async def _get(_: Request) -> Response:
    return _reply({"status": "alive"})


async def _post(request: Request) -> Response:
    body = msgspec.json.decode(await request.body())
    return _reply({"status": "produced", "members": len(body)})


async def _serve() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    routes = [
        Route("/", _get, methods=["GET"]),
        Route("/", _post, methods=["POST"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), loop="none", http="auto", ws="none", lifespan="off",
        log_config=None, access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    print(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(_serve())
