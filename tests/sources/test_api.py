"""`ApiSource` against a real server: what it asks, and how it bears one that fails."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.sources.services import Service, hang, service, status, text

from summit.base.clock import ManualClock, SystemClock
from summit.base.errors import Invalid
from summit.documents.enrichment import validate_enrichment
from summit.documents.enrichment_sources import ApiPlan
from summit.enrich.enriching import Found
from summit.sources.api import ApiSource


def plan_of(url: str, **config: Any) -> ApiPlan:
    given = {"apiUrl": url, "keyField": "ip", "allowPrivate": True, "timeoutMs": 300, **config}
    given = {name: value for name, value in given.items() if value is not None}
    plan = validate_enrichment(
        {"id": "intel", "eventType": "*", "enrichmentType": "api", "config": given}
    ).plan.source
    assert isinstance(plan, ApiPlan)
    return plan


@asynccontextmanager
async def source(made: Service, clock: Any = None, **config: Any) -> AsyncIterator[ApiSource]:
    asked = ApiSource("intel", plan_of(made.url, **config), clock or SystemClock())
    try:
        yield asked
    finally:
        await asked.close()


def plain(answers: list[Found]) -> list[tuple[str, Any]]:
    return [(each.status, each.row) for each in answers]


def test_rows_misses_and_what_is_asked() -> None:
    async def run() -> None:
        async with service() as made:
            made.rows = {"1.2.3.4": {"threat": "botnet"}}
            config = {
                "apiKey": "s3cret",
                "params": {"ip": "${key}", "v": 2},
                "headers": {"X-A": "b"},
            }
            async with source(made, **config) as asked:
                answers = await asked.find(["1.2.3.4", "5.6.7.8", "1.2.3.4"])
                assert plain(answers) == [
                    ("found", {"threat": "botnet"}), ("miss", None),
                    ("found", {"threat": "botnet"}),
                ]  # fmt: skip
                assert answers[0].at_ms is not None
                assert len(made.asked) == 2
                method, path, headers, _ = made.asked[0]
                assert (method, path) == ("GET", "/lookup?ip=1.2.3.4&v=2")
                assert headers["Authorization"] == "Bearer s3cret"
                assert headers["X-A"] == "b"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("config", "key", "method", "path", "body"),
    [
        ({}, "a b&c", "GET", "/lookup?ip=a%20b%26c", b""),
        ({}, 7, "GET", "/lookup?ip=7", b""),
        ({"method": "POST"}, "x", "POST", "/lookup", b'{"ip":"x"}'),
        ({"method": "POST", "body": {"q": ["${key}", "n-${key}"]}}, 7, "POST", "/lookup",
         b'{"q":[7,"n-7"]}'),
        ({"keyField": None}, {"eventType": "x"}, "POST", "/lookup", b'{"eventType":"x"}'),
    ],
)  # fmt: skip
def test_ways_to_ask(config: Any, key: Any, method: str, path: str, body: bytes) -> None:
    async def run() -> None:
        async with service() as made, source(made, **config) as asked:
            await asked.find([key])
            assert (made.asked[0][0], made.asked[0][1], made.asked[0][3]) == (method, path, body)

    asyncio.run(run())


@pytest.mark.parametrize("key", ["../admin", "..", ".", "a/b?c=d#e", "x\r\nX-Evil: 1", "é\0"])
def test_a_key_stays_one_part_of_the_path(key: str) -> None:
    async def run() -> None:
        async with service() as made:
            plan = plan_of(made.url + "/ip/${key}/info", headers={"X-Key": "${key}"})
            asked = ApiSource("intel", plan, SystemClock())
            try:
                await asked.find([key])
            finally:
                await asked.close()
            (request,) = made.asked
            assert request[1].startswith("/lookup/ip/")
            assert request[1].endswith("/info")
            assert request[1].count("/") == 4
            assert "?" not in request[1]
            assert "X-Evil" not in request[2]

    asyncio.run(run())


def test_trouble_is_an_error_after_some_retries_and_not_remembered() -> None:
    async def run() -> None:
        async with service() as made, source(made, retries=2) as asked:
            made.rows = {"a": {"n": 1}}
            made.faults.extend([status(500), status(503)])
            assert plain(await asked.find(["a"])) == [("found", {"n": 1})]
            assert len(made.asked) == 3
            made.faults.extend([status(500)] * 3)
            (failed,) = await asked.find(["b"])
            assert (failed.status, "500" in failed.reason) == ("error", True)
            assert plain(await asked.find(["b"])) == [("miss", None)]

    asyncio.run(run())


def test_one_that_hangs_is_given_up_in_time() -> None:
    async def run() -> None:
        async with service() as made, source(made, retries=0, timeoutMs=100) as asked:
            made.faults.append(hang)
            async with asyncio.timeout(5):
                (failed,) = await asked.find(["a"])
            assert (failed.status, failed.reason) == (
                "error", f"{made.url.removesuffix('/lookup')}: no answer within 100 ms",
            )  # fmt: skip

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(302, Location="http://127.0.0.1:1/secret"), "status 302"),
        (status(401), "status 401"),
        (text("<html>"), "the answer is no JSON"),
        (text("[" * 200_000), "the answer is no JSON"),
        (text('"' + "x" * (2 << 20) + '"'), "1048576"),
    ],
)
def test_answers_that_are_none(answer: Any, reason: str) -> None:
    async def run() -> None:
        async with service() as made, source(made) as asked:
            made.faults.append(answer)
            (failed,) = await asked.find(["a"])
            assert failed.status == "error"
            assert reason in failed.reason
            assert len(made.asked) == 1

    asyncio.run(run())


def test_internal_addresses_are_refused_unless_allowed() -> None:
    async def run() -> None:
        async with service() as made:
            for host in ("127.0.0.1", "localhost"):
                made.asked.clear()
                plan = plan_of(made.url.replace("127.0.0.1", host), allowPrivate=False)
                asked = ApiSource("intel", plan, SystemClock())
                try:
                    (failed,) = await asked.find(["a"])
                finally:
                    await asked.close()
                assert failed.status == "error"
                assert made.asked == []

    asyncio.run(run())


def test_a_service_that_fails_is_left_alone_and_asked_again() -> None:
    async def run() -> None:
        clock = ManualClock()
        breaker = {"failures": 3, "pause": "10s"}
        async with service() as made, source(made, clock, retries=0, circuitBreaker=breaker) as it:
            made.rows = {"ok": {"n": 1}}
            made.faults.extend([status(500)] * 4)
            for key in "abc":
                assert (await it.find([key]))[0].status == "error"
            (left,) = await it.find(["ok"])
            assert (left.status, len(made.asked)) == ("error", 3)
            assert "left alone" in left.reason
            clock.advance(10_000)
            answers = await it.find(["d", "e", "f"])  # one is let through, and fails
            assert {each.status for each in answers} == {"error"}
            assert len(made.asked) == 4
            clock.advance(10_000)
            assert (await it.find(["ok"]))[0].status == "error"  # the pause has doubled
            clock.advance(10_000)
            assert plain(await it.find(["ok"])) == [("found", {"n": 1})]
            assert plain(await it.find(["x"])) == [("miss", None)]

    asyncio.run(run())


def test_retries_have_a_budget() -> None:
    async def run() -> None:
        never = {"failures": 1_000}
        async with (
            service() as made,
            source(made, retries=5, circuitBreaker=never, concurrency=16) as asked,
        ):
            made.faults.extend([status(500)] * 1_000)
            await asked.find([f"k{n}" for n in range(60)])
            # 60 first requests earn 12 retries, beside the 10 that are there at the beginning.
            assert 60 < len(made.asked) <= 60 + 22

    asyncio.run(run())


def test_the_same_key_is_asked_once_and_few_at_a_time() -> None:
    async def run() -> None:
        async with service() as made, source(made, concurrency=3) as asked:
            made.delay_s = 0.05
            made.rows = {f"k{n}": {"n": n} for n in range(10)}
            keys = [f"k{n % 10}" for n in range(50)]
            first, second = await asyncio.gather(asked.find(keys), asked.find(keys))
            assert plain(first) == plain(second) == [("found", {"n": n % 10}) for n in range(50)]
            assert len(made.asked) == 10
            assert made.at_once == 3

    asyncio.run(run())


def test_answers_are_remembered_for_their_time() -> None:
    async def run() -> None:
        clock = ManualClock()
        cache = {"size": 2, "ttl": "60s", "negativeTtl": "10s"}
        async with service() as made, source(made, clock, cache=cache) as asked:
            made.rows = {"a": {"n": 1}, "b": {"n": 2}}
            for _ in range(2):
                assert plain(await asked.find(["a", "no"])) == [("found", {"n": 1}), ("miss", None)]
            assert len(made.asked) == 2
            assert (asked.cache.hits, asked.cache.misses, len(asked.cache)) == (2, 2, 2)
            clock.advance(10_000)
            await asked.find(["a", "no"])
            assert len(made.asked) == 3  # that there is nothing is forgotten sooner
            await asked.find(["b"])  # and what was not asked for longest makes room
            await asked.find(["no"])
            assert len(made.asked) == 4
            await asked.find(["a"])
            assert len(made.asked) == 5
            clock.advance(60_000)
            await asked.find(["a"])
            assert len(made.asked) == 6

    asyncio.run(run())


def test_what_nobody_closes_goes_with_its_source() -> None:
    async def run() -> None:
        async with service() as made:
            before = asyncio.all_tasks()
            asked = ApiSource("intel", plan_of(made.url), SystemClock())
            await asked.find(["a"])
            (keeper,) = (task for task in asyncio.all_tasks() - before if "_keep" in str(task))
            del asked
            gc.collect()
            await asyncio.wait([keeper], timeout=10)
            assert keeper.cancelled()

    asyncio.run(run())


def test_a_batch_waits_only_so_long() -> None:
    async def run() -> None:
        async with service() as made, source(made, concurrency=1, timeoutMs=5_000) as asked:
            made.delay_s = 0.2
            await asked.find(["first"])
            assert asked._on is not None
            asked._on.asked._batch_ms = 300
            async with asyncio.timeout(3):
                answers = await asked.find([f"k{n}" for n in range(20)])
            assert {each.status for each in answers} == {"miss", "error"}
            assert asked._on.asked._flights == {}
            await asyncio.sleep(0.5)
            assert len(made.asked) < 6  # what was given up is not asked later

    asyncio.run(run())


def test_secrets_stay_out_of_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with service() as made, source(made, apiKey="${SUMMIT_TEST_KEY}", retries=0) as asked:
            made.faults.append(status(500))
            (failed,) = await asked.find(["a"])
            assert made.asked[0][2]["Authorization"] == "Bearer sesame"
            assert "sesame" not in failed.reason

    monkeypatch.setenv("SUMMIT_TEST_KEY", "sesame")
    asyncio.run(run())
    monkeypatch.delenv("SUMMIT_TEST_KEY")
    with pytest.raises(Invalid) as caught:
        ApiSource("intel", plan_of("http://h/", apiKey="${SUMMIT_TEST_KEY}"), SystemClock())
    assert caught.value.code == "secret.missing"


@pytest.mark.parametrize(
    "url", ["ftp://h/", "h/x", "http://u:p@h/", "http://${key}/", "http://h:x/", "http://h/#a"]
)
def test_urls_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan_of(url)
    assert caught.value.details["problems"][0].pointer == "/config/apiUrl"
