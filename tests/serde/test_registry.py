"""The registry's client against a registry over real HTTP, and against one that fails."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.serde.registry_server import Fault, RegistryServer

from summit.base.clock import ManualClock
from summit.base.errors import Closed, Corrupt, Invalid, SummitError, Unavailable
from summit.serde import Schema, SchemaReference, SchemaRegistry, SchemaRegistryConfig


def record(*fields: str, name: str = "R") -> Schema:
    return Schema(
        json.dumps(
            {
                "type": "record",
                "name": name,
                "fields": [{"name": each, "type": "int"} for each in fields],
            }
        )
    )


def run(
    server: RegistryServer | str,
    use: Callable[[SchemaRegistry], Awaitable[Any]],
    clock: ManualClock | None = None,
    **config: Any,
) -> Any:
    url = server if isinstance(server, str) else server.url

    async def go() -> Any:
        options = {"url": url, "retryBackoffMs": 1, **config}
        async with SchemaRegistry(options, clock=clock) as registry:
            return await use(registry)

    return asyncio.run(go())


def test_register_look_up_and_read(server: RegistryServer) -> None:
    """Also a subject whose name has to be quoted."""

    async def use(registry: SchemaRegistry) -> None:
        for subject in ("orders-value", "a/b c?d=ü%"):
            schema = record("a", (subject == "orders-value" and "b") or "c")
            id_ = await registry.register(subject, schema)
            place = await registry.lookup(subject, schema)
            assert (place.subject, place.version, place.id) == (subject, 1, id_)
            assert await registry.schema(id_) == schema
            assert await registry.version(subject) == place
            assert await registry.version(subject, 1) == place
            assert await registry.versions(subject) == [1]
        assert await registry.subjects() == ["orders-value", "a/b c?d=ü%"]
        assert await registry.delete_subject("orders-value") == [1]
        with pytest.raises(Invalid) as caught:
            await registry.version("orders-value")
        assert caught.value.code == "registry.not_found"
        with pytest.raises(Invalid):
            await registry.versions("orders-value")

    run(server, use)


def test_what_cannot_change_is_asked_for_once(server: RegistryServer) -> None:
    """Also by many at once; what is not there is asked for again."""

    async def use(registry: SchemaRegistry) -> None:
        schema = record("a")
        ids = await asyncio.gather(*(registry.register("s", schema) for _ in range(20)))
        assert len(set(ids)) == 1
        for _ in range(3):
            await asyncio.gather(*(registry.schema(ids[0]) for _ in range(20)))
            await asyncio.gather(*(registry.version("s", 1) for _ in range(20)))
            await registry.lookup("s", schema)
        assert len(server.requests) == 4
        for _ in range(2):
            with pytest.raises(Invalid, match="id 99"):
                await registry.schema(99)
        assert server.asked("GET", "/schemas/ids/99") == 2
        for n in range(98):
            server.put("later", record(f"f{n}").text)
        assert await registry.schema(99) == record("f97")

    run(server, use)


def test_one_who_gives_up_does_not_end_the_request_of_others(server: RegistryServer) -> None:
    async def use(registry: SchemaRegistry) -> None:
        server.put("s", record("a").text)
        server.fail(Fault(delay_s=0.1))
        first, second = (asyncio.create_task(registry.schema(1)) for _ in range(2))
        await asyncio.sleep(0.02)
        first.cancel()
        assert await second == record("a")
        assert len(server.requests) == 1

    run(server, use)


def test_the_newest_version_has_an_age(server: RegistryServer) -> None:
    """While the registry is away, what was the newest stays it."""
    clock = ManualClock()

    async def use(registry: SchemaRegistry) -> None:
        server.put("s", record("a").text)
        assert (await registry.latest("s")).version == 1
        server.put("s", record("b").text)
        clock.advance(60_000)
        assert (await registry.latest("s")).version == 1
        clock.advance(1)
        assert (await registry.latest("s")).version == 2
        clock.advance(60_001)
        server.fail(Fault(503), times=2)
        assert (await registry.latest("s")).version == 2
        server.fail(Fault(503), times=2)
        with pytest.raises(Unavailable):
            await registry.latest("other")

    run(server, use, clock, retries=1)


def test_compatibility(server: RegistryServer) -> None:
    async def use(registry: SchemaRegistry) -> None:
        assert await registry.check("s", record("a"))
        await registry.register("s", record("a"))
        assert await registry.check("s", record("a"))
        found = await registry.check("s", record("a", "b"))
        assert not found
        assert found.messages == ("READER_FIELD_MISSING_DEFAULT_VALUE b",)
        with pytest.raises(Invalid) as caught:
            await registry.register("s", record("a", "b"))
        assert caught.value.code == "registry.incompatible"
        assert caught.value.http_status == 409
        assert "subject s" in str(caught.value)
        assert await registry.versions("s") == [1]
        assert await registry.compatibility() == "BACKWARD"
        await registry.set_compatibility("NONE", "s")
        assert await registry.compatibility("s") == "NONE"
        await registry.set_compatibility("FULL")
        assert await registry.compatibility("other") == "FULL"
        await registry.register("s", record("a", "b"))
        assert await registry.versions("s") == [1, 2]
        with pytest.raises(Invalid) as caught:
            await registry.set_compatibility("SOMETIMES")
        assert caught.value.code == "registry.refused"

    run(server, use)


def test_references_come_before_what_uses_them(server: RegistryServer) -> None:
    def uses(*names: str) -> list[dict[str, Any]]:
        return [{"name": name, "subject": name, "version": 1} for name in names]

    server.put("a", '"int"')
    server.put("b", '"long"', references=uses("a"))
    server.put("c", '"string"', references=uses("a", "b"))
    server.put("circle", '"bytes"', references=uses("circle2"))
    server.put("circle2", '"float"', references=uses("circle"))
    for n in range(300):
        server.put(f"n{n}", "null", references=uses(f"n{n + 1}"))

    async def use(registry: SchemaRegistry) -> None:
        used = await registry.references_of((await registry.version("c")).schema)
        assert list(used) == ["a", "b"]
        top = Schema("", "AVRO", (SchemaReference("circle", "circle", 1),))
        assert set(await registry.references_of(top)) == {"circle", "circle2"}
        with pytest.raises(Corrupt, match="more than 256"):
            await registry.references_of(Schema("", "AVRO", (SchemaReference("n0", "n0", 1),)))

    run(server, use)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(503, b"<html>proxy</html>"),
        Fault(429),
        Fault(hang_up=True),
        Fault(delay_s=0.5),
    ],
    ids=["500", "503", "429", "hang-up", "slow"],
)
def test_what_passes_is_tried_again_and_what_lasts_is_told(
    server: RegistryServer, fault: Fault
) -> None:
    server.put("s", record("a").text)

    async def use(registry: SchemaRegistry) -> None:
        server.fail(fault, times=2)
        assert await registry.schema(1) == record("a")
        first = len(server.requests)
        assert first in (2, 3)  # the library repeats once what fell with an old connection
        server.fail(fault, times=20)
        with pytest.raises(Unavailable) as caught:
            await registry.version("s")
        assert caught.value.code == "http.unavailable"
        assert caught.value.retriable
        assert server.url in str(caught.value)
        assert first + 3 <= len(server.requests) <= first + 6
        server.faults.clear()
        assert (await registry.version("s")).version == 1

    run(server, use, retries=2, requestTimeoutMs=200)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(401), "registry.denied"),
        (Fault(403), "registry.denied"),
        (Fault(404), "registry.refused"),  # an error code that says nothing of schemas
        (Fault(404, b"no such page"), "registry.not_found"),
        (Fault(422), "registry.refused"),
        (Fault(302), "registry.answer"),
        (Fault(200, b"<html>"), "registry.answer"),
        (Fault(200, b"[]"), "registry.answer"),
        (Fault(200, b'{"schema": 5, "schemaType": "AVRO"}'), "registry.answer"),
        (Fault(200, b'{"schema": "", "schemaType": "XML"}'), "registry.answer"),
        (Fault(200, b'{"schema": "", "references": [5]}'), "registry.answer"),
        (Fault(200, b'{"schema": "' + b"x" * 2_000 + b'"}'), "http.too_large"),
    ],
)
def test_what_does_not_pass_is_told_at_once(
    server: RegistryServer, fault: Fault, code: str
) -> None:
    async def use(registry: SchemaRegistry) -> None:
        server.fail(fault)
        with pytest.raises(SummitError) as caught:
            await registry.schema(1)
        assert caught.value.code == code
        assert not caught.value.retriable
        assert len(server.requests) == 1

    run(server, use, responseBytesMax=1_000)


def test_several_addresses(server: RegistryServer) -> None:
    """One that is away costs no pause, and is not asked first again."""
    server.put("s", record("a").text)
    with RegistryServer() as other:
        gone = other.url

    async def use(registry: SchemaRegistry) -> None:
        for _ in range(3):
            assert await registry.versions("s") == [1]
        assert len(server.requests) == 3

    run(f"{gone}, {server.url}/", use, retries=0, retryBackoffMs=60_000)

    async def alone(registry: SchemaRegistry) -> None:
        with pytest.raises(Unavailable, match=gone):
            await registry.versions("s")

    run(gone, alone, retries=1)


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        (
            {"username": "ü", "password": "p:w"},
            "Basic " + base64.b64encode("ü:p:w".encode()).decode(),
        ),
        ({"bearerToken": "tok"}, "Bearer tok"),
        (None, "Basic " + base64.b64encode(b"us er:pw").decode()),
    ],
)
def test_credentials(server: RegistryServer, config: dict[str, str] | None, sent: str) -> None:
    server.authorization = sent

    async def use(registry: SchemaRegistry) -> None:
        assert await registry.subjects() == []
        assert "pw" not in repr(registry.config)
        assert "p:w" not in repr(registry.config)

    async def refused(registry: SchemaRegistry) -> None:
        with pytest.raises(Invalid, match="who are you"):
            await registry.subjects()

    if config is None:
        run(server.url.replace("//", "//us%20er:pw@"), use)
    else:
        run(server, use, **config)
    run(server, refused)


@pytest.mark.parametrize(
    "config",
    [
        {"url": ""},
        {"url": []},
        {"url": "localhost:8081"},
        {"url": "ftp://x"},
        {"url": "http://x:port"},
        {"url": "http://x?y=1"},
        {"url": "http://x", "username": "u"},
        {"url": "http://x", "bearerToken": "t", "username": "u", "password": "p"},
        {"url": "http://u:p@x", "bearerToken": "t"},
        {"url": "http://x", "keyFile": "k"},
        {"url": "http://x", "retries": -1},
        {"url": "http://x", "requestTimeoutMs": 0},
        {"url": "http://x", "latestMaxAgeMs": -1},
        {"url": "http://x", "retry": 5},
    ],
)
def test_settings_that_cannot_be_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        SchemaRegistryConfig.from_dict(config)


def test_it_belongs_to_one_loop_and_ends(server: RegistryServer) -> None:
    registry = SchemaRegistry(server.url)

    async def once() -> None:
        await registry.subjects()

    async def elsewhere() -> None:
        with pytest.raises(Closed, match="another event loop"):
            await registry.subjects()

    async def closed() -> None:
        await registry.close()
        await registry.close()
        with pytest.raises(Closed):
            await registry.subjects()

    with asyncio.Runner() as runner:
        runner.run(once())
        asyncio.run(elsewhere())
        runner.run(closed())
