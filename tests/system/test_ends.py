"""How a running system ends, and how a second one fails to start."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.system.rest import Rest
from tests.system.running import Running, call, run
from tests.system.test_kill import read_topic
from tests.system.test_rest_correlation import ONE_STEP, seen


@pytest.mark.slow
def test_sigterm_under_load_exits_0_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    arguments = ("up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--workers", "1")
    up = Running(*arguments).wait_ready()
    rest, streaming = Rest(up.ready["correlation"]), Rest(up.ready["streaming"])
    assert rest("POST", "/api/patterns", ONE_STEP)[0] == 200
    collector = {"name": "c", "type": "http", "topic": "raw", "port": 0}
    ingest = Rest(f"http://{streaming('POST', '/api/collectors', collector)[1]['address']}")
    posted: set[str] = set()
    ingested: set[str] = set()
    refusals: set[int] = set()

    def send(to: Rest, path: str, body: Any, ids: list[str], known: set[str]) -> bool:
        try:
            status, _ = to("POST", path, body)
        except OSError:
            return False  # the service has gone
        if status == 200:
            known.update(ids)
        else:
            refusals.add(status)
        return True

    def post(client: int) -> None:
        n = 0
        while send(rest, "/api/events", seen(f"{client}.{n}", eventId=f"{client}.{n}"),
                   [f"{client}.{n}"], posted):  # fmt: skip
            n += 1

    def collect() -> None:
        n = 0
        while True:
            ids = [f"c{n}.{m}" for m in range(20)]
            batch = [{"eventType": "a", "eventId": one} for one in ids]
            if not send(ingest, "/ingest", batch, ids, ingested):
                return
            n += 1

    threads = [threading.Thread(target=post, args=(n,)) for n in range(4)]
    threads.append(threading.Thread(target=collect))
    for thread in threads:
        thread.start()
    time.sleep(2)
    assert up.end(signal.SIGTERM) == 0
    for thread in threads:
        thread.join(30)
    assert refusals <= {503}
    assert len(posted) > 5
    assert len(ingested) > 100
    assert (tmp_path / "data" / "clean-shutdown").exists()
    with Running(*arguments) as again:
        rest, streaming = Rest(again.ready["correlation"]), Rest(again.ready["streaming"])
        events = {event["eventId"] for _, event in read_topic(streaming, "events")}
        assert posted <= events
        assert ingested <= {event["eventId"] for _, event in read_topic(streaming, "raw")}
        for user in list(posted)[:50]:
            assert rest("GET", f"/api/alerts?key={user}")[1]["count"] == 1


def test_a_second_signal_ends_it_now(tmp_path: Path) -> None:
    up = Running("up", "--port", "0", "--data-dir", str(tmp_path / "data")).wait_ready()
    os.kill(up.ready["pids"]["node"], signal.SIGSTOP)  # its drain will take long
    began = time.monotonic()
    up.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert up.process.poll() is None
    assert up.end(signal.SIGTERM) == 1
    assert time.monotonic() - began < 5
    os.kill(up.ready["pids"]["node"], signal.SIGCONT)
    deadline = time.monotonic() + 90
    while any(Path(f"/proc/{pid}").exists() for pid in up.ready["pids"].values()):
        assert time.monotonic() < deadline, "children are left"
        time.sleep(0.1)


def test_a_second_system_on_the_same_data_or_ports_fails_with_1_and_says_why(
    tmp_path: Path,
) -> None:
    data = str(tmp_path / "data")
    with Running("up", "--port", "0", "--data-dir", data) as up:
        same = run("up", "--port", "0", "--data-dir", data)
        assert same.returncode == 1
        assert b"in use by another process" in same.stderr
        for option, name in (("--port", "streaming"), ("--broker-port", "broker")):
            port = up.ready[name].rpartition(":")[2]
            free = {"--port": "0", "--correlation-port": "0", "--broker-port": "0"}
            words = [word for pair in {**free, option: port}.items() for word in pair]
            taken = run("up", *words, "--data-dir", str(tmp_path / name))
            assert taken.returncode == 1
            assert f":{port} is already in use".encode() in taken.stderr
        for done in (same, taken):
            assert b"Traceback" not in done.stderr
            assert b"Unknown child" not in done.stderr
        assert call("GET", f"{up.ready['streaming']}/health")[0] == 200


def test_an_address_that_is_not_loopback_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = run("up", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert b"asks nobody who they are" in done.stderr
    assert not (tmp_path / "data").exists()
