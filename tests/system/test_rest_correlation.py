"""The correlation service over REST: patterns, events, alerts, statistics, and refusals."""

import json
import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running

NOW_MS = 1_700_000_000_000
ONE_STEP = {
    "id": "seen", "name": "Seen", "topics": ["events"],
    "conditions": [{"field": "eventType", "operator": "eq", "value": "seen", "eventType": "seen"}],
    "groupBy": ["user"],
    "action": {"type": "alert", "config": {"severity": "critical", "title": "Saw ${user}"}},
}  # fmt: skip


GUIDES_CALLS = [
    ("GET", "/health"), ("POST", "/api/topics"), ("GET", "/api/topics"), ("POST", "/api/produce"),
    ("GET", r"/api/consume/intelligence-events/\d\?offset=\d+"), ("GET", "/api/metrics"),
    ("POST", "/api/cep/patterns"), ("POST", "/api/enrichment/rules"), ("POST", "/api/collectors"),
    ("POST", "/api/correlation/rules"), ("POST", "/api/patterns"),
    ("POST", "/api/analytics/queries"), ("GET", r"/api/alerts\?.*"), ("GET", r"/api/alerts/\w+"),
    ("GET", "/api/correlation/events"), ("POST", "/api/events"), ("GET", "/api/stats"),
]  # fmt: skip


@pytest.fixture(scope="module")
def rest(system: Running) -> Rest:
    rest = Rest(system.ready["correlation"])
    status, reply = rest("POST", "/api/patterns", ONE_STEP)
    assert (status, reply["version"], reply["warnings"]) == (200, 1, [])
    return rest


@pytest.fixture
def streaming(system: Running) -> Rest:
    return Rest(system.ready["streaming"])


def seen(user: str, **more: Any) -> dict[str, Any]:
    return {"eventType": "seen", "user": user, "timestamp": NOW_MS, **more}


def stored(streaming: Rest) -> list[Any]:
    """Every record of the topic `events`."""
    records: list[Any] = []
    while True:
        path = f"/api/consume/events/0?max=1000&offset={len(records)}"
        found = streaming("GET", path)[1]["messages"]
        records += found
        if not found:
            return records


def test_health(rest: Rest) -> None:
    status, body = rest("GET", "/health")
    assert (status, body["status"], body["service"]) == (
        200,
        "healthy",
        "event-correlation-service",
    )
    assert body["version"]


REFUSALS: list[tuple[str, str, Any, int, str, str | None]] = [
    ("GET", "/api/nothing", None, 404, "web.route_unknown", None),
    ("PUT", "/api/patterns", ONE_STEP, 405, "web.method_not_allowed", None),
    ("GET", "/api/events", None, 405, "web.method_not_allowed", None),
    ("POST", "/api/patterns", [], 400, "document.invalid", ""),
    ("POST", "/api/patterns", "x", 400, "document.invalid", ""),
    ("POST", "/api/patterns", {}, 400, "document.invalid", "/id"),
    ("POST", "/api/patterns", {**ONE_STEP, "id": "a/b"}, 400, "document.invalid", "/id"),
    ("POST", "/api/patterns", {**ONE_STEP, "id": 5}, 400, "document.invalid", "/id"),
    ("POST", "/api/patterns", {**ONE_STEP, "kind": "stream"}, 400, "document.invalid", "/kind"),
    ("POST", "/api/patterns", {**ONE_STEP, "conditions": []}, 400, "document.invalid",
     "/conditions"),
    ("POST", "/api/patterns", {**ONE_STEP, "groupBy": "user"}, 400, "document.invalid", "/groupBy"),
    ("POST", "/api/patterns", {**ONE_STEP, "groupBuy": []}, 400, "document.invalid", "/groupBuy"),
    ("POST", "/api/patterns",
     {**ONE_STEP, "conditions": [{"field": "a", "operator": "matches", "value": 1}]},
     400, "document.invalid", "/conditions/0/operator"),
    ("POST", "/api/patterns",
     {**ONE_STEP, "conditions": [{"field": "a", "operator": "regex", "value": "("}]},
     400, "document.invalid", "/conditions/0/value"),
    ("POST", "/api/patterns", {**ONE_STEP, "action": {"type": "custom", "config": {}}},
     400, "document.invalid", "/action/type"),
    ("POST", "/api/patterns", {"id": "s", "steps": [{"where": "a == 1 &&"}]}, 400,
     "document.invalid", "/steps/0/where"),
    ("GET", "/api/patterns/none", None, 404, "pattern.unknown", None),
    ("DELETE", "/api/patterns/none", None, 404, "pattern.unknown", None),
    ("POST", "/api/events", b"{bad", 400, "web.json_invalid", ""),
    ("POST", "/api/events", [seen("x")], 400, "event.invalid", ""),
    ("POST", "/api/events", {"user": "x"}, 400, "event.invalid", "/eventType"),
    ("POST", "/api/events", {"eventType": ""}, 400, "event.invalid", "/eventType"),
    ("POST", "/api/events", {"eventType": 5}, 400, "event.invalid", "/eventType"),
    ("POST", "/api/events", seen("x", eventId=""), 400, "event.invalid", "/eventId"),
    ("POST", "/api/events", seen("x", eventId=5), 400, "event.invalid", "/eventId"),
    ("POST", "/api/events", seen("x", eventId="i" * 1_025), 400, "event.invalid", "/eventId"),
    ("POST", "/api/events", seen("x", timestamp="noon"), 400, "event.invalid", "/timestamp"),
    ("POST", "/api/events", seen("x", timestamp=True), 400, "event.invalid", "/timestamp"),
    ("POST", "/api/events", seen("x", timestamp=1e30), 400, "event.invalid", "/timestamp"),
    ("POST", "/api/events", seen("x", blob="x" * 1_500_000), 413, "record.too_large", None),
    ("POST", "/api/events", b" " * (11 << 20), 413, "web.body_too_large", None),
    ("POST", "/api/events?wait=no", seen("x"), 400, "web.parameter", "wait"),
    ("POST", "/api/events?wate=true", seen("x"), 400, "web.parameter_unknown", "wate"),
    ("GET", "/api/alerts?severity=terrible", None, 400, "alert.severity_unknown", None),
    ("GET", "/api/alerts?limit=0", None, 400, "web.parameter", "limit"),
    ("GET", "/api/alerts?limit=1001", None, 400, "web.parameter", "limit"),
    ("GET", "/api/alerts?limit=x", None, 400, "web.parameter", "limit"),
    ("GET", "/api/alerts?since=x", None, 400, "web.parameter", "since"),
    ("GET", "/api/alerts?until=99999999999999999999999", None, 400, "web.parameter", "until"),
    ("GET", "/api/alerts?cursor=zzz", None, 400, "alert.cursor_invalid", None),
    # Not built yet, so refused rather than ignored.
    ("GET", "/api/alerts?state=active", None, 400, "web.parameter_unknown", "state"),
    ("GET", "/api/alerts/none", None, 404, "alert.unknown", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "pointer"), REFUSALS)
def test_refusals_are_problems(
    rest: Rest, method: str, path: str, body: Any, status: int, code: str, pointer: str | None
) -> None:
    found = problem(rest(method, path, body), status, code)
    assert [place["pointer"] for place in found["errors"]][:1] == (
        [] if pointer is None else [pointer]
    )


def test_the_text_of_an_unknown_alert_is_the_guide_s(rest: Rest) -> None:
    assert rest("GET", "/api/alerts/none")[1]["error"] == "Alert not found"


def test_a_pattern_and_its_versions_in_both_services(rest: Rest, streaming: Rest) -> None:
    mine = {**ONE_STEP, "id": "versions"}
    for version in (1, 2):
        status, reply = streaming("POST", "/api/cep/patterns", mine)
        assert (status, reply["status"], reply["pattern"]) == (200, "registered", "versions")
        assert reply["version"] == version
    assert rest("POST", "/api/patterns", {**mine, "name": "New"})[1]["version"] == 3
    one = streaming("GET", "/api/cep/patterns/versions")[1]
    assert (one["name"], one["revision"]) == ("New", 3)
    assert rest("DELETE", "/api/patterns/versions")[0] == 200
    assert streaming("GET", "/api/cep/patterns/versions")[0] == 404


def test_an_event_is_stored_as_it_was_posted(rest: Rest, streaming: Rest) -> None:
    before = len(stored(streaming))
    event = {"eventType": "other", "eventId": "own-id", "eventSource": "shop",
             "timestamp": "2024-01-01T00:00:00Z", "data": {"a": [1.5, None]}}  # fmt: skip
    status, reply = rest("POST", "/api/events", event)
    assert (status, reply["status"], reply["eventId"]) == (200, "processed", "own-id")
    assert (reply["topic"], reply["offset"]) == ("events", before)
    (record,) = stored(streaming)[before:]
    assert record["key"] == "own-id"
    assert json.loads(record["value"]) == {**event, "source": "shop"}


def test_defaults_of_an_event(rest: Rest, streaming: Rest) -> None:
    ids = [rest("POST", "/api/events", {"eventType": "other"})[1]["eventId"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(uuid.UUID(one).version == 7 for one in ids)
    last = json.loads(stored(streaming)[-1]["value"])
    assert last["eventId"] == ids[-1]
    assert last["source"] == "rest"
    assert abs(last["timestamp"] - time.time() * 1000) < 60_000


def test_one_id_from_twenty_clients_at_once_is_one_event(rest: Rest, streaming: Rest) -> None:
    before = len(stored(streaming))

    def post(n: int) -> tuple[int, Any]:
        return rest("POST", "/api/events", seen("twenty", eventId="same", n=n))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    assert {status for status, _ in answers} == {200}
    assert sum("duplicate" not in reply for _, reply in answers) == 1
    assert {reply["offset"] for _, reply in answers} == {before}
    assert len(stored(streaming)) == before + 1
    assert rest("GET", "/api/alerts?key=twenty")[1]["count"] == 1


def test_a_repeated_id_is_not_processed_again_whatever_it_brings(
    rest: Rest, streaming: Rest
) -> None:
    first = rest("POST", "/api/events", seen("once", eventId="r"))[1]
    again = rest("POST", "/api/events", seen("twice", eventId="r"))
    assert again == (200, {**first, "duplicate": True})
    assert rest("GET", "/api/alerts?key=once")[1]["count"] == 1
    assert rest("GET", "/api/alerts?key=twice")[1]["count"] == 0


def test_alerts_can_be_read_when_the_answer_comes(rest: Rest) -> None:
    for n in range(30):
        assert rest("POST", "/api/events", seen(f"now-{n}"))[0] == 200
        found = rest("GET", f"/api/alerts?key=now-{n}")[1]
        assert (found["count"], found["alerts"][0]["title"]) == (1, f"Saw now-{n}")


def test_without_waiting_it_is_202(rest: Rest) -> None:
    status, reply = rest("POST", "/api/events?wait=false", seen("later", eventId="l"))
    assert (status, reply["status"], reply["eventId"]) == (202, "accepted", "l")
    # The same id again, this time waiting for what it completes.
    status, reply = rest("POST", "/api/events", seen("later", eventId="l"))
    assert (status, reply["status"], reply["duplicate"]) == (200, "processed", True)
    assert rest("GET", "/api/alerts?key=later")[1]["count"] == 1


def test_filters_and_pages_of_alerts(rest: Rest) -> None:
    # Not before the events of the other tests: an old event is taken when it comes.
    start_ms = int(time.time() * 1000) + 1_000
    for n in range(5):
        rest("POST", "/api/events", seen("pages", timestamp=start_ms + n, eventId=f"p{n}"))
    all_five = rest("GET", "/api/alerts?key=pages")[1]
    times = [alert["timestamp"] for alert in all_five["alerts"]]
    assert times == sorted(times, reverse=True)
    paged: list[Any] = []
    cursor = ""
    while True:
        page = rest("GET", f"/api/alerts?key=pages&limit=2{cursor}")[1]
        assert page["count"] == len(page["alerts"])
        paged += page["alerts"]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert paged == all_five["alerts"]
    for query, count in (
        ("severity=critical", 5), ("severity=CRITICAL", 5), ("severity=low", 0),
        ("pattern=seen", 5), ("pattern=none", 0), ("q=saw+pages", 5), ("q=nothing", 0),
        (f"since={start_ms + 2}", 3), (f"until={start_ms + 2}", 2),
        ("since=2099-01-01T00:00:00Z", 0),
    ):  # fmt: skip
        assert rest("GET", f"/api/alerts?key=pages&{query}")[1]["count"] == count, query
    one = all_five["alerts"][0]
    assert rest("GET", f"/api/alerts/{one['id']}") == (200, one)


def test_stats(rest: Rest) -> None:
    status, stats = rest("GET", "/api/stats")
    assert status == 200
    assert {"totalAlerts", "criticalAlerts", "highAlerts", "correlatedGroups",
            "activeSequences"} <= stats.keys()  # fmt: skip
    assert stats["totalAlerts"] == stats["criticalAlerts"] > 0
    assert stats["highAlerts"] == 0


def test_an_event_over_the_wire_is_no_json_and_harms_nobody(
    system: Running, rest: Rest, streaming: Rest
) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": system.ready["broker"]})
    for value in (b"\xff\xfe", b"not json", b"[1]", None):
        producer.produce("events", value, b"foreign")
    assert producer.flush(10) == 0
    assert rest("POST", "/api/events", seen("after"))[0] == 200
    assert rest("GET", "/api/alerts?key=after")[1]["count"] == 1
    dead = streaming("GET", "/api/topics/events.dlq")[1]["partitions"]
    assert sum(p["highWaterMark"] for p in dead) >= 3


def test_a_pattern_may_begin_with_the_past(rest: Rest) -> None:
    for user in ("past-1", "past-2"):
        assert rest("POST", "/api/events", seen(user))[0] == 200
    late = {**ONE_STEP, "id": "seen-too", "name": "Seen too"}
    problem(rest("POST", "/api/patterns?since=never", late), 400, "web.parameter")
    problem(rest("POST", "/api/patterns?begin=1", late), 400, "web.parameter_unknown")
    assert rest("GET", "/api/patterns/seen-too")[0] == 404  # refused is not half registered
    status, reply = rest("POST", "/api/patterns?since=earliest", late)
    assert (status, reply["pattern"]) == (200, "seen-too")
    wanted, found = {"past-1", "past-2"}, set[str]()
    end = time.monotonic() + 60
    while not wanted <= found and time.monotonic() < end:
        alerts = rest("GET", "/api/alerts?pattern=seen-too")[1]["alerts"]
        found = {alert["key"]["user"] for alert in alerts}
        time.sleep(0.05)
    assert wanted <= found
    assert rest("DELETE", "/api/patterns/seen-too")[0] == 200


def test_every_rest_call_of_the_guide(system: Running) -> None:
    """The file that a reader of the guide runs; the last test here, as its rule matches all."""
    script = Path(__file__).parents[2] / "examples" / "guide" / "rest_calls.py"
    done = subprocess.run(
        [sys.executable, str(script), "--streaming", system.ready["streaming"],
         "--correlation", system.ready["correlation"], "--collector-port", "0"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    calls = {tuple(line.split()[:2]) for line in done.stdout.splitlines()}
    for method, path in GUIDES_CALLS:
        assert any(call == method and re.fullmatch(path, at) for call, at in calls), path
    for text in ("Received event: entity.created", "Correlated 2 events by s-1",
                 "ALERT: Pattern Match: Suspicious Activity Detection [high]"):  # fmt: skip
        assert text in done.stdout
