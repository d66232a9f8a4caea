"""Applications: a table of routes, one handler per method and path, every error a problem.

A handler is `async def handler(request) -> Response | value`; a value becomes JSON with status
200. It raises `SummitError` for what goes wrong; anything else that it raises is answered with
500 and logged with its traceback by the server.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as BaseRequest
from starlette.routing import Route as BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from summit.base.errors import Internal, Invalid, SummitError
from summit.base.limits import HTTP_BODY_BYTES_MAX
from summit.base.tracing import TRACEPARENT, is_tracing, span
from summit.web.encodings import fold
from summit.web.operations import Operation, read_query
from summit.web.problems import problem_response
from summit.web.requests import ClientDisconnect, Request
from summit.web.responses import Response, json_response

Handler = Callable[[Request], Awaitable[Any]]
# Asked before a handler, with the method and the path as they stand in the table; raises to refuse.
Guard = Callable[[Request, str, str], Awaitable[None]]
# Hears of each answer: method, the route's path, status, milliseconds until it began.
Timed = Callable[[str, str, int, float], None]

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
API: Final = "/api/"
API_V1: Final = "/api/v1/"


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    body_bytes_max: int
    operation: Operation | None


class Routes:
    """A table of routes. Paths may hold parameters: `/api/topics/{name}`.

    What stands under `/api/` is answered under `/api/v1/` too.
    """

    def __init__(self) -> None:
        self._endpoints: dict[str, _Endpoint] = {}
        self.timed: Timed | None = None

    def add(
        self, method: str, path: str, handler: Handler, operation: Operation | None = None,
        *, body_bytes_max: int = HTTP_BODY_BYTES_MAX,
    ) -> None:  # fmt: skip
        """Answer `method` on `path` by `handler`; a body above the limit is refused with 413."""
        if method not in _METHODS:
            raise ValueError(f"no such method: {method}")
        endpoint = self._endpoints.setdefault(path, _Endpoint(path))
        if method in endpoint.routes:
            raise ValueError(f"{method} {path} stands twice in the table")
        endpoint.routes[method] = Route(method, path, handler, body_bytes_max, operation)

    def get(self, path: str, handler: Handler, operation: Operation | None = None) -> None:
        """Answer GET (and HEAD) on `path`."""
        self.add("GET", path, handler, operation)

    def post(
        self, path: str, handler: Handler, operation: Operation | None = None,
        *, body_bytes_max: int = HTTP_BODY_BYTES_MAX,
    ) -> None:  # fmt: skip
        """Answer POST on `path`."""
        self.add("POST", path, handler, operation, body_bytes_max=body_bytes_max)

    def put(
        self, path: str, handler: Handler, operation: Operation | None = None,
        *, body_bytes_max: int = HTTP_BODY_BYTES_MAX,
    ) -> None:  # fmt: skip
        """Answer PUT on `path`."""
        self.add("PUT", path, handler, operation, body_bytes_max=body_bytes_max)

    def patch(self, path: str, handler: Handler, operation: Operation | None = None) -> None:
        """Answer PATCH on `path`."""
        self.add("PATCH", path, handler, operation)

    def delete(self, path: str, handler: Handler, operation: Operation | None = None) -> None:
        """Answer DELETE on `path`."""
        self.add("DELETE", path, handler, operation)

    def table(self) -> Iterator[Route]:
        """Every route, in the order they came."""
        for endpoint in self._endpoints.values():
            yield from endpoint.routes.values()

    def guard_by(self, guard: Guard) -> None:
        """Have `guard` asked before each handler that is in the table by now."""
        for endpoint in self._endpoints.values():
            endpoint.guard = guard

    def timed_by(self, timed: Timed) -> None:
        """Have `timed` hear of each answer that an application of this table gives."""
        self.timed = timed

    def listed(self) -> list[tuple[str, str]]:
        """Every (method, path), in the order they came."""
        return [(route.method, route.path) for route in self.table()]

    def starlette_routes(self) -> list[BaseRoute]:
        """The table as the framework wants it; for `make_app` only.

        A fixed segment goes before a parameter, whichever came first; a method that the fixed
        path does not have falls to the path with the parameter: something may be named `test`.
        """
        by_place = sorted(self._endpoints.items(), key=lambda entry: _fixed_first(entry[0]))
        return [
            BaseRoute(place, endpoint, methods=list(endpoint.routes))
            for path, endpoint in by_place
            for place in _places(path)
        ]


def make_app(routes: Routes) -> ASGIApp:
    """An ASGI application that answers `routes`, and everything else with a problem."""
    app = Starlette(
        routes=routes.starlette_routes(),
        exception_handlers={HTTPException: _on_http_error, Exception: _on_crash},
    )
    app.router.redirect_slashes = False
    return app if routes.timed is None else _timing(app, routes.timed)


def _timing(app: ASGIApp, timed: Timed) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.monotonic()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("endpoint"), "path", "unknown")
                took_ms = 1_000 * (time.monotonic() - began)
                timed(scope["method"], route, message["status"], took_ms)
            await send(message)

        await app(scope, receive, sent)

    return call


class _Endpoint:
    """All methods of one path, which tells requests of it from others'."""

    __slots__ = ("guard", "path", "routes")

    def __init__(self, path: str) -> None:
        self.path = path
        self.routes: dict[str, Route] = {}
        self.guard: Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        route = self.routes[method]
        scope["summit.route"] = route
        request = Request(scope, receive, send, route.body_bytes_max)
        if not is_tracing():
            response = await self._answer(request, route)
            if response is not None:
                await response(scope, receive, send)
            return
        attributes = {"http.request.method": method, "http.route": self.path}
        with span(
            f"{method} {self.path}", "server", parent=request.headers.get(TRACEPARENT),
            attributes=attributes,
        ) as traced:  # fmt: skip
            response = await self._answer(request, route)
            if response is not None:
                traced.set("http.response.status_code", response.status_code)
                if response.status_code >= 500:
                    traced.fail(f"status {response.status_code}")
                await response(scope, receive, send)

    async def _answer(self, request: Request, route: Route) -> Response | None:
        """What the handler answers, or the problem; None where the client has gone."""
        try:
            if self.guard is not None:
                await self.guard(request, route.method, self.path)
            if route.operation is not None:
                request.query = read_query(
                    route.operation.query, request.query_params.multi_items()
                )
            result = await route.handler(request)
        except SummitError as failure:
            return problem_response(failure, request.scope)
        except ClientDisconnect:
            return None
        else:
            response = result if isinstance(result, Response) else json_response(result)
            response.headers["X-Request-ID"] = request.request_id
            await fold(request, response)
            return response


def _places(path: str) -> list[str]:
    return [path, API_V1 + path[len(API) :]] if path.startswith(API) else [path]


def _fixed_first(path: str) -> list[bool]:
    """Sorts paths: of two that a request may ask for, the one with the fixed segment first."""
    return [segment.startswith("{") for segment in path.split("/")]


async def _on_http_error(request: BaseRequest, error: Exception) -> Response:
    """What the framework itself refuses: an unknown path, a method that the path does not have."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        methods = (error.headers or {}).get("Allow", "").split(", ")
        allowed = ", ".join(sorted(method for method in methods if method != "HEAD"))
        refused = Invalid("web.method_not_allowed", method=request.method, allowed=allowed)
        return problem_response(refused, request.scope, {"Allow": allowed})
    if error.status_code == 404:
        return problem_response(
            Invalid("web.route_unknown", method=request.method, path=request.url.path),
            request.scope,
        )
    return problem_response(Invalid("web.request_invalid", reason=str(error.detail)), request.scope)


async def _on_crash(request: BaseRequest, error: Exception) -> Response:
    """A bug in a handler: the caller learns that much and no more."""
    return problem_response(Internal("internal", reason=type(error).__name__), request.scope)
