"""Changes over REST: topics and collectors replaced and changed, entity tags, pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.services.running import Services, services

from summit.services.security import SecuritySettings


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    patch = pytest.MonkeyPatch()
    patch.setattr("summit.services.definition_routes.ACTIVE_TIMEOUT_MS", 1)
    with services(tmp_path_factory.mktemp("changes") / "data", SecuritySettings()) as found:
        yield found
    patch.undo()


def ask(
    running: Services, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return running.ask("streaming", method, path, None, body, given)


def test_a_topic_is_made_replaced_and_changed(running: Services) -> None:
    body = {"partitions": 2, "retentionMs": 60_000, "cleanupPolicy": "delete"}
    status, made, told = ask(running, "PUT", "/api/topics/orders", body, If_None_Match="*")
    assert (status, len(made["partitions"]), made["config"]["retentionMs"]) == (200, 2, 60_000)
    assert ask(running, "PUT", "/api/topics/orders", body, If_None_Match="*")[0] == 412
    tag = told["etag"]
    assert ask(running, "GET", "/api/topics/orders")[2]["etag"] == tag
    running.run(lambda c: c._node.producer.send({"topic": "orders", "value": "x"}))
    assert ask(running, "GET", "/api/topics/orders")[2]["etag"] == tag
    assert ask(running, "PATCH", "/api/topics/orders", {}, If_Match=tag)[2]["etag"] == tag
    change = {"partitions": 3, "maxMessageBytes": 2_000_000}
    status, changed, told = ask(running, "PATCH", "/api/topics/orders", change, If_Match=tag)
    assert (status, len(changed["partitions"])) == (200, 3)
    assert (
        changed["config"] | {"maxMessageBytes": 2_000_000, "retentionMs": 60_000}
        == (changed["config"])
    )
    assert ask(running, "PATCH", "/api/topics/orders", change, If_Match=tag)[0] == 412
    # null goes back to the default; so does what a whole topic leaves out.
    back = ask(running, "PATCH", "/api/topics/orders", {"retentionMs": None})[1]
    assert back["config"]["retentionMs"] == 604_800_000
    whole = ask(running, "PUT", "/api/topics/orders", {"name": "orders", "segmentMs": 9_000})[1]
    assert (whole["config"]["segmentMs"], len(whole["partitions"])) == (9_000, 3)
    assert whole["config"]["maxMessageBytes"] != 2_000_000


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PATCH", "/api/topics/none", {}, 404, "topic.unknown"),
        ("PATCH", "/api/topics/few", {"partitions": 1}, 409, "topic.shrinks"),
        ("PUT", "/api/topics/few", {"name": "other"}, 400, "config.invalid"),
        ("PUT", "/api/topics/few", {"replicationFactor": 3}, 400, "config.invalid"),
        ("PATCH", "/api/topics/few", {"retentionMs": "x"}, 400, "config.invalid"),
        ("PATCH", "/api/topics/few", {"retention": 1}, 400, None),
        ("POST", "/api/topics", {"name": "x", "replicationFactor": 2**70}, 400, None),
        ("POST", "/api/topics", {"name": "x", "partitions": 2**40}, 400, "config.invalid"),
        ("PUT", "/api/topics/few", {"retentionMs": 2**65}, 400, None),
        ("PATCH", "/api/topics/few", {"partitions": 2**31}, 400, "config.invalid"),
        ("PATCH", "/api/topics/few", {"partitions": None}, 400, "config.invalid"),
        ("PATCH", "/api/topics/few", [], 400, "config.invalid"),
        ("PUT", "/api/topics/_summit.keys", {}, 400, "topic.internal"),
        ("PATCH", "/api/topics/_summit.keys", {"retentionMs": 1}, 400, "topic.internal"),
        ("PATCH", "/api/collectors/none", {}, 404, "collector.unknown"),
        ("PUT", "/api/collectors/x", {"name": "y"}, 400, "config.invalid"),
        ("PUT", "/api/collectors/x", {"type": "http"}, 400, None),
    ],
)
def test_what_cannot_be_is_refused(
    running: Services, method: str, path: str, body: Any, status: int, code: str | None
) -> None:
    ask(running, "PUT", "/api/topics/few", {"partitions": 2})
    got, problem, _ = ask(running, method, path, body)
    assert (got, problem["code"]) == (status, code or problem["code"]), problem


def test_topics_come_in_pages(running: Services) -> None:
    for number in range(5):
        ask(running, "POST", "/api/topics", {"name": f"page-{number}", "partitions": 1})
    every = [each["name"] for each in ask(running, "GET", "/api/topics")[1]["topics"]]
    assert every == sorted(every)
    found: list[str] = []
    path = "/api/topics?limit=2"
    while True:
        status, page, told = ask(running, "GET", path)
        assert status == 200
        assert page["count"] == len(every)
        found += [each["name"] for each in page["topics"]]
        if "nextCursor" not in page:
            break
        path = told["link"].partition(">")[0].removeprefix("<")
    assert found == every
    assert ask(running, "GET", "/api/topics?cursor=x")[0] == 400


def test_a_collector_is_replaced_and_changed_and_runs_as_before_when_that_fails(
    running: Services,
) -> None:
    document = {"name": "web", "type": "http", "port": 0, "topic": "web-in", "batchSize": 7}
    status, made, told = ask(running, "PUT", "/api/collectors/web", document)
    assert (status, made["state"]) == (200, "running")
    tag = told["etag"]
    assert ask(running, "GET", "/api/collectors/web")[2]["etag"] == tag
    assert ask(running, "GET", "/api/collectors/web")[1]["config"]["batchSize"] == 7
    assert ask(running, "PATCH", "/api/collectors/web", {})[2]["etag"] == tag
    status, changed, told = ask(
        running, "PATCH", "/api/collectors/web", {"batchSize": 9, "topic": "web-new"}, If_Match=tag
    )
    assert (status, changed["state"]) == (200, "running")
    assert told["etag"] != tag
    assert ask(running, "DELETE", "/api/collectors/web", None, If_Match=tag)[0] == 412
    bad = {"host": "192.0.2.1"}  # no address of this machine
    assert ask(running, "PATCH", "/api/collectors/web", bad)[0] >= 400
    status, shown, again = ask(running, "GET", "/api/collectors/web")
    assert (shown["state"], shown["topic"]) == ("running", "web-new")
    assert again["etag"] == told["etag"]
    paused = ask(running, "PATCH", "/api/collectors/web", {"paused": True})[1]
    assert paused["state"] == "paused"
    stopped = ask(running, "PATCH", "/api/collectors/web", {"enabled": False})[1]
    assert stopped["state"] == "disabled"
    listed = ask(running, "GET", "/api/collectors?limit=1")[1]
    assert [each["name"] for each in listed["collectors"]] == ["web"]
    assert ask(running, "DELETE", "/api/collectors/web")[0] == 200


def test_a_change_of_nothing_makes_no_version(running: Services) -> None:
    body = {"id": "f", "action": "exclude", "where": "a == 1"}
    status, made, told = ask(running, "POST", "/api/filters", body)
    assert status == 200, made
    for same in ({}, {"where": "a == 1"}, {"nothing": None}):
        status, again, headers = ask(running, "PATCH", "/api/filters/f", same)
        assert (status, again["version"], headers["etag"]) == (200, 1, told["etag"])
    assert ask(running, "PATCH", "/api/filters/f", {}, If_Match='"other"')[0] == 412
    assert ask(running, "PATCH", "/api/filters/f", {"where": "a == 2"})[1]["version"] == 2


def test_cases_and_changes_come_in_pages(running: Services) -> None:
    matchers = {"severity": "low"}
    for number in range(5):
        body = {"by": f"p{number}", "matchers": matchers, "duration": "1h"}
        assert running.ask("correlation", "POST", "/api/silences", None, body)[0] == 200
    every = running.ask("correlation", "GET", "/api/audit")[1]["audit"]
    assert [each["by"] for each in every] == [f"p{n}" for n in reversed(range(5))]
    found, path = [], "/api/audit?limit=2"
    while path:
        _, page, told = running.ask("correlation", "GET", path)
        found += page["audit"]
        assert page["count"] == 5
        path = told.get("link", "").partition(">")[0].removeprefix("<")
    assert found == every
    assert running.ask("correlation", "GET", "/api/cases?limit=1&cursor=zz")[0] == 400
    assert running.ask("correlation", "GET", "/api/cases?limit=1")[1] == {"cases": [], "count": 0}
