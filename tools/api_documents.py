"""Writes the OpenAPI documents of both services, `docs/api/*.json`, from their routes.

python tools/api_documents.py          # writes them; a test says whether they are current
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final, cast

from summit.services.correlation import CorrelationService
from summit.services.node import Node
from summit.services.streaming import StreamingService
from summit.web import Request, Routes

DOCUMENTS: Final = {
    "streaming": "docs/api/streaming.json",
    "correlation": "docs/api/correlation.json",
}


def routes_of(service: str) -> Routes:
    """The table of a service that never starts: a table needs nobody to answer."""
    node = Node(["127.0.0.1:1"], runs_collectors=True)
    if service == "streaming":
        return StreamingService(node, cast(Any, None)).routes()
    return CorrelationService(node, cast(Any, None)).routes()


def document_text(service: str) -> str:
    """The document as the service answers it."""

    async def ask() -> dict[str, Any]:
        for route in routes_of(service).table():
            if route.path == "/openapi.json":
                scope = {"type": "http", "method": "GET", "path": route.path, "headers": []}
                request = Request(scope, cast(Any, None), cast(Any, None))
                reply = await route.handler(request)
                document: dict[str, Any] = json.loads(reply.body)
                return document
        raise LookupError(service)

    return json.dumps(asyncio.run(ask()), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both."""
    for service, place in DOCUMENTS.items():
        path = Path(__file__).parents[1] / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(document_text(service))
        print(path)


if __name__ == "__main__":
    main()
