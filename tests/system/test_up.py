"""`summit up` as its user runs it: ready line, REST, rules that act at once, restart, shutdown."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.system.running import Running, call, run

PATTERN = {
    "id": "suspicious-activity-pattern",
    "name": "Suspicious Activity Detection",
    "conditions": [
        {"field": "eventType", "operator": "eq", "value": "auth.login.failed",
         "eventType": "auth.login.failed"},
        {"field": "eventType", "operator": "eq", "value": "auth.login.success",
         "eventType": "auth.login.success"},
    ],
    "groupBy": ["userId"],
    "windowConfig": {"type": "sliding", "size": 60_000},
    "action": {"type": "alert", "config": {"severity": "high", "notify": ["security-team"]}},
}  # fmt: skip


def event(event_id: str, kind: str, at_ms: int, user: str = "u1") -> dict[str, object]:
    return {"eventId": event_id, "eventType": kind, "timestamp": at_ms, "userId": user}


@pytest.fixture
def up(tmp_path: Path):
    with Running("up", "--port", "0", "--data-dir", str(tmp_path / "data")) as system:
        yield system


def test_an_event_becomes_an_alert_that_can_be_read_at_once(up: Running) -> None:
    correlation = up.ready["correlation"]
    status, reply = call("POST", f"{correlation}/api/patterns", PATTERN)
    assert (status, reply["status"], reply["pattern"]) == (200, "registered", PATTERN["id"])
    assert not any("worker" in warning for warning in reply["warnings"])
    now_ms = int(time.time() * 1000)
    for number, kind in enumerate(("auth.login.failed", "auth.login.success")):
        status, reply = call(
            "POST", f"{correlation}/api/events", event(f"e{number}", kind, now_ms + number)
        )
        assert (status, reply["status"], reply["eventId"]) == (200, "processed", f"e{number}")
    status, found = call("GET", f"{correlation}/api/alerts?severity=high")
    assert (status, found["count"]) == (200, 1)
    (alert,) = found["alerts"]
    assert alert["severity"] == "high"
    assert alert["pattern"] == PATTERN["id"]
    assert call("GET", f"{correlation}/api/alerts/{alert['id']}")[1] == alert
    assert call("GET", f"{correlation}/api/stats")[1]["highAlerts"] == 1
    # The same ids again: known, and nothing new comes of them.
    status, reply = call(
        "POST", f"{correlation}/api/events", event("e1", "auth.login.success", now_ms + 1)
    )
    assert (status, reply["duplicate"]) == (200, True)
    assert call("GET", f"{correlation}/api/alerts")[1]["count"] == 1


def test_known_after_a_restart_even_by_kill(tmp_path: Path) -> None:
    arguments = ("up", "--port", "0", "--data-dir", str(tmp_path / "data"))
    now_ms = int(time.time() * 1000)
    with Running(*arguments) as up:
        correlation = up.ready["correlation"]
        call("POST", f"{correlation}/api/patterns", PATTERN)
        call("POST", f"{correlation}/api/events", event("a", "auth.login.failed", now_ms))
        call("POST", f"{correlation}/api/events", event("b", "auth.login.success", now_ms + 5))
        call("POST", f"{correlation}/api/events", event("c", "auth.login.failed", now_ms + 9, "u2"))
        before = call("GET", f"{correlation}/api/alerts")[1]
        assert before["count"] == 1
        for pid in up.ready["pids"].values():
            subprocess.run(["kill", "-9", str(pid)], check=True)
        up.end(signal.SIGKILL)
    with Running(*arguments) as up:
        correlation = up.ready["correlation"]
        assert call("GET", f"{correlation}/api/alerts")[1] == before
        assert call("GET", f"{correlation}/api/patterns")[1]["count"] == 1
        status, reply = call(
            "POST", f"{correlation}/api/events", event("b", "auth.login.success", now_ms + 5)
        )
        assert (status, reply["duplicate"]) == (200, True)
        # The match that was half done before the kill is finished after it.
        status, _ = call(
            "POST", f"{correlation}/api/events", event("d", "auth.login.success", now_ms + 20, "u2")
        )
        assert status == 200
        after = call("GET", f"{correlation}/api/alerts")[1]
        assert after["count"] == 2
        assert {alert["id"] for alert in before["alerts"]} < {a["id"] for a in after["alerts"]}


def test_streaming_routes(up: Running) -> None:
    base = up.ready["streaming"]
    status, health = call("GET", f"{base}/health")
    assert (status, health["service"], health["isLeader"]) == (200, "streaming-service", True)
    topic = {"name": "intelligence-events", "partitions": 6, "replicationFactor": 3,
             "retentionMs": 604_800_000, "compressionType": "lz4"}  # fmt: skip
    status, reply = call("POST", f"{base}/api/topics", topic)
    assert (status, reply["status"]) == (200, "created")
    assert reply["warnings"]
    assert call("POST", f"{base}/api/topics", topic)[0] == 409
    listed = call("GET", f"{base}/api/topics")[1]["topics"]
    assert {"name": "intelligence-events", "partitions": 6}.items() <= next(
        t for t in listed if t["name"] == "intelligence-events"
    ).items()
    record = {"topic": "intelligence-events", "key": "entity-123", "value": {"a": 1}}
    status, reply = call("POST", f"{base}/api/produce", record)
    assert status == 200
    result = reply["result"]
    partition = result["partition"]
    assert result["offset"] == 0
    path = f"{base}/api/consume/intelligence-events/{partition}?offset=0"
    status, found = call("GET", path)
    assert (status, found["count"], found["nextOffset"]) == (200, 1, 1)
    assert found["messages"][0]["value"] == '{"a":1}'
    assert call("GET", f"{base}/api/consume/intelligence-events/9")[0] == 404
    assert call("GET", f"{base}/api/consume/none/0")[0] == 404
    assert call("POST", f"{base}/api/produce", {"topic": "none", "value": "x"})[0] == 404
    status, metrics = call("GET", f"{base}/api/metrics")
    assert status == 200
    assert {"messagesInPerSec", "bytesOutPerSec", "underReplicatedPartitions",
            "leaderElectionRate", "worker"} <= metrics.keys()  # fmt: skip
    status, text = call("GET", f"{base}/metrics")
    assert status == 200
    assert "kafka_consumergroup_lag" in text
    deadline = time.monotonic() + 60
    while "summit_worker_events_total{worker=" not in call("GET", f"{base}/metrics")[1]:
        assert time.monotonic() < deadline, "no worker has told its figures"
        time.sleep(0.5)
    status, problem = call("GET", f"{base}/api/nothing")
    assert (status, problem["status"]) == (404, 404)
    assert problem["error"]
    assert call("DELETE", f"{base}/api/produce")[0] == 405


def test_bad_patterns_are_refused_with_pointers(up: Running) -> None:
    base = up.ready["streaming"]
    bad = {**PATTERN, "conditions": [{"field": "a", "operator": "equals", "value": 1}]}
    status, problem = call("POST", f"{base}/api/cep/patterns", bad)
    assert status == 400
    assert problem["errors"][0]["pointer"] == "/conditions/0/operator"
    status, problem = call("POST", f"{base}/api/cep/patterns", {**PATTERN, "groupBuy": ["a"]})
    assert status == 400
    assert "groupBy" in str(problem["errors"])
    assert call("GET", f"{base}/api/cep/patterns")[1]["count"] == 0
    for body in ({"userId": "x"}, [1], {"eventType": ""}, {"eventType": "a", "timestamp": "noon"}):
        assert call("POST", f"{up.ready['correlation']}/api/events", body)[0] == 400
    assert call("POST", f"{up.ready['correlation']}/api/events", b"{not json")[0] == 400
    assert call("GET", f"{up.ready['correlation']}/api/alerts?severity=terrible")[0] == 400
    assert call("GET", f"{up.ready['correlation']}/api/alerts/none")[0] == 404


def test_collectors_start_or_leave_nothing_behind(up: Running, tmp_path: Path) -> None:
    base = up.ready["streaming"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        body = {"name": "web", "type": "http", "topic": "raw", "port": taken.getsockname()[1]}
        status, _ = call("POST", f"{base}/api/collectors", body)
        assert status == 409
        assert call("GET", f"{base}/api/collectors")[1]["count"] == 0
    status, reply = call("POST", f"{base}/api/collectors", {**body, "port": 0})
    assert (status, reply["state"]) == (200, "running")
    status, answer = call("POST", f"http://{reply['address']}/ingest?x=1", [{"eventType": "a"}] * 3)
    assert (status, answer["accepted"]) == (200, 3)
    status, reply = call(
        "POST", f"{base}/api/collectors", {"name": "q", "type": "database", "topic": "x"}
    )
    assert status == 400
    assert call("DELETE", f"{base}/api/collectors/web")[0] == 200
    assert call("GET", f"{base}/api/collectors")[1]["count"] == 0


def test_sigterm_drains_and_exits_0(tmp_path: Path) -> None:
    system = Running("up", "--port", "0", "--data-dir", str(tmp_path / "data")).wait_ready()
    assert system.end(signal.SIGTERM) == 0
    for pid in system.ready["pids"].values():
        assert not Path(f"/proc/{pid}").exists()
    assert (tmp_path / "data" / "clean-shutdown").exists()


def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    system = Running("up", "--port", "0", "--data-dir", str(tmp_path / "data")).wait_ready()
    system.end(signal.SIGKILL)
    deadline = time.monotonic() + 90
    left = set(system.ready["pids"].values())
    while left and time.monotonic() < deadline:
        left = {pid for pid in left if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)}
        time.sleep(0.05)
    assert not left


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_second_broker_on_the_same_data_and_a_taken_port_fail_with_1(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with Running("broker", "--port", "0", "--data-dir", data) as first:
        second = run("broker", "--port", "0", "--data-dir", data)
        assert second.returncode == 1
        assert b"in use" in second.stderr
        port = first.ready["broker"].rpartition(":")[2]
        third = run("broker", "--port", port, "--data-dir", str(tmp_path / "other"))
        assert third.returncode == 1
        assert port.encode() in third.stderr


def test_help_is_quick_and_needs_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv=['summit','--help']\n"
        "from summit.cli.main import root\n"
        "try: root.main(standalone_mode=False)\n"
        "finally:\n"
        "  heavy={'starlette','uvicorn','confluent_kafka','rich','asyncio','structlog','msgspec'}\n"
        "  print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=90, check=True
    )
    assert "heavy: []" in done.stdout
