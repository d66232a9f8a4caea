"""The routes by which a service describes itself: `/openapi.json` and the page `/docs`."""

from __future__ import annotations

from typing import Any

from summit import __version__
from summit.web import (
    Operation,
    Request,
    Response,
    Routes,
    content_tag,
    docs_page,
    openapi,
    tagged_response,
    text_response,
)

_EVERYWHERE = (
    " What stands under /api is answered under /api/v1 too. Every error is a problem (RFC 9457)."
)


def add_description(routes: Routes, title: str, about: str) -> None:
    """Add the routes; the document holds every route, these included, and is made once."""
    made: list[tuple[dict[str, Any], str]] = []

    def document() -> tuple[dict[str, Any], str]:
        if not made:
            found = openapi(routes, title, __version__, about + _EVERYWHERE)
            made.append((found, content_tag(found)))
        return made[0]

    async def machines(request: Request) -> Response:
        return tagged_response(request, *document())

    async def people(_: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return text_response(
            docs_page(document()[0]), media="text/html",
            headers={"Content-Security-Policy": policy},
        )  # fmt: skip

    routes.get(
        "/openapi.json", machines,
        Operation(
            "Describe the API", "service", reply=dict[str, Any],
            statuses={304: "What the caller has is still true"},
            headers={"If-None-Match": "Entity tags; 304 where one of them is still true."},
        ),
    )  # fmt: skip
    routes.get(
        "/docs", people, Operation("Describe the API to people", "service", media=("text/html",))
    )
