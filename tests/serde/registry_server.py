"""A schema registry for tests: Confluent's REST interface over real HTTP on loopback, in memory.

It runs on a thread of its own, so that blocking clients can talk to it as well. What it is told to
do wrong it does: answer late, with errors, with nonsense, or not at all. Its rule of compatibility
is Avro's most frequent one: a new field needs a default.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

JSON = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True)
class Stored:
    type: str
    text: str
    references: str  # JSON


@dataclass
class Fault:
    """What to do wrong with a request: wait, then answer so; or close the connection."""

    status: int = 0
    body: bytes = b'{"error_code": 50001, "message": "made up"}'
    delay_s: float = 0
    hang_up: bool = False


class Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class RegistryServer:
    """Start it with `with RegistryServer() as server`; `faults` are used up one a request."""

    tls: ssl.SSLContext | None = None
    authorization: str | None = None
    ids: dict[Stored, int] = field(default_factory=dict)
    subjects: dict[str, dict[int, int]] = field(default_factory=dict)  # version -> id
    levels: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    descriptors: dict[str, str] = field(default_factory=dict)  # of .proto texts, in base64
    url: str = ""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def fail(self, *faults: Fault, times: int = 1) -> None:
        self.faults.extend(faults * times)

    def asked(self, method: str = "", part: str = "") -> int:
        """How many requests had that method and that part of a path."""
        return sum(method in m and part in path for m, path in self.requests)

    def put(self, subject: str, text: str, type: str = "AVRO", references: Any = ()) -> int:
        """Register without HTTP and without a check."""
        id_ = self.ids.setdefault(Stored(type, text, json.dumps(list(references))), self._next())
        versions = self.subjects.setdefault(subject, {})
        if id_ not in versions.values():
            versions[max(versions, default=0) + 1] = id_
        return id_

    # ---- inside ----

    def _next(self) -> int:
        return max(self.ids.values(), default=0) + 1

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._middleware])
        for method, path, handler in (
            ("GET", "/subjects", self._list),
            ("POST", "/subjects/{subject}/versions", self._register),
            ("GET", "/subjects/{subject}/versions", self._versions),
            ("GET", "/subjects/{subject}/versions/{version}", self._version),
            ("POST", "/subjects/{subject}", self._lookup),
            ("DELETE", "/subjects/{subject}", self._delete),
            ("GET", "/schemas/ids/{id}", self._schema),
            ("GET", "/config", self._level),
            ("GET", "/config/{subject}", self._level),
            ("PUT", "/config", self._set_level),
            ("PUT", "/config/{subject}", self._set_level),
            ("POST", "/compatibility/subjects/{subject}/versions/{version}", self._check),
        ):
            app.router.add_route(method, path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'http' if self.tls is None else 'https'}://127.0.0.1:{port}"

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.faults:
            fault = self.faults.popleft()
            await asyncio.sleep(fault.delay_s)
            if fault.hang_up:
                assert request.transport is not None
                request.transport.abort()
            if fault.status:
                return web.Response(status=fault.status, body=fault.body, content_type=JSON)
        try:
            if self.authorization and request.headers.get("Authorization") != self.authorization:
                raise Refused(401, 40101, "who are you?")
            found = await handler(request)
        except Refused as error:
            told = {"error_code": error.code, "message": str(error)}
            return web.json_response(told, status=error.status, content_type=JSON)
        return web.json_response(found, content_type=JSON)

    async def _given(self, request: web.Request) -> Stored:
        plain = await request.json()
        stored = Stored(
            plain.get("schemaType", "AVRO"),
            plain["schema"],
            json.dumps(plain.get("references", [])),
        )
        if stored.type == "AVRO":
            try:
                json.loads(stored.text)
            except ValueError:
                raise Refused(422, 42201, "Invalid schema") from None
        return stored

    def _of(self, subject: str) -> dict[int, int]:
        if subject not in self.subjects:
            raise Refused(404, 40401, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def _stored(self, id_: int) -> Stored:
        for stored, known in self.ids.items():
            if known == id_:
                return stored
        raise Refused(404, 40403, f"Schema {id_} not found")

    def _plain(self, id_: int) -> dict[str, Any]:
        stored = self._stored(id_)
        plain: dict[str, Any] = {"schema": stored.text}
        if stored.type != "AVRO":
            plain["schemaType"] = stored.type
        if json.loads(stored.references):
            plain["references"] = json.loads(stored.references)
        return plain

    def _complaints(self, subject: str, new: Stored) -> list[str]:
        versions = self.subjects.get(subject)
        if not versions or new.type != "AVRO" or self.levels.get(subject) == "NONE":
            return []
        old = json.loads(self._stored(versions[max(versions)]).text)
        schema = json.loads(new.text)
        if not isinstance(old, dict) or "fields" not in old or "fields" not in schema:
            return []
        known = {each["name"] for each in old["fields"]}
        return [
            f"READER_FIELD_MISSING_DEFAULT_VALUE {each['name']}"
            for each in schema["fields"]
            if each["name"] not in known and "default" not in each
        ]

    async def _list(self, request: web.Request) -> list[str]:
        return list(self.subjects)

    async def _register(self, request: web.Request) -> dict[str, int]:
        subject, new = request.match_info["subject"], await self._given(request)
        complaints = self._complaints(subject, new)
        if complaints:
            raise Refused(409, 409, f"incompatible: {complaints}")
        return {"id": self.put(subject, new.text, new.type, json.loads(new.references))}

    async def _versions(self, request: web.Request) -> list[int]:
        return list(self._of(request.match_info["subject"]))

    async def _version(self, request: web.Request) -> dict[str, Any]:
        subject, version = request.match_info["subject"], request.match_info["version"]
        versions = self._of(subject)
        number = max(versions) if version == "latest" else int(version)
        if number not in versions:
            raise Refused(404, 40402, f"Version {number} not found.")
        id_ = versions[number]
        plain = self._formatted(request, self._plain(id_))
        return {"subject": subject, "version": number, "id": id_} | plain

    async def _lookup(self, request: web.Request) -> dict[str, Any]:
        subject, wanted = request.match_info["subject"], await self._given(request)
        for version, id_ in self._of(subject).items():
            if self._stored(id_) == wanted:
                return {"subject": subject, "version": version, "id": id_} | self._plain(id_)
        raise Refused(404, 40403, "Schema not found")

    async def _delete(self, request: web.Request) -> list[int]:
        versions = list(self._of(request.match_info["subject"]))
        del self.subjects[request.match_info["subject"]]
        return versions

    async def _schema(self, request: web.Request) -> dict[str, Any]:
        return self._formatted(request, self._plain(int(request.match_info["id"])))

    def _formatted(self, request: web.Request, plain: dict[str, Any]) -> dict[str, Any]:
        if request.query.get("format") == "serialized" and plain["schema"].startswith("syntax"):
            if plain["schema"] not in self.descriptors:
                raise Refused(500, 50001, "cannot make a descriptor")
            plain["schema"] = self.descriptors[plain["schema"]]
        return plain

    async def _level(self, request: web.Request) -> dict[str, str]:
        subject = request.match_info.get("subject", "")
        return {"compatibilityLevel": self.levels.get(subject, self.levels.get("", "BACKWARD"))}

    async def _set_level(self, request: web.Request) -> dict[str, str]:
        level = (await request.json())["compatibility"]
        if level not in ("NONE", "BACKWARD", "FORWARD", "FULL"):
            raise Refused(422, 42203, "Invalid compatibility level")
        self.levels[request.match_info.get("subject", "")] = level
        return {"compatibility": level}

    async def _check(self, request: web.Request) -> dict[str, Any]:
        subject = request.match_info["subject"]
        self._of(subject)
        complaints = self._complaints(subject, await self._given(request))
        return {"is_compatible": not complaints, "messages": complaints}
