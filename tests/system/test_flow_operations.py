"""Operating two workers from outside, by commands, REST and Prometheus; one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.running import Running, call, run

pytestmark = pytest.mark.slow

T0 = 1_700_000_000_000
RULE = {
    "kind": "pattern", "id": "brute", "name": "Brute force", "groupBy": ["ip"],
    "steps": [{"name": "failed", "where": 'eventType == "failed"', "times": 5}], "within": "60s",
    "action": {"type": "alert", "config": {"severity": "high", "title": "From ${ip}"}},
}  # fmt: skip
KEYS = 40


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("flow") / "data"
    with Running("broker", "--port", "0", "--data-dir", str(data)) as running:
        yield str(running.ready["broker"])


def summit(broker: str, *arguments: str, stdin: bytes = b"") -> Any:
    """The JSON that a command prints."""
    options = ("-b", broker, "-o", "json")
    done = run(*arguments, *options, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def produce(broker: str, seconds: range) -> None:
    """A failure of each key in each of these seconds; a key's in one partition, so in order."""
    lines = [
        json.dumps({"eventType": "failed", "timestamp": T0 + 1000 * second, "ip": f"k{key}"})
        for second in seconds
        for key in range(KEYS)
    ]
    done = run(
        "produce", "auth", "--key-field", "ip", "-b", broker, stdin="\n".join(lines).encode()
    )
    assert done.returncode == 0, done.stderr.decode()


def until(look: Callable[[], Any], timeout_s: float = 60) -> Any:
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.2)


def scraped(worker: Running) -> dict[str, float]:
    """A worker's samples by name, those of its rules and inputs summed up."""
    with urllib.request.urlopen(f"{worker.ready['metrics']}/metrics", timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            found[name] = found.get(name, 0.0) + float(value)
    return found


def test_two_workers_operated_from_outside(broker: str, tmp_path: Path) -> None:
    rule = tmp_path / "rule.json"
    rule.write_text(json.dumps(RULE))
    assert run("topic", "create", "auth", "-p", "4", "-b", broker).returncode == 0
    summit(broker, "rules", "apply", str(rule))
    options = ("worker", "-b", broker, "--metrics-port", "0")
    with (
        Running(*options) as first,
        Running(*options) as second,
        Running("correlation", "--port", "0", "--workers", "0", "-b", broker) as service,
    ):

        def flow() -> dict[str, Any]:
            found: dict[str, Any] = summit(broker, "flow", "describe")
            return found

        def shared() -> Any:
            found = flow()
            counts = [row["keyGroupCount"] for row in found["workers"]]
            return found if counts == [32, 32] else None

        until(shared)
        produce(broker, range(3))
        told = until(lambda: (f := flow())["totals"]["runs"] == 3 * KEYS and f)
        assert told["totals"] | {"eventsPerSec": 0} == {
            "lag": 0, "eventsPerSec": 0, "runs": 3 * KEYS, "keys": KEYS, "alerts": 0,
        }  # fmt: skip
        assert {row["worker"] for row in told["inputs"]} <= {row["id"] for row in told["workers"]}
        status, served = call("GET", f"{service.ready['correlation']}/api/flow")
        assert (status, served["keyGroups"]) == (200, told["keyGroups"])
        one, two = scraped(first), scraped(second)
        assert one["summit_worker_events_total"] + two["summit_worker_events_total"] == 3 * KEYS
        assert one["summit_rule_runs"] + two["summit_rule_runs"] == 3 * KEYS
        assert one["summit_worker_key_groups"] == 32

        # Paused: what comes waits. One worker is killed; the other takes over and obeys.
        assert summit(broker, "flow", "pause", "-t", "auth")["acting"] is True
        produce(broker, range(3, 4))
        first.end(signal.SIGKILL)
        until(lambda: [row["keyGroupCount"] for row in flow()["workers"]] == [64])
        # The group has shared out at once; what the killed worker left open holds up the rest.
        until(lambda: (s := scraped(second))["summit_worker_key_groups"] == 64
              and s["summit_rule_runs"] == 3 * KEYS)  # fmt: skip
        waiting = until(lambda: (f := flow())["totals"]["runs"] == 3 * KEYS and f)
        assert (waiting["totals"]["lag"], waiting["totals"]["runs"]) == (KEYS, 3 * KEYS)
        assert waiting["paused"]["topics"] == ["auth"]
        assert scraped(second)["summit_worker_restored_records_total"] > 0
        (key,) = summit(broker, "state", "get", "--rule", "brute", "--key", "k7")
        assert [len(each["events"]) for each in key["runs"]] == [3, 2, 1]

        assert summit(broker, "flow", "resume")["paused"]["topics"] == []
        produce(broker, range(4, 5))
        until(lambda: len(summit(broker, "alerts", "list")) == KEYS)
        assert summit(broker, "flow", "drain", "--timeout", "30s")["acting"] is True
        done = flow()
        assert (done["totals"]["lag"], done["totals"]["runs"]) == (0, 0)
        gone = run("state", "get", "--rule", "brute", "--key", "k7", "-b", broker)
        assert gone.returncode == 3
        assert b"nothing unfinished" in gone.stderr

        # The past read again: the same alerts, each written beside once.
        known = {alert["id"] for alert in summit(broker, "alerts", "list")}
        for written in (KEYS, 0):
            again = run("flow", "replay", "--to", "_again", "-b", broker, "-o", "json")
            *alerts, told = map(json.loads, again.stdout.splitlines())
            assert {alert["id"] for alert in alerts} == known
            assert told["replayed"]["written"] == written
        refused = run("flow", "replay", "--since", "yesterday", "-b", broker)
        assert refused.returncode == 2
        assert b"2h" in refused.stderr


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_several_workers_of_one_command(broker: str) -> None:
    options = ("worker", "-b", broker, "--processes", "2", "--metrics-port", "0", "--standby", "1")
    with Running(*options, "--instance-id", "many") as running:
        first, second = running.ready["pids"].values()
        ports = running.ready["metrics"]

        def held() -> list[float]:
            found = []
            for url in ports:
                try:
                    with urllib.request.urlopen(f"{url}/metrics", timeout=20) as answer:
                        lines = answer.read().decode().splitlines()
                except OSError:  # it is being started again
                    return []
                name = "summit_worker_key_groups"
                found += [float(line.split()[-1]) for line in lines if line.split("{")[0] == name
                          or line.startswith(f"{name} ")]  # fmt: skip
            return found

        until(lambda: held() == [32.0, 32.0])
        told = summit(broker, "flow", "describe")["workers"]
        assert {row["pid"] for row in told} == {first, second}
        os.kill(first, signal.SIGKILL)
        # It comes back by its name, on its port, and has its share again.
        until(lambda: not alive(first) and held() == [32.0, 32.0], 120)
        told = summit(broker, "flow", "describe")["workers"]
        assert {row["pid"] for row in told} > {second}
        (third,) = {row["pid"] for row in told} - {second}
        assert running.end() == 0
        assert not alive(second)
        assert not alive(third)
    refused = run("worker", "--processes", "0")
    assert refused.returncode == 2
    refused = run("worker", "--processes", "5", "--metrics-port", "65533")
    assert refused.returncode == 2
    assert b"no room" in refused.stderr
