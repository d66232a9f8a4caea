"""`kill -9` of worker, node and broker under load: nothing acknowledged is lost, alerts are exact.

Clients post events one by one and repeat what was not answered with the same id; others send
batches to an HTTP collector and repeat what was not acknowledged (so the log may hold an event
twice, and the rules see it twice). What alerts there must be is computed from the log alone.
"""

import json
import os
import random
import signal
import socket
import threading
import time
import urllib.error
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.system.rest import Rest
from tests.system.running import Running, call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

SINGLE = {
    "id": "single", "topics": ["events"], "groupBy": ["user"],
    "steps": [{"name": "a", "where": 'eventType == "seen"'}],
    "action": {"type": "alert", "config": {"severity": "low"}},
}  # fmt: skip
PAIR = {
    "id": "pair", "topics": ["events"], "groupBy": ["user"], "within": "1h",
    "steps": [{"name": "a", "where": 'eventType == "first"'},
              {"name": "b", "relation": "followedBy", "where": 'eventType == "second"'}],
    "afterMatch": "pastLast", "action": {"type": "alert", "config": {"severity": "high"}},
}  # fmt: skip
THREE = {
    "id": "three", "topics": ["ingested"], "groupBy": ["user"], "within": "1h",
    "steps": [{"name": "f", "where": 'eventType == "failed"', "times": 3}],
    "afterMatch": "pastLast", "action": {"type": "alert", "config": {"severity": "high"}},
}  # fmt: skip


class Clients:
    """Post for as long as they are told to; keep what was acknowledged."""

    def __init__(self, correlation: str, ingest: str) -> None:
        self._correlation = correlation
        self._ingest = ingest
        self._stop = threading.Event()
        self.posted: dict[str, int] = {}  # event id -> offset it was acknowledged at
        self.ingested: set[str] = set()
        self.repeats = 0
        self.errors: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._guard, args=(self._post, number)) for number in range(3)
        ] + [threading.Thread(target=self._guard, args=(self._collect, 0))]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.errors, self.errors

    def _guard(self, work: Any, number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - told to the thread that waits for this one
            self.errors.append(error)

    def _post(self, number: int) -> None:
        rand = random.Random(number)
        n = 0
        while not self._stop.is_set():
            n += 1
            event_id = f"{number}-{n}"
            kind = rand.choice(("seen", "first", "second", "other"))
            event = {"eventType": kind, "eventId": event_id, "user": f"u{number}-{n % 7}"}
            reply = self._insist(f"{self._correlation}/api/events", event)
            if reply is not None:
                self.posted[event_id] = reply["offset"]

    def _collect(self, number: int) -> None:
        rand = random.Random(99)
        n = 0
        while not self._stop.is_set():
            n += 1
            batch = [
                {"eventType": rand.choice(("failed", "fine")), "eventId": f"c{n}-{m}",
                 "user": f"c{rand.randint(0, 20)}", "timestamp": 1_700_000_000_000 + n}
                for m in range(5)
            ]  # fmt: skip
            if self._insist(f"{self._ingest}/ingest", batch) is not None:
                self.ingested |= {event["eventId"] for event in batch}

    def _insist(self, url: str, body: Any) -> Any:
        """The reply, as soon as there is one; None when it is time to stop first."""
        while True:
            try:
                status, reply = call("POST", url, body)
            except (OSError, urllib.error.URLError):
                status, reply = 0, None
            if status == 200:
                return reply
            assert status in (0, 503), (status, reply)
            self.repeats += 1
            if self._stop.wait(0.1):
                return None


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def read_topic(streaming: Rest, topic: str) -> list[tuple[tuple[str, int, int], dict[str, Any]]]:
    """Every record of a topic with its place, partition after partition."""
    found = []
    for partition in range(len(streaming("GET", f"/api/topics/{topic}")[1]["partitions"])):
        offset = 0
        while True:
            path = f"/api/consume/{topic}/{partition}?max=1000&offset={offset}"
            page = streaming("GET", path)[1]
            for record in page["messages"]:
                place = (topic, partition, record["offset"])
                found.append((place, json.loads(record["value"])))
            offset = page["nextOffset"]
            if not page["messages"]:
                break
    return found


def expected_alerts(events: list, ingested: list) -> Counter[tuple[str, str]]:
    """What the rules must find in these records: (rule, user) -> how often."""
    found: Counter[tuple[str, str]] = Counter()
    waiting: set[str] = set()
    for _, event in events:
        user = event["user"]
        if event["eventType"] == "seen":
            found["single", user] += 1
        elif event["eventType"] == "first":
            waiting.add(user)
        elif event["eventType"] == "second" and user in waiting:
            found["pair", user] += 1
            waiting.discard(user)
    failures: dict[str, int] = defaultdict(int)
    for _, event in ingested:
        failures[event["user"]] += event["eventType"] == "failed"
    for user, count in failures.items():
        found["three", user] = count // 3
    return +found


def all_alerts(correlation: Rest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = correlation("GET", f"/api/alerts?limit=1000{cursor}")[1]
        found += page["alerts"]
        if "nextCursor" not in page:
            return found
        cursor = f"&cursor={page['nextCursor']}"


def until_matched(streaming: Rest, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while True:
        status, metrics = streaming("GET", "/api/metrics")
        if status == 200 and metrics["worker"]["lagRecords"] == 0:
            return
        assert time.monotonic() < deadline, metrics
        time.sleep(0.3)


def pid_of(up: Running, child: str) -> int:
    """The process id of a child now: it may have been started again."""
    wanted = "worker" if child.startswith("worker") else child
    children = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text().split()
    for pid in map(int, children):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if wanted.encode() in arguments:
            return pid
    raise AssertionError(f"no {child} among {children}")


def test_killed_under_load(tmp_path: Path) -> None:
    seed = os.environ.get("SUMMIT_TEST_SEED") or str(time.time_ns())
    print(f"SUMMIT_TEST_SEED={seed}")
    rand = random.Random(seed)
    streaming_port, correlation_port, broker_port, ingest_port = free_ports(4)
    arguments = (
        "up", "--port", str(streaming_port), "--correlation-port", str(correlation_port),
        "--broker-port", str(broker_port), "--data-dir", str(tmp_path / "data"), "--workers", "1",
    )  # fmt: skip
    streaming = Rest(f"http://127.0.0.1:{streaming_port}")
    correlation = Rest(f"http://127.0.0.1:{correlation_port}")
    up = Running(*arguments).wait_ready()
    try:
        for rule in (SINGLE, PAIR, THREE):
            assert correlation("POST", "/api/patterns", rule)[0] == 200
        # One partition, so that the order in which the rules see the records is that of the log.
        assert streaming("POST", "/api/topics", {"name": "ingested", "partitions": 1})[0] == 200
        collector = {"name": "c", "type": "http", "topic": "ingested", "port": ingest_port}
        assert streaming("POST", "/api/collectors", collector)[0] == 200
        with Clients(correlation.url, f"http://127.0.0.1:{ingest_port}") as clients:
            for victim in ("worker", "node", "worker"):
                time.sleep(rand.uniform(1.0, 3.0))
                os.kill(pid_of(up, victim), signal.SIGKILL)
            time.sleep(rand.uniform(1.0, 4.0))
            os.kill(pid_of(up, "broker"), signal.SIGKILL)
            assert up.process.wait(40) == 1
            up = Running(*arguments).wait_ready()
            time.sleep(3)
        until_matched(streaming)
        events = read_topic(streaming, "events")
        ingested = read_topic(streaming, "ingested")
        alerts = all_alerts(correlation)
    finally:
        up.end()

    print(
        f"{len(events)} + {len(ingested)} events, {clients.repeats} repeats, {len(alerts)} alerts"
    )
    ids = Counter(event["eventId"] for _, event in events)
    assert len(clients.posted) > 20
    assert len(clients.ingested) > 100
    assert clients.repeats > 0
    assert set(ids.values()) == {1}, "an event was stored twice"
    at = {event["eventId"]: place[2] for place, event in events}
    assert {one: at.get(one) for one in clients.posted} == clients.posted
    assert clients.ingested <= {event["eventId"] for _, event in ingested}

    places = dict((*events, *ingested))
    for alert in alerts:
        for evidence in alert["evidence"]:
            event = places[evidence["topic"], evidence["partition"], evidence["offset"]]
            assert event["user"] == alert["key"]["user"]
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    found = Counter((alert["pattern"], alert["key"]["user"]) for alert in alerts)
    assert found == expected_alerts(events, ingested)
