"""A bare server of the same framework: parses each body and answers, and writes nowhere."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from summit.web import Request, Routes, WebServer, make_app


async def main() -> None:
    """Serve."""

    async def ingest(request: Request) -> dict[str, Any]:
        return {"status": "ok", "accepted": len(await request.read_json())}

    routes = Routes()
    routes.post("/ingest", ingest)
    async with WebServer(make_app(routes)) as server:
        sys.stdout.write(json.dumps({"port": server.port}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()  # until it is terminated


if __name__ == "__main__":
    asyncio.run(main())
