"""What all routes share: the second prefix, the description, entity tags, pages, groups."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.system.running import Running

from summit.flow.settings import WORKERS_GROUP

FILTER = {"id": "quiet", "action": "exclude", "where": 'path == "/health"'}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("surface") / "data"
    options = ("up", "--port", "0", "--workers", "1", "--data-dir", str(data))
    with Running(*options) as running:
        yield running


@pytest.fixture(scope="module")
def broker(system: Running) -> str:
    return str(system.ready["broker"])


@pytest.fixture(scope="module")
def rest(system: Running) -> Iterator[httpx.Client]:
    url = system.ready["streaming"]
    with httpx.Client(base_url=url, timeout=90, trust_env=False) as client:
        yield client


def test_everything_under_api_is_under_v1_too(rest: httpx.Client) -> None:
    assert rest.post("/api/v1/topics", json={"name": "of-v1", "partitions": 1}).status_code == 200
    assert rest.get("/api/topics/of-v1").json() == rest.get("/api/v1/topics/of-v1").json()
    assert rest.get("/api/v1/nothing").json()["code"] == "web.route_unknown"
    assert rest.delete("/api/v1/topics").json()["code"] == "web.method_not_allowed"


def test_the_service_describes_itself_as_the_committed_copy_does(rest: httpx.Client) -> None:
    reply = rest.get("/openapi.json")
    committed = Path(__file__).parents[2] / "docs/api/streaming.json"
    assert reply.json() == httpx.Response(200, content=committed.read_bytes()).json()
    again = rest.get("/openapi.json", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    page = rest.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/api/produce" in page.text


def test_a_definition_is_changed_by_who_has_read_it(rest: httpx.Client) -> None:
    made = rest.post("/api/filters", json=FILTER, headers={"If-None-Match": "*"})
    assert (made.status_code, made.json()["rule"]) == (200, "quiet")
    first = made.headers["etag"]
    assert rest.get("/api/filters/quiet").headers["etag"] == first
    unchanged = rest.get("/api/filters/quiet", headers={"If-None-Match": first})
    assert unchanged.status_code == 304
    there = rest.post("/api/filters", json=FILTER, headers={"If-None-Match": "*"})
    assert (there.status_code, there.json()["code"]) == (412, "web.precondition_failed")
    new: dict[str, Any] = {"action": "exclude", "where": 'path == "/livez"', "name": "Quiet"}
    replaced = rest.put("/api/filters/quiet", json=new, headers={"If-Match": first})
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
    late = rest.put("/api/filters/quiet", json=new, headers={"If-Match": first})
    assert late.status_code == 412
    patched = rest.patch("/api/filters/quiet", json={"name": None, "description": "why"})
    assert patched.json()["version"] == 3
    shown = rest.get("/api/filters/quiet").json()
    assert (shown["where"], shown["description"]) == (new["where"], "why")
    assert "name" not in shown
    wrong = rest.put("/api/filters/quiet", json={**new, "id": "other"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/id")
    gone = rest.delete("/api/filters/quiet", headers={"If-Match": first})
    assert gone.status_code == 412
    current = patched.headers["etag"]
    assert rest.delete("/api/filters/quiet", headers={"If-Match": current}).status_code == 200
    assert rest.get("/api/filters/quiet").status_code == 404
    nothing = rest.put("/api/filters/quiet", json=new, headers={"If-Match": current})
    assert nothing.status_code == 412


def test_lists_come_in_pages(rest: httpx.Client) -> None:
    names = [f"page-{n}" for n in range(5)]
    for name in names:
        rule = {"id": name, "eventType": "none", "transformations": [
            {"field": "a", "operation": "remove"}]}  # fmt: skip
        assert rest.post("/api/transformations", json=rule).status_code == 200
    found, url = [], "/api/transformations?limit=2"
    for _ in range(5):
        reply = rest.get(url)
        found += [rule["id"] for rule in reply.json()["transformations"]]
        if "next" not in reply.links:
            assert "nextCursor" not in reply.json()
            break
        url = reply.links["next"]["url"]
    assert found == names
    bad = rest.get("/api/transformations?cursor=zzz")
    assert (bad.status_code, bad.json()["code"]) == (400, "web.cursor_invalid")
    twice = rest.get("/api/transformations?limit=1&limit=2")
    assert twice.json()["errors"][0]["pointer"] == "limit"


def test_groups_show_their_lag_and_are_moved(rest: httpx.Client, broker: str) -> None:
    rest.post("/api/topics", json={"name": "lagging", "partitions": 1})
    for n in range(3):
        rest.post("/api/produce", json={"topic": "lagging", "value": n})
    settings = {"bootstrap.servers": broker, "group.id": "late", "enable.auto.commit": False}
    consumer = Consumer(settings)
    try:
        consumer.commit(offsets=[TopicPartition("lagging", 0, 1)], asynchronous=False)
    finally:
        consumer.close()
    assert rest.get("/api/groups/none").json()["code"] == "group.unknown"
    groups = {each["group"]: each for each in rest.get("/api/groups").json()["groups"]}
    assert (groups["late"]["state"], groups["late"]["lag"]) == ("empty", 2)
    assert groups[WORKERS_GROUP]["members"] >= 1
    (place,) = rest.get("/api/groups/late").json()["partitions"]
    assert (place["offset"], place["end"], place["lag"]) == (1, 3, 2)
    tried = rest.post("/api/groups/late/reset", json={"to": "latest", "dryRun": True}).json()
    assert [(each["before"], each["after"]) for each in tried["partitions"]] == [(1, 3)]
    assert rest.get("/api/groups/late").json()["partitions"] == [place]
    assert rest.post("/api/groups/late/reset", json={"to": "latest"}).status_code == 200
    assert rest.get("/api/groups/late").json()["partitions"][0]["lag"] == 0
    assert rest.delete("/api/groups/late").status_code == 200
    assert rest.get("/api/groups/late").status_code == 404
    refused = rest.post(f"/api/groups/{WORKERS_GROUP}/reset", json={"to": "earliest"})
    assert refused.json()["code"] == "group.internal"


def test_records_are_produced_in_batches_with_the_context_of_the_request(
    rest: httpx.Client,
) -> None:
    rest.post("/api/topics", json={"name": "batches", "partitions": 1})
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    records: list[dict[str, Any]] = [{"topic": "batches", "value": n, "key": "k"} for n in range(3)]
    records[2]["headers"] = {"traceparent": "mine"}
    reply = rest.post(
        "/api/produce/batch", json={"records": records},
        headers={"traceparent": trace, "X-Request-ID": "r-1"},
    )  # fmt: skip
    assert reply.headers["x-request-id"] == "r-1"
    assert [each["offset"] for each in reply.json()["results"]] == [0, 1, 2]
    found = rest.get("/api/consume/batches/0").json()["messages"]
    assert [each["value"] for each in found] == ["0", "1", "2"]
    assert found[0]["headers"] == {"traceparent": trace, "x-request-id": "r-1"}
    assert found[2]["headers"]["traceparent"] == "mine"
    records[1]["topic"] = "absent"
    refused = rest.post("/api/produce/batch", json={"records": records})
    assert refused.status_code == 404
    assert refused.json()["errors"][0]["pointer"] == "/records/1/topic"
    assert rest.get("/api/consume/batches/0").json()["count"] == 3
    empty = rest.post("/api/produce/batch", json={"records": []})
    assert (empty.status_code, empty.json()["errors"][0]["pointer"]) == (400, "/records")


def test_what_is_no_http_is_a_problem_too(rest: httpx.Client) -> None:
    url = rest.base_url
    with socket.create_connection((url.host, url.port), timeout=30) as raw:
        raw.sendall(b"GET nothing at all\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "web.request_invalid"


def test_leaders_are_elected(rest: httpx.Client) -> None:
    reply = rest.post("/api/rebalance")
    assert reply.status_code in (200, 400), reply.text
