"""Two replicas of the correlation service on the same topics: they agree, they notify once, and a
`kill -9` of one under load loses nothing and changes nothing, whatever it had read by then."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.system.running import Running, call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RULE = {
    "id": "seen", "topics": ["events"], "groupBy": ["user"],
    "steps": [{"name": "a", "where": 'eventType == "seen"'}],
    "action": {"type": "alert", "config": {"severity": "high", "notify": ["soc"]}},
}  # fmt: skip
WAIT_S = 90


class Receiver:
    """Keeps the ids of the alerts that it is told of."""

    def __init__(self) -> None:
        told: Counter[str] = Counter()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.update(each["id"] for each in body.get("alerts", [body.get("alert", body)]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.told = told
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(30)
        self._server.server_close()


def post(url: str, event_id: str) -> None:
    """Insist on an event until it is taken."""
    event = {"eventType": "seen", "eventId": event_id, "user": f"u-{event_id}"}
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            status, answer = call("POST", f"{url}/api/events", event)
        except (OSError, urllib.error.URLError):
            status, answer = 0, None
        if status == 200:
            return
        assert status in (0, 503), (status, answer)
        time.sleep(0.1)
    raise AssertionError(f"{event_id} is not taken")


def alerts(url: str) -> list[Any]:
    """Every alert that a replica has, in its order, page after page."""
    found: list[Any] = []
    path = "/api/alerts?limit=5"
    while True:
        status, page = call("GET", url + path)
        assert status == 200
        found += page["alerts"]
        if "nextCursor" not in page:
            return found
        path = f"/api/alerts?limit=5&cursor={page['nextCursor']}"


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def settled(url: str, count: int) -> list[Any]:
    """All alerts of a replica, once all of them were told."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = alerts(url)
        if len(found) == count and all(each.get("notifiedAt") for each in found):
            return found
        told = [(each["id"], each["status"], each.get("notifiedAt")) for each in found]
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def test_replicas_agree_notify_once_and_outlive_each_other(tmp_path: Path) -> None:
    def replica(name: str, broker: str) -> Running:
        views = {"SUMMIT_VIEWS_DIR": str(tmp_path / name)}
        return Running(
            "correlation", "--bootstrap-servers", broker, "--port", "0", "--workers", "0", env=views
        )

    with (
        Receiver() as receiver,
        Running("broker", "--port", "0", "--data-dir", str(tmp_path / "data")) as broker,
    ):
        address = broker.ready["broker"]
        with (
            Running("worker", "--bootstrap-servers", address),
            replica("one", address) as one,
            replica("two", address) as two,
        ):
            urls = [one.ready["correlation"], two.ready["correlation"]]
            soc = {
                "id": "soc", "type": "webhook",
                "config": {"url": receiver.url, "allowPrivate": True},
            }  # fmt: skip
            assert call("POST", f"{urls[0]}/api/notifications", soc)[0] == 200
            assert call("POST", f"{urls[1]}/api/patterns", RULE)[0] == 200
            for number in range(6):
                post(urls[number % 2], f"calm-{number}")
            # An event that one has answered for can be read there; the other follows.
            assert len(alerts(urls[1])) == 6
            first = settled(urls[0], 6)
            assert settled(urls[1], 6) == first
            wait(lambda: len(receiver.told) == 6)
            assert set(receiver.told.values()) == {1}
            assert sorted(receiver.told) == sorted(each["id"] for each in first)

            posting = threading.Thread(
                target=lambda: [post(urls[1], f"load-{number}") for number in range(20)]
            )
            posting.start()
            wait(lambda: len(receiver.told) >= 9)
            one.process.send_signal(signal.SIGKILL)
            one.process.wait(30)
            posting.join(WAIT_S)
            assert not posting.is_alive()
            with replica("one", address) as again, replica("three", address) as anew:
                every = [
                    settled(url, 26)
                    for url in (urls[1], again.ready["correlation"], anew.ready["correlation"])
                ]
                assert every[0] == every[1] == every[2]
                wait(lambda: len(receiver.told) == 26)
                # What was on its way when its teller died may come twice, under the same id.
                assert sum(count - 1 for count in receiver.told.values()) <= 1
                assert {each["id"] for each in every[0]} == set(receiver.told)
