"""`SchemaRegistry`: a client of registries with Confluent's REST interface.

What can never change is remembered for ever: the schema of an id, the id of a schema in a subject.
The latest version of a subject is remembered for `latestMaxAgeMs`. That something is not there is
never remembered. Askers of the same thing at the same time share one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Corrupt, Invalid, SummitError, Unavailable
from summit.base.limits import SCHEMA_REFERENCES_MAX
from summit.http_out import HttpClient
from summit.serde.registry_settings import SchemaRegistryConfig
from summit.serde.schemas import (
    Compatibility,
    RegisteredSchema,
    Schema,
    SchemaReference,
    SchemaType,
)

_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_WHAT: Final = "the schema registry"
R = TypeVar("R")
_References = tuple[SchemaReference, ...]
LATEST: Final = "latest"
_GONE: Final = (40401, 40402, 40403, 40404, 40405, 40406, 40407, 40408, 40409)


class SchemaRegistry:
    """Registers and looks up schemas; one loop's. Also an `async with` context.

    Args:
        config: A `SchemaRegistryConfig`, a mapping with its names, or just the address.
    """

    def __init__(
        self,
        config: SchemaRegistryConfig | Mapping[str, Any] | str,
        *,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(config, str):
            config = SchemaRegistryConfig(url=config)
        elif not isinstance(config, SchemaRegistryConfig):
            config = SchemaRegistryConfig.from_dict(config)
        self.config = config
        self._clock = clock or SystemClock()
        self._http = HttpClient(config, what=_WHAT, extra="registry")
        self._schemas: dict[tuple[int, str], Schema] = {}
        self._places: dict[tuple[str, Schema], RegisteredSchema] = {}
        self._ids: dict[tuple[str, Schema], int] = {}
        self._versions: dict[tuple[str, int], RegisteredSchema] = {}
        self._latest: dict[str, tuple[float, RegisteredSchema]] = {}
        self._normalized = "?normalize=true" if config.normalize else ""
        self._asking: dict[Hashable, asyncio.Future[Any]] = {}

    # ---- schemas ----

    async def register(self, subject: str, schema: Schema) -> int:
        """Make a schema the newest of its subject, unless it is in it; its id.

        Raises: Invalid("registry.incompatible"), ("registry.refused") for what is no schema,
            ("registry.denied"); Unavailable.
        """
        known = self._ids.get((subject, schema))
        if known is not None:
            return known

        async def ask() -> int:
            path = f"/subjects/{_quoted(subject)}/versions{self._normalized}"
            id_ = _number(await self._ask("POST", path, _plain(schema), subject), "id")
            self._ids[subject, schema] = id_
            self._latest.pop(subject, None)
            return id_

        return await self._once(("register", subject, schema), ask)

    async def lookup(self, subject: str, schema: Schema) -> RegisteredSchema:
        """The place of a schema in a subject. Raises Invalid("registry.not_found"); …"""
        known = self._places.get((subject, schema))
        if known is not None:
            return known

        async def ask() -> RegisteredSchema:
            path = f"/subjects/{_quoted(subject)}{self._normalized}"
            answer = await self._ask("POST", path, _plain(schema), subject)
            found = RegisteredSchema(
                subject, _number(answer, "version"), _number(answer, "id"), schema
            )
            self._places[subject, schema] = found
            self._ids[subject, schema] = found.id
            return found

        return await self._once(("lookup", subject, schema), ask)

    async def schema(self, id_: int, *, format: str = "") -> Schema:
        """The schema of an id.

        Args:
            format: `serialized` asks for a Protobuf schema as the base64 of its descriptor.
        Raises: Invalid("registry.not_found"); …
        """
        known = self._schemas.get((id_, format))
        if known is not None:
            return known

        async def ask() -> Schema:
            query = f"?format={quote(format, safe='')}" if format else ""
            answer = await self._ask("GET", f"/schemas/ids/{id_}{query}", what=f"id {id_}")
            found = _schema(answer)
            self._schemas[id_, format] = found
            return found

        return await self._once(("schema", id_, format), ask)

    async def version(
        self, subject: str, version: int | str = LATEST, *, format: str = ""
    ) -> RegisteredSchema:
        """One version of a subject, by default the newest.

        Raises: Invalid("registry.not_found"); …
        """
        if version != LATEST and not format:
            known = self._versions.get((subject, int(version)))
            if known is not None:
                return known

        async def ask() -> RegisteredSchema:
            query = f"?format={quote(format, safe='')}" if format else ""
            path = f"/subjects/{_quoted(subject)}/versions/{version}{query}"
            answer = await self._ask("GET", path, what=f"version {version} of {subject}")
            found = RegisteredSchema(
                subject, _number(answer, "version"), _number(answer, "id"), _schema(answer)
            )
            if not format:
                self._versions[subject, found.version] = found
            return found

        return await self._once(("version", subject, version, format), ask)

    async def latest(self, subject: str) -> RegisteredSchema:
        """The newest version, asked for at most every `latestMaxAgeMs`.

        While the registry does not answer, the one known before stays the newest.
        """
        known = self.known_latest(subject)
        if known is not None:
            return known
        try:
            found = await self.version(subject)
        except Unavailable:
            old = self._latest.get(subject)
            if old is None:
                raise
            found = old[1]
        self._latest[subject] = (self._clock.monotonic_ms(), found)
        return found

    def known_latest(self, subject: str) -> RegisteredSchema | None:
        """The newest version, if it need not be asked for."""
        found = self._latest.get(subject)
        if found is None:
            return None
        age_ms = self._clock.monotonic_ms() - found[0]
        return found[1] if age_ms <= self.config.latest_max_age_ms else None

    async def references_of(self, schema: Schema, *, format: str = "") -> dict[str, Schema]:
        """All schemas that a schema uses, by name, each behind those that it uses itself.

        Raises: Corrupt("registry.answer") when there are too many; what `version` raises.
        """
        found: dict[str, Schema] = {}
        await self._add_references(schema, format, found, ())
        return found

    async def _add_references(
        self, schema: Schema, format_: str, found: dict[str, Schema], above: tuple[str, ...]
    ) -> None:
        for each in schema.references:
            if each.name in found or each.name in above:
                continue
            if len(found) + len(above) >= SCHEMA_REFERENCES_MAX:
                reason = f"a schema uses more than {SCHEMA_REFERENCES_MAX} others"
                raise Corrupt("registry.answer", reason=reason)
            place = await self.version(each.subject, each.version, format=format_)
            await self._add_references(place.schema, format_, found, (*above, each.name))
            found[each.name] = place.schema

    # ---- subjects ----

    async def subjects(self) -> list[str]:
        """The names of all subjects."""
        return [str(name) for name in _list(await self._ask("GET", "/subjects"))]

    async def versions(self, subject: str) -> list[int]:
        """The versions of a subject. Raises Invalid("registry.not_found"); …"""
        path = f"/subjects/{_quoted(subject)}/versions"
        return [int(number) for number in _list(await self._ask("GET", path, what=subject))]

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete a subject; the versions that it had. Ids stay readable unless `permanent`."""
        query = "?permanent=true" if permanent else ""
        path = f"/subjects/{_quoted(subject)}{query}"
        gone = [int(number) for number in _list(await self._ask("DELETE", path, what=subject))]
        self._forget(subject)
        return gone

    async def check(
        self, subject: str, schema: Schema, version: int | str = LATEST
    ) -> Compatibility:
        """Whether a schema may follow a version of the subject. Registers nothing.

        A subject that does not exist takes any schema.
        """
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/{version}?verbose=true"
        try:
            answer = await self._ask("POST", path, _plain(schema), subject)
        except Invalid as error:
            if error.code == "registry.not_found" and version == LATEST:
                return Compatibility(True)
            raise
        if not isinstance(answer.get("is_compatible"), bool):
            raise Corrupt("registry.answer", reason="no is_compatible in it")
        messages = answer.get("messages") or ()
        return Compatibility(answer["is_compatible"], tuple(str(each) for each in messages))

    async def compatibility(self, subject: str | None = None) -> str:
        """The rule for new versions of a subject, or that of all without one of their own."""
        query = "" if subject is None else f"/{_quoted(subject)}?defaultToGlobal=true"
        answer = await self._ask("GET", f"/config{query}", what=subject or "")
        return str(answer.get("compatibilityLevel", ""))

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        """Set it: NONE, BACKWARD, FORWARD or FULL, each also with _TRANSITIVE."""
        path = "/config" if subject is None else f"/config/{_quoted(subject)}"
        await self._ask("PUT", path, {"compatibility": level}, subject or "")

    # ---- the end ----

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- inside ----

    def _forget(self, subject: str) -> None:
        self._latest.pop(subject, None)
        caches: tuple[dict[Any, Any], ...] = (self._places, self._ids, self._versions)
        for cache in caches:
            for key in [key for key in cache if key[0] == subject]:
                del cache[key]

    async def _once(self, key: Hashable, ask: Callable[[], Awaitable[R]]) -> R:
        """`ask()`, or the answer that somebody else is waiting for."""
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.ensure_future(ask())
            self._asking[key] = asking
            asking.add_done_callback(lambda done: self._answered(key, done))
        answer: R = await asyncio.shield(asking)
        return answer

    def _answered(self, key: Hashable, asking: asyncio.Future[Any]) -> None:
        self._asking.pop(key, None)
        if not asking.cancelled():
            asking.exception()  # whoever waits is told; nobody may be left

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, what: str = ""
    ) -> Any:
        data = None if body is None else msgspec.json.encode(body)
        answer = await self._http.request(method, path, body=data, content_type=_CONTENT_TYPE)
        if 200 <= answer.status < 300:
            try:
                return msgspec.json.decode(answer.body)
            except msgspec.DecodeError as error:
                raise Corrupt("registry.answer", reason=f"it is not JSON: {error}") from error
        raise _refusal(answer.status, answer.body, what)


def _refusal(status: int, body: bytes, what: str) -> SummitError:
    try:
        told = msgspec.json.decode(body)
        code, reason = int(told["error_code"]), str(told["message"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        code, reason = status, body[:200].decode("utf-8", "replace") or f"status {status}"
    if status in (401, 403):
        return Invalid("registry.denied", reason=reason)
    if status == 404 and (code in _GONE or code == 404):
        return Invalid("registry.not_found", what=what, reason=reason)
    if status == 409:
        return Invalid("registry.incompatible", subject=what, reason=reason)
    if 400 <= status < 500:
        return Invalid("registry.refused", what=what, reason=reason)
    return Corrupt("registry.answer", reason=f"status {status}: {reason}")


def _plain(schema: Schema) -> dict[str, Any]:
    plain: dict[str, Any] = {"schema": schema.text}
    if schema.type != "AVRO":
        plain["schemaType"] = schema.type
    if schema.references:
        plain["references"] = [msgspec.to_builtins(each) for each in schema.references]
    return plain


def _schema(answer: Any) -> Schema:
    try:
        return Schema(
            text=msgspec.convert(answer["schema"], str),
            type=msgspec.convert(answer.get("schemaType") or "AVRO", SchemaType),
            references=msgspec.convert(answer.get("references") or (), _References),
        )
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise Corrupt("registry.answer", reason=f"no schema in it: {error!r}") from error


def _number(answer: Any, name: str) -> int:
    number = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(number, int):
        raise Corrupt("registry.answer", reason=f"no {name} in it")
    return number


def _list(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise Corrupt("registry.answer", reason="no list in it")
    return answer


def _quoted(subject: str) -> str:
    return quote(subject, safe="")
