"""Calls to the services from commands: one small JSON client over the standard library."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import msgspec

from summit.base.errors import Invalid, Unavailable

TIMEOUT_S = 30.0


def connection_to(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """A connection to a service, not opened yet. Raises Invalid for what is no address of one."""
    scheme, host, port = "", None, None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or scheme != "http":
        reason = f"'{url}' is no address of a service; write it as http://host:port"
        raise Invalid("config.invalid", reason=reason, pointer="/url")
    return http.client.HTTPConnection(host, port or 80, timeout=timeout_s)


class Rest:
    """A kept-alive connection to one service; for one thread.

    Args:
        url: Its address, `http://host:port`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = connection_to(url, TIMEOUT_S)

    def get(self, path: str) -> Any:
        """The JSON answer of GET `path`. Raises Unavailable, Invalid."""
        return self._call("GET", path, None, "application/json")

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer of POST `path` with `body` as JSON."""
        return self._call("POST", path, msgspec.json.encode(body), "application/json")

    def post_lines(self, path: str, lines: bytes) -> Any:
        """The JSON answer of POST `path` with newline-delimited JSON."""
        return self._call("POST", path, lines, "application/x-ndjson")

    def delete(self, path: str) -> Any:
        """The JSON answer of DELETE `path`."""
        return self._call("DELETE", path, None, "application/json")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _call(self, method: str, path: str, body: bytes | None, media: str) -> Any:
        headers = {"Content-Type": media} if body is not None else {}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = str(error) or type(error).__name__
            raise Unavailable("service.unreachable", url=self._url, reason=reason) from error
        try:
            answer = msgspec.json.decode(content) if content else None
        except msgspec.DecodeError as error:
            raise Unavailable(
                "service.unreachable", url=self._url, reason="the answer is not JSON"
            ) from error
        if response.status >= 400:
            raise refused(response.status, answer)
        return answer


def refused(status: int, answer: Any) -> Invalid | Unavailable:
    """The error that a service's refusal is."""
    problem = answer if isinstance(answer, dict) else {}
    text = problem.get("detail") or f"status {status}"
    advice = (problem.get("advice") or "Look into the service's log").rstrip(".")
    if status in (429, 503):
        return Unavailable("service.busy", reason=text)
    places = [
        {"pointer": place.get("pointer"), "message": place.get("detail")}
        for place in problem.get("errors", ())
    ]
    code = "service.not_found" if status == 404 else "service.refused"
    return Invalid(code, reason=text, action=advice, problems=places)
