"""Server-sent events of a service for commands: read, and read on after a break."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from threading import Event
from typing import Any, NamedTuple

import msgspec

from summit.base.errors import Unavailable
from summit.cli.output import talk
from summit.cli.profiles import client_settings, token
from summit.cli.rest import authorization, connection_to, refused

_SILENCE_S = 60.0  # four heartbeats
_AGAIN_S = 2.0
_TRIES_MAX = 30


class ServerEvent(NamedTuple):
    """One event; `data` is what its JSON holds."""

    name: str
    data: Any


class EventSource:
    """The events of one path; for one thread.

    A connection that breaks, or is silent for a minute, is made anew behind the last event that
    had an id.

    Args:
        url: The service's address, `http://host:port`.
    """

    def __init__(self, url: str, path: str) -> None:
        self._url = url
        self._path = path
        self._last_id: str | None = None

    def __iter__(self) -> Iterator[ServerEvent]:
        """Raises: Unavailable, Invalid where the first answer is a refusal, or none comes."""
        tries = _TRIES_MAX  # the first must succeed
        while True:
            try:
                for event in self._read():
                    tries = 0
                    if event is None:
                        continue
                    yield event
                    if event.name == "removed":
                        return
            except Unavailable:  # it starts, or has too much to do
                if tries >= _TRIES_MAX:
                    raise
            except (OSError, http.client.HTTPException) as error:
                if tries >= _TRIES_MAX:
                    reason = str(error) or type(error).__name__
                    raise Unavailable(
                        "service.unreachable", url=self._url, reason=reason
                    ) from error
            if not tries:
                talk("the stream broke; trying again")
            tries += 1
            Event().wait(_AGAIN_S)

    def _read(self) -> Iterator[ServerEvent | None]:
        connection = connection_to(self._url, _SILENCE_S, client_settings().ca_file)
        headers = {"Accept": "text/event-stream", **authorization(token())}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        try:
            connection.request("GET", self._path, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise refused(response.status, _json(response.read()))
            yield None  # it is there
            yield from self._events(response)
        finally:
            connection.close()

    def _events(self, response: http.client.HTTPResponse) -> Iterator[ServerEvent]:
        name, data = "message", ""
        while line := response.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            field, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if not text:
                if data:
                    yield ServerEvent(name, msgspec.json.decode(data))
                name, data = "message", ""
            elif field == "event":
                name = value
            elif field == "data":
                data += value
            elif field == "id":
                self._last_id = value


def _json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None
