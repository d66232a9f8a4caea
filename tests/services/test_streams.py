"""Streams over real sockets: alerts, topics and figures, by events and by WebSocket; who comes
again, who reads too slowly, who vanishes, who is too many."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.services.running import Services, services
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from summit.alerts import Alert, encode_alert
from summit.client.topics import TopicConfig
from summit.services import topic_tail
from summit.services.security import SecuritySettings
from summit.services.streams import Streams
from summit.services.topic_tail import Tail

WAIT_S = 60


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("streams") / "data", SecuritySettings()) as found:
        yield found


class Reader:
    """One client of server-sent events."""

    def __init__(self, running: Services, service: str, path: str, **headers: str) -> None:
        place = urlsplit(running.urls[service])
        self.connection = http.client.HTTPConnection(
            place.hostname or "", place.port, timeout=WAIT_S
        )
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def event(self, *names: str) -> tuple[str, str | None, Any]:
        """Name, id and data of the next event of these names; comments and others are passed."""
        fields: dict[str, str] = {}
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            if line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
                continue
            if fields.get("event") in names:
                return fields["event"], fields.get("id"), json.loads(fields["data"])
            fields = {}
        raise AssertionError(f"no {names} came")

    def close(self) -> None:
        self.connection.close()


@contextmanager
def reader(*asked: Any, **headers: str) -> Iterator[Reader]:
    made = Reader(*asked, **headers)
    try:
        yield made
    finally:
        made.close()


def socket_url(running: Services, service: str, path: str) -> str:
    return running.urls[service].replace("http", "ws", 1) + path


def produce(running: Services, topic: str, *values: str, **more: Any) -> None:
    for value in values:
        record = {"topic": topic, "value": value, **more}
        running.run(lambda c, record=record: c._node.producer.send(record))


def make_topic(running: Services, name: str, partitions: int = 1) -> None:
    running.run(lambda c: c._node.admin.create_topic(TopicConfig(name=name, partitions=partitions)))


def fire(running: Services, *names: str, severity: str = "high") -> None:
    for name in names:
        alert = Alert(
            id=name, timestamp=1, severity=severity, title=f"title {name}", description="",
            events=[], pattern="p",
        )  # fmt: skip
        produce(running, "alerts", encode_alert(alert).decode(), key=name)


def streams_of(running: Services) -> Streams:
    assert running.component._node is not None
    return running.component._node.streams


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_on(client: ClientConnection) -> None:
    """What is on its way, and the end."""
    for _ in range(10):
        client.recv(WAIT_S)


def test_alerts_come_as_they_fire_and_who_comes_again_misses_none(running: Services) -> None:
    with reader(running, "correlation", "/api/alerts/stream?severity=high") as live:
        wait(lambda: streams_of(running).clients == 1)
        fire(running, "a1")
        fire(running, "quiet", severity="low")
        fire(running, "a2")
        (_, first, one), (_, second, two) = live.event("alert"), live.event("alert")
        assert [one["id"], two["id"]] == ["a1", "a2"]
    wait(lambda: streams_of(running).clients == 0)
    fire(running, "a3")
    again = {"Last-Event-ID": str(first)}
    with reader(running, "correlation", "/api/v1/alerts/stream", **again) as live:
        assert [live.event("alert")[2]["id"] for _ in range(3)] == ["quiet", "a2", "a3"]
        fire(running, "a4")
        assert live.event("alert")[2]["id"] == "a4"
    path = f"/api/alerts/stream?cursor={second}&severity=high"
    with connect(socket_url(running, "correlation", path)) as client:
        told = [json.loads(client.recv(WAIT_S)) for _ in range(2)]
        assert [(each["event"], each["data"]["id"]) for each in told] == [
            ("alert", "a3"), ("alert", "a4"),
        ]  # fmt: skip
        assert int(told[0]["id"]) > int(second or 0)


def test_what_becomes_of_an_alert_is_told(running: Services) -> None:
    with reader(running, "correlation", "/api/alerts/stream") as live:
        wait(lambda: streams_of(running).clients == 1)
        body = {"by": "ann", "matchers": {"severity": "low"}, "duration": "1h"}
        made = running.ask("correlation", "POST", "/api/silences", None, body)[1]
        name, place, told = live.event("changed")
        assert (name, place, told["what"], told["id"]) == ("changed", None, "silence", made["id"])
        assert told["by"] == "ann"


def test_a_tail_gives_records_from_now_from_before_and_from_a_cursor(running: Services) -> None:
    make_topic(running, "tailed", 2)
    produce(running, "tailed", "old", partition=0)
    with reader(running, "streaming", "/api/topics/tailed/tail") as live:
        wait(lambda: streams_of(running).clients == 1)
        produce(running, "tailed", "n1", partition=0)
        produce(running, "tailed", "n2", partition=1)
        seen = {}
        for _ in range(2):
            _, place, record = live.event("record")
            seen[record["value"]] = place
        assert seen.keys() == {"n1", "n2"}
        assert "0:2,1:1" in seen.values()
    path = "/api/topics/tailed/tail?history=10"
    with connect(socket_url(running, "streaming", path)) as client:
        told = [json.loads(client.recv(WAIT_S)) for _ in range(3)]
        assert {each["data"]["value"] for each in told} == {"old", "n1", "n2"}
        last = told[-1]["id"]
    produce(running, "tailed", "n3", partition=1)
    with reader(running, "streaming", "/api/topics/tailed/tail", **{"Last-Event-ID": last}) as live:
        assert live.event("record")[2]["value"] == "n3"
    for path, status in (
        ("/api/topics/none/tail", 404), ("/api/topics/tailed/tail?partition=7", 404),
        ("/api/topics/tailed/tail?cursor=x", 400), ("/api/topics/tailed/tail?cursor=0:-1", 400),
        ("/api/topics/tailed/tail?history=9999999", 400),
    ):  # fmt: skip
        assert running.ask("streaming", "GET", path)[0] == status, path


def test_the_end_of_a_topic_and_what_is_no_longer_kept_are_told(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_tail, "_LOOK_S", 0.1)
    make_topic(running, "short")
    produce(running, "short", *"abcd")
    running.run(lambda c: c._node.admin.delete_records("short", {0: 2}))
    path = "/api/topics/short/tail?cursor=0:0"
    with reader(running, "streaming", path) as live:
        assert live.event("gap", "record")[2] == {"partition": 0, "firstKept": 2}
        assert [live.event("record")[2]["value"] for _ in range(2)] == ["c", "d"]
        running.run(lambda c: c._node.admin.delete_topic("short"))
        assert live.event("removed")[2] == {"topic": "short"}
        assert live.answer.read() == b""


def test_a_slow_reader_of_a_topic_is_cut_and_counted_and_others_go_on(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_of(running), "stall_ms", 300)
    make_topic(running, "wide")
    cut = streams_of(running).cut
    place = urlsplit(running.urls["streaming"])
    slow = socket.create_connection((place.hostname, place.port), WAIT_S)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        slow.sendall(b"GET /api/topics/wide/tail HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
        with reader(running, "streaming", "/api/topics/wide/tail") as quick:
            wait(lambda: streams_of(running).clients == 2)
            for number in range(12):
                produce(running, "wide", f"{number} " + "x" * 900_000)
                assert quick.event("record")[2]["value"].startswith(f"{number} ")
            wait(lambda: streams_of(running).cut == cut + 1)
            wait(lambda: streams_of(running).clients == 1)
    finally:
        slow.close()


def test_a_socket_that_does_not_read_is_cut_too(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_of(running), "stall_ms", 300)
    make_topic(running, "broad")
    cut = streams_of(running).cut
    url = socket_url(running, "streaming", "/api/topics/broad/tail")
    with connect(url, max_queue=1, close_timeout=1) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wait(lambda: streams_of(running).clients == 1)
        for number in range(12):
            produce(running, "broad", f"{number} " + "x" * 900_000)
        wait(lambda: streams_of(running).cut == cut + 1)
        wait(lambda: streams_of(running).clients == 0)


def test_clients_that_vanish_leave_nothing_behind(running: Services) -> None:
    for service, path in (
        ("correlation", "/api/alerts/stream"), ("correlation", "/api/stats/stream"),
        ("streaming", "/api/metrics/stream"),
    ):  # fmt: skip
        with reader(running, service, path) as gone:
            wait(lambda: streams_of(running).clients == 1)
            # A reset instead of an end, as when a machine dies.
            option = struct.pack("ii", 1, 0)
            gone.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        wait(lambda: streams_of(running).clients == 0)
    with connect(socket_url(running, "correlation", "/api/alerts/stream")) as client:
        wait(lambda: streams_of(running).clients == 1)
        client.socket.shutdown(socket.SHUT_RDWR)
    wait(lambda: streams_of(running).clients == 0)


def test_figures_come_again_and_again(running: Services) -> None:
    path = "/api/stats/stream?intervalMs=500"
    with reader(running, "correlation", path) as live:
        assert live.event("stats")[2]["liveClients"] == 1
        assert (
            live.event("stats")[2].keys()
            == running.ask("correlation", "GET", "/api/stats")[1].keys()
        )
    with reader(running, "streaming", "/api/metrics/stream") as live:
        assert "worker" in live.event("stats")[2]


def test_there_are_so_many_clients_at_most(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_of(running), "clients_max", 1)
    with reader(running, "correlation", "/api/alerts/stream"):
        wait(lambda: streams_of(running).clients == 1)
        status, problem, told = running.ask("correlation", "GET", "/api/alerts/stream")
        assert (status, problem["code"]) == (503, "service.busy")
        assert int(told["retry-after"]) >= 1
        with pytest.raises(InvalidStatus) as refused:
            connect(socket_url(running, "correlation", "/api/alerts/stream"))
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body)["code"] == "service.busy"


def test_a_socket_is_refused_as_a_request_would_be(running: Services) -> None:
    url = socket_url(running, "correlation", "/api/alerts/stream")
    with pytest.raises(InvalidStatus) as refused:
        connect(url, origin="https://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    for path, status in (("/api/none", 404), ("/api/alerts/stream?x=1", 400), ("/livez", 200)):
        with pytest.raises(InvalidStatus) as refused:
            connect(socket_url(running, "correlation", path))
        assert refused.value.response.status_code == status
    with connect(url) as client:
        wait(lambda: streams_of(running).clients == 1)
        client.send("x" * 10_000)  # more than a client has to say
        with pytest.raises(ConnectionClosed):
            read_on(client)
    wait(lambda: streams_of(running).clients == 0)


def test_a_reader_of_many_partitions_names_its_place_once_a_read() -> None:
    tail = Tail(None, "t", dict.fromkeys(range(40), 3))  # type: ignore[arg-type]
    assert tail._id(is_last=False) is None
    assert str(tail._id(is_last=True)).startswith("0:3,1:3,")


def test_streams_end_with_the_service(tmp_path: Path) -> None:
    with ExitStack() as held:
        with services(tmp_path / "data", SecuritySettings()) as found:
            live = held.enter_context(reader(found, "correlation", "/api/alerts/stream"))
            url = socket_url(found, "correlation", "/api/alerts/stream")
            client = held.enter_context(connect(url))
            wait(lambda: streams_of(found).clients == 2)
        live.answer.read()
        with pytest.raises((ConnectionClosed, OSError)):
            read_on(client)
