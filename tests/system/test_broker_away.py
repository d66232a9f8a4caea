"""Services whose broker goes away: 503 with Retry-After meanwhile, then on by themselves."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running
from tests.system.test_rest_correlation import ONE_STEP, seen

pytestmark = pytest.mark.slow
RECOVERY_S = 30


def until(done, seconds: float = RECOVERY_S) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)


def test_services_outlive_a_broker_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = Running("broker", "--port", "0", "--data-dir", data).wait_ready()
    address = first.ready["broker"]
    dial = ("--port", "0", "--workers", "0", "-b", address)
    try:
        with (
            Running("streaming", *dial) as streaming,
            Running("correlation", *dial) as correlation,
            Running("worker", "-b", address),
        ):
            rest = Rest(correlation.ready["correlation"])
            topics = Rest(streaming.ready["streaming"])
            assert rest("POST", "/api/patterns", ONE_STEP)[0] == 200
            body = {"name": "web", "type": "http", "topic": "raw", "port": 0}
            ingest = Rest(f"http://{topics('POST', '/api/collectors', body)[1]['address']}")
            assert rest("POST", "/api/events", seen("before", eventId="1"))[0] == 200
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait(10)

            status, health = rest("GET", "/health")
            assert (status, health["status"]) == (503, "unhealthy")
            assert health["error"]
            with (
                rest.later("POST", "/api/events", seen("during", eventId="2")) as posted,
                topics.later("POST", "/api/produce", {"topic": "raw", "value": "x"}) as produced,
                topics.later("GET", "/api/topics") as listed,
                topics.later("GET", "/api/metrics") as metrics,
                ingest.later("POST", "/ingest", {"eventType": "a"}) as ingested,
            ):
                for answer in (posted, produced, listed, metrics, ingested):
                    status, members = answer.result(20)
                    problem((status, members), 503, members["code"])
            # What was read before can still be read.
            assert rest("GET", "/api/alerts?key=before")[1]["count"] == 1

            host, _, port = address.rpartition(":")
            with Running("broker", "--host", host, "--port", port, "--data-dir", data):
                until(lambda: rest("GET", "/health")[0] == topics("GET", "/health")[0] == 200)
                until(lambda: rest("POST", "/api/events", seen("during", eventId="2"))[0] == 200)
                until(lambda: ingest("POST", "/ingest", {"eventType": "a"})[0] == 200)
                assert rest("POST", "/api/events", seen("before", eventId="1"))[1]["duplicate"]
                assert rest("POST", "/api/events", seen("after", eventId="3"))[0] == 200
                for user in ("before", "during", "after"):
                    assert rest("GET", f"/api/alerts?key={user}")[1]["count"] == 1
                stored = topics("GET", "/api/consume/events/0")[1]["messages"]
                assert [record["key"] for record in stored] == ["1", "2", "3"]
                assert topics("POST", "/api/produce", {"topic": "raw", "value": "x"})[0] == 200
    finally:
        if first.process.poll() is None:
            first.process.kill()


def test_a_frozen_broker_makes_503_within_20_s_and_nothing_is_stored_twice(tmp_path: Path) -> None:
    with Running("up", "--port", "0", "--data-dir", str(tmp_path / "data")) as up:
        rest = Rest(up.ready["correlation"])
        streaming = Rest(up.ready["streaming"])
        assert rest("POST", "/api/patterns", ONE_STEP)[0] == 200
        broker = up.ready["pids"]["broker"]
        os.kill(broker, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with (
                rest.later("POST", "/api/events", seen("x", eventId="1")) as posted,
                rest.later("POST", "/api/patterns", {**ONE_STEP, "id": "other"}) as registered,
                streaming.later("GET", "/api/topics") as listed,
                streaming.later("GET", "/api/metrics") as metrics,
                streaming.later("GET", "/api/consume/events/0") as consumed,
            ):
                for answer in (posted, registered, listed, metrics, consumed):
                    status, members = answer.result(25)
                    problem((status, members), 503, members["code"])
            assert time.monotonic() - began < 20
            assert rest("GET", "/health")[0] == 503
        finally:
            os.kill(broker, signal.SIGCONT)
        until(lambda: rest("GET", "/health")[0] == 200)
        until(lambda: rest("POST", "/api/events", seen("x", eventId="1"))[0] == 200)
        assert rest("GET", "/api/alerts?key=x&pattern=seen")[1]["count"] == 1
        assert streaming("GET", "/api/consume/events/0")[1]["count"] == 1
