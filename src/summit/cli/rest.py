"""Calls to the services from commands: one small JSON client over the standard library."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from summit.base.errors import Invalid, Unavailable

TIMEOUT_S = 30.0


def connection_to(
    url: str, timeout_s: float, ca_file: str | None = None
) -> http.client.HTTPConnection:
    """A connection to a service, not opened yet. Raises Invalid for what is no address of one.

    Args:
        ca_file: For https, the certificates to trust instead of the system's.
    """
    scheme, host, port = "", None, None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or scheme not in ("http", "https"):
        reason = f"'{url}' is no address of a service; write it as http://host:port"
        raise Invalid("config.invalid", reason=reason, pointer="/url")
    if scheme == "http":
        return http.client.HTTPConnection(host, port or 80, timeout=timeout_s)
    import ssl

    try:
        trusted = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = f"{ca_file} holds no certificates: {error}"
        raise Invalid("config.invalid", reason=reason, pointer="/caFile") from error
    return http.client.HTTPSConnection(host, port or 443, timeout=timeout_s, context=trusted)


def authorization(token: str | None) -> dict[str, str]:
    """The header that says who asks, if anybody is named."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def dialled(url: str, *, timeout_s: float = TIMEOUT_S) -> Rest:
    """A service, asked with the token and the certificates that the command goes by."""
    from summit.cli.profiles import client_settings, token

    rest = Rest(url, token=token(), ca_file=client_settings().ca_file, timeout_s=timeout_s)
    command = click.get_current_context(silent=True)
    if command is not None:
        command.call_on_close(rest.close)
    return rest


class Rest:
    """A kept-alive connection to one service; for one thread.

    Args:
        url: Its address, `http://host:port` or `https://host:port`.
        token: What says who asks.
        ca_file: For https, the certificates to trust instead of the system's.
        timeout_s: How long an answer may take.
    Attributes:
        last_headers: Of the last answer, names in lower case.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca_file: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url = url
        self._headers = authorization(token)
        self._connection = connection_to(url, timeout_s, ca_file)
        self.last_headers: dict[str, str] = {}

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
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = media
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
            self.last_headers = {k.lower(): v for k, v in response.getheaders()}
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
    if status in (401, 403):
        code = "service.not_authenticated" if status == 401 else "service.not_allowed"
        return Invalid(code, reason=text)
    places = [
        {"pointer": place.get("pointer"), "message": place.get("detail")}
        for place in problem.get("errors", ())
    ]
    code = "service.not_found" if status == 404 else "service.refused"
    return Invalid(code, reason=text, action=advice, problems=places)
