"""Requests that come again under an Idempotency-Key: one change, one answer, for every replica."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.services.running import Services, services

from summit.journal.answer_log import ANSWER_MS, CLAIM_MS, Answer, AnswerLog, digest_of
from summit.services.repeats import may_repeat
from summit.services.security import SecuritySettings


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("repeats") / "data", SecuritySettings()) as found:
        found.ask("streaming", "POST", "/api/topics", None, {"name": "t", "partitions": 1})
        yield found


def produce(running: Services, key: str | None, value: str) -> tuple[int, Any, dict[str, str]]:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"topic": "t", "value": value}
    return running.ask("streaming", "POST", "/api/produce", None, body, headers)


def test_a_change_that_comes_again_is_made_once_and_answered_the_same(running: Services) -> None:
    status, first, told = produce(running, "one", "a")
    assert (status, told.get("idempotency-replayed")) == (200, None)
    again = produce(running, "one", "a")
    assert again[:2] == (200, first)
    assert again[2]["idempotency-replayed"] == "true"
    assert again[2]["content-type"] == told["content-type"]
    # v1 is the same route; another route, and another key, are other requests.
    body = {"topic": "t", "value": "a"}
    headers = {"Idempotency-Key": "one"}
    assert running.ask("streaming", "POST", "/api/v1/produce", None, body, headers)[1] == first
    other = produce(running, "two", "a")
    assert other[1]["result"]["offset"] == first["result"]["offset"] + 1
    status, problem, _ = produce(running, "one", "b")
    assert (status, problem["code"]) == (422, "ingest.key_reused")
    for bad in ("", "x" * 201):
        assert produce(running, bad, "a")[0] == 400


def test_what_failed_may_be_tried_again(running: Services) -> None:
    headers = {"Idempotency-Key": "three"}
    body = {"topic": "missing", "value": "a"}
    assert running.ask("streaming", "POST", "/api/produce", None, body, headers)[0] == 404
    running.ask("streaming", "POST", "/api/topics", None, {"name": "missing"})
    status, _, told = running.ask("streaming", "POST", "/api/produce", None, body, headers)
    assert (status, told.get("idempotency-replayed")) == (200, None)


def test_of_many_at_once_one_is_done(running: Services) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: produce(running, "many", "m"), range(8)))
    offsets = {answer["result"]["offset"] for status, answer, _ in found if status == 200}
    assert len(offsets) == 1
    assert {status for status, _, _ in found} <= {200, 409}
    again = produce(running, "many", "m")
    assert {again[1]["result"]["offset"]} == offsets


def test_other_routes_and_another_replica_know_it(running: Services) -> None:
    headers = {"Idempotency-Key": "silence"}
    body = {"by": "ann", "matchers": {"severity": "low"}, "duration": "1h"}
    first = running.ask("correlation", "POST", "/api/silences", None, body, headers)[1]
    assert running.ask("correlation", "POST", "/api/silences", None, body, headers)[1] == first
    assert running.ask("correlation", "GET", "/api/silences")[1]["count"] == 1
    path = f"/api/silences/{first['id']}?by=ann"
    for _ in range(2):
        assert running.ask("correlation", "DELETE", path, None, None, headers)[0] == 200

    async def elsewhere() -> tuple[Any, Any]:
        node = running.component._node
        assert node is not None
        other = AnswerLog([running.broker], node.producer, name="other")
        try:
            key = digest_of("local", "x")
            assert await node.answers.claim(key, b"c", "t1", "x") is None
            await node.answers.answered(key, "t1", Answer(201, {"etag": "e"}, b"body"))
            late = digest_of("late")
            claims = await asyncio.gather(
                other.claim(late, b"c", "t2", "y"), node.answers.claim(late, b"c", "t3", "y"),
                return_exceptions=True,
            )  # fmt: skip
            return await other.claim(key, b"c", "t4", "x"), claims
        finally:
            await other.stop()

    answer, claims = running.run(lambda _: elsewhere())
    assert answer == Answer(201, {"etag": "e"}, b"body")
    assert sorted(str(getattr(each, "code", each)) for each in claims) == [
        "None", "ingest.key_in_flight",
    ]  # fmt: skip


def test_claims_end_in_a_minute_and_answers_in_a_day() -> None:
    class Clock:
        now = 0

        def now_ms(self) -> int:
            return self.now

    clock: Any = Clock()
    log = AnswerLog(["localhost:1"], None, clock=clock)  # type: ignore[arg-type]

    def write(kind: str, token: str, at: int, content: str = "c") -> None:
        record: Any = type("R", (), {"timestamp": at, "offset": at})()
        from summit.journal.answer_log import _Entry

        log._apply("k", _Entry(kind, token, content), record)  # type: ignore[arg-type]

    write("claim", "a", 0)
    write("claim", "b", CLAIM_MS)
    assert log._known["k"].token == "a"
    write("claim", "b", CLAIM_MS + 1)
    write("answer", "a", CLAIM_MS + 2)  # too late: another one has begun
    assert (log._known["k"].token, log._known["k"].is_answer) == ("b", False)
    write("answer", "b", CLAIM_MS + 3)
    write("release", "b", CLAIM_MS + 4)
    clock.now = CLAIM_MS + 3 + ANSWER_MS
    assert log._holding("k", clock.now) is not None
    clock.now += 1
    assert log._holding("k", clock.now) is None


def test_secrets_and_trials_are_not_kept() -> None:
    assert not may_repeat("POST", "/api/keys")
    assert not may_repeat("POST", "/api/patterns/test")
    assert not may_repeat("POST", "/api/patterns/{id}/explain")
    assert not may_repeat("GET", "/api/topics")
    assert may_repeat("POST", "/api/notifications/{id}/test")
    assert may_repeat("PATCH", "/api/patterns/{id}")


def test_they_outlive_a_restart(tmp_path: Path) -> None:
    body = {"name": "kept", "partitions": 2}
    headers = {"Idempotency-Key": "k"}
    answers = []
    for _ in range(2):
        with services(tmp_path / "data", SecuritySettings()) as found:
            answers.append(found.ask("streaming", "POST", "/api/topics", None, body, headers)[:2])
    assert answers[0] == answers[1]
    assert answers[0][0] == 200
