"""The detections of the examples: what their own tests cannot say shortly."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from summit.documents import parse_documents, validate_correlation
from summit.event_processing import CEPEngine

FOLDER = Path(__file__).parents[2] / "examples" / "detections"
DOCUMENTS: dict[str, dict[str, Any]] = {
    document.values["id"]: dict(document.values)
    for file in sorted(FOLDER.glob("*.yaml"))
    for document in parse_documents(file.read_text(encoding="utf-8"), str(file))
}
PATTERNS = [name for name, document in DOCUMENTS.items() if document["kind"] == "pattern"]


def engine_of(*names: str) -> CEPEngine:
    engine = CEPEngine(event_buffer=10)
    for name in names:
        engine.register_pattern(DOCUMENTS[name])
    return engine


def alerts(engine: CEPEngine, events: list[dict[str, Any]]) -> list[str]:
    return [alert.pattern for alert in asyncio.run(engine.process_events(events))]


def test_the_readme_names_them_all_and_each_is_tagged() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in readme for name in DOCUMENTS)
    for name in PATTERNS:
        assert any(tag.startswith("attack.t") for tag in DOCUMENTS[name]["tags"]), name
    validate_correlation(DOCUMENTS["around-an-intruder"])


CONNECTION = {"eventType": "network.connection", "sourceIP": "10.0.0.9"}
MANY: list[tuple[str, int, dict[str, Any]]] = [
    ("port-scan", 51, {**CONNECTION, "destinationIP": "10.0.0.1", "destinationPort": "$n"}),
    ("host-sweep", 30, {**CONNECTION, "destinationIP": "10.0.1.$n", "destinationPort": 445}),
    ("dns-tunnelling", 41, {"eventType": "dns.query", "sourceIP": "10.0.0.9",
                            "domain": "t.example", "query": "$n" + "x" * 48 + ".t.example"}),
    ("mass-file-change", 201, {"eventType": "file.renamed", "host": "h", "process": "p",
                               "path": "/srv/$n"}),
    ("web-probing", 60, {"eventType": "http.request", "sourceIP": "203.0.113.7", "status": 404,
                         "path": "/$n"}),
    ("password-spraying", 10, {"eventType": "auth.login.failed", "sourceIP": "203.0.113.7",
                               "user": "u$n"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "least", "event"), MANY)
def test_so_many_different_ones_and_not_one_fewer(
    name: str, least: int, event: dict[str, Any]
) -> None:
    def numbered(n: int) -> dict[str, Any]:
        made = {k: v.replace("$n", str(n)) if type(v) is str else v for k, v in event.items()}
        return {**made, "timestamp": 1_000_000 + n * 200}

    events = [numbered(n) for n in range(least)]
    assert alerts(engine_of(name), events[:-1]) == []
    assert alerts(engine_of(name), events) == [name]
    assert alerts(engine_of(name), events + events) == [name]  # a burst is one alert


def test_an_ordinary_day_raises_nothing() -> None:
    """Sign-ins, browsing, look-ups and files of twenty people, from eight to five."""
    chance = random.Random(4)
    users = [f"user{n}" for n in range(20)]
    events: list[dict[str, Any]] = []
    for n, user in enumerate(users):
        address, host = f"10.0.0.{n}", f"pc{n}"
        base = {"user": user, "sourceIP": address, "host": host}
        at_ms = 8 * 3_600_000 + chance.randint(0, 1_800_000)
        for _ in range(chance.choice([0, 0, 1, 2])):
            events.append({**base, "eventType": "auth.login.failed", "timestamp": at_ms - 9_000})
        events.append({**base, "eventType": "auth.login.success", "timestamp": at_ms,
                       "geolocation": {"latitude": 52.5, "longitude": 13.4}})  # fmt: skip
        for _ in range(300):
            at_ms += int(chance.expovariate(1 / 100_000))
            site = chance.randint(1, 200)
            events += [
                {"eventType": "dns.query", "sourceIP": address, "domain": f"s{site}.example",
                 "query": f"www.s{site}.example", "timestamp": at_ms},
                {"eventType": "network.connection", "sourceIP": address, "destinationPort": 443,
                 "destinationIP": f"198.51.100.{site}", "bytesOut": chance.randint(500, 2_000_000),
                 "timestamp": at_ms + 5},
                {"eventType": "file.changed", "host": host, "process": "office",
                 "path": f"/home/{user}/{site}.txt", "timestamp": at_ms + 7},
                {"eventType": "process.started", "host": host, "path": "/usr/bin/ls",
                 "commandLine": "ls -l /var/log", "timestamp": at_ms + 9},
                {"eventType": "http.request", "sourceIP": address, "status": 200,
                 "url": f"/page/{site}?q=select", "path": f"/page/{site}", "timestamp": at_ms + 11},
            ]  # fmt: skip
    events.sort(key=lambda event: event["timestamp"])
    assert Counter(alerts(engine_of(*PATTERNS), events)) == {}
