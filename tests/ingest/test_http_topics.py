"""Topics that senders of an HTTP collector choose by the path."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.ingest.memory_log import MemoryLog
from tests.ingest.test_http import make, run

from summit.base.errors import Invalid
from summit.ingest import make_collector

SCHEMA = {"type": "object", "required": ["n"]}


def values(log: MemoryLog, topic: str) -> list[Any]:
    return [json.loads(record.value or b"") for record in log.records(topic)]


def test_the_path_names_the_topic() -> None:
    log = MemoryLog(1)
    collector = make(
        allowedTopics=["shop.*"], keyField="k", topicTemplate="shop.${to}", eventSchema=SCHEMA
    )

    async def body(client: httpx.AsyncClient) -> None:
        answer = await client.post("/ingest/shop.orders", json=[{"n": 1, "k": "a"}, {"n": 2}])
        assert answer.json()["accepted"] == 2
        # The sender's word goes before the template, and the schema holds there too.
        assert (await client.post("/ingest/shop.a%62", json={"n": 3, "to": "x"})).status_code == 200
        assert (await client.post("/ingest", json={"n": 4, "to": "x"})).status_code == 200
        assert (await client.post("/ingest/raw-events", json={"n": 5})).status_code == 200
        assert (await client.post("/ingest", json={"n": 6, "to": ""})).status_code == 200
        refused = await client.post("/ingest/shop.orders", json={"m": 1})
        assert (refused.status_code, refused.json()["code"]) == (422, "ingest.schema_refused")
        for bad in (
            "_summit.ingest",
            "alerts",
            "shop.x.dlq",
            "other",
            "shop.%00",
            "shop." + "x" * 250,
        ):
            answer = await client.post(f"/ingest/{bad}", json={"n": 6})
            assert (answer.status_code, answer.json()["code"]) == (422, "ingest.topic_refused")
        assert (await client.post("/ingest/", json={"n": 7})).status_code == 404
        assert (await client.post("/ingest/shop.a/b", json={"n": 7})).status_code == 404

    run(collector, log, body)
    assert [value["n"] for value in values(log, "shop.orders")] == [1, 2]
    assert [record.key for record in log.records("shop.orders")] == [b"a", None]
    assert [value["n"] for value in values(log, "shop.ab")] == [3]
    assert [value["n"] for value in values(log, "shop.x")] == [4]
    assert [value["n"] for value in values(log, "raw-events")] == [5, 6]
    assert set(log.topics) == {"shop.orders", "shop.ab", "shop.x", "raw-events"}


def test_a_key_stands_for_body_and_topic() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "one"}
        first = await client.post("/ingest/a", json={"n": 1}, headers=key)
        again = await client.post("/ingest/a", json={"n": 1}, headers=key)
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"
        other = await client.post("/ingest/b", json={"n": 1}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "ingest.key_reused")

    run(make(allowedTopics=["a", "b"]), log, body)
    assert len(log.records("a")) == 1
    assert not log.records("b")


def test_without_allowed_topics_there_is_no_such_route() -> None:
    async def body(client: httpx.AsyncClient) -> None:
        assert (await client.post("/ingest/raw-events", json={"n": 1})).status_code == 404

    run(make(), MemoryLog(1), body)


def test_a_topic_that_the_broker_refuses_is_no_trouble_of_the_broker() -> None:
    log = MemoryLog(1)
    collector = make(allowedTopics=["a"])

    async def body(client: httpx.AsyncClient) -> None:
        log.failures = [Invalid("topic.unknown", topic="a")]
        answer = await client.post("/ingest/a", json={"n": 1})
        assert (answer.status_code, answer.json()["code"]) == (404, "topic.unknown")
        assert collector.state == "running"
        assert (await client.post("/ingest", json={"n": 2})).status_code == 200

    run(collector, log, body)


def test_only_http_has_topics_by_path() -> None:
    with pytest.raises(Invalid, match="allowedTopics"):
        make_collector({"name": "w", "type": "websocket", "topic": "t", "allowedTopics": ["a"]})
