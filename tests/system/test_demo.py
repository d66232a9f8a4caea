"""`summit demo`: exactly the planted attacks, over five seeds, recomputed by a foreign client."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from tests.cli.test_demo_traffic import runs
from tests.system.running import Running, run

from summit.cli.demo.traffic import Planted

Place = tuple[str, int, int]


async def read_all(address: str, topics: tuple[str, ...]) -> dict[Place, Any]:
    """Every record of the topics, by a client that knows nothing of Summit."""
    found: dict[Place, Any] = {}
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=address, auto_offset_reset="earliest", group_id=None,
        isolation_level="read_committed",
    )  # fmt: skip
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        left = {tp for tp, end in ends.items() if end > 0}
        deadline = time.monotonic() + 120
        while left and time.monotonic() < deadline:
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    found[tp.topic, tp.partition, record.offset] = record
            for tp in list(left):  # the last offset may be a transaction's mark
                if await consumer.position(tp) >= ends[tp]:
                    left.discard(tp)
        assert not left
    finally:
        await consumer.stop()
    return found


def recompute(rule: str, key: str, events: list[dict[str, Any]]) -> bool:
    """Whether these events are what the rule describes, in plain words."""
    times = [event["timestamp"] for event in events]
    kinds = [event["eventType"] for event in events]
    keys = {event.get("user") if "user" in key_field(rule) else event["sourceIP"]
            for event in events}  # fmt: skip
    if keys != {key} or times != sorted(times):
        return False
    span = times[-1] - times[0]
    match rule:
        case "ssh-bruteforce":
            return kinds == ["auth.login.failed"] * 5 and span < 60_000
        case "ssh-bruteforce-login":
            failed, last = kinds[:-1], kinds[-1]
            enough = len(failed) >= 5 and set(failed) == {"auth.login.failed"}
            return enough and last == "auth.login.success" and span < 60_000
        case "account-takeover":
            wanted = ["user.login.failed"] * 3 + ["user.login.success"]
            return kinds == wanted and span < 60_000
        case "instant-password-change":
            return kinds == ["user.login.success", "user.password.changed"] and span < 5_000
        case "web-scan":
            missing = all(event["status"] == 404 for event in events)
            return missing and len(events) == 20 and span < 10_000
    raise AssertionError(f"no such rule: {rule}")


def key_field(rule: str) -> str:
    return "user" if rule in ("account-takeover", "instant-password-change") else "sourceIP"


def whole_topics(records: dict[Place, Any]) -> Counter[Planted]:
    """Count rules again over everything that stands in the topics."""
    expected: Counter[Planted] = Counter()
    failures: dict[str, list[int]] = {}
    misses: dict[str, list[int]] = {}
    for (topic, _, _), record in sorted(records.items()):
        event = json.loads(record.value)
        if topic == "demo.ssh" and event["eventType"] == "auth.login.failed":
            failures.setdefault(event["sourceIP"], []).append(event["timestamp"])
        elif topic == "demo.web" and event["status"] == 404:
            misses.setdefault(event["sourceIP"], []).append(event["timestamp"])
    for address, times in failures.items():
        expected[Planted("ssh-bruteforce", address)] += runs(times, 5, 60_000)
    for address, times in misses.items():
        expected[Planted("web-scan", address)] += runs(times, 20, 10_000)
    return +expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_every_alert_follows_from_the_records_it_names(seed: int, tmp_path: Path) -> None:
    done = run(
        "demo", "--once", "--seed", str(seed), "-o", "json", "--data-dir", str(tmp_path / "demo"),
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-4000:])
    *shown, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"events", "alerts", "planted", "found", "seconds"} <= summary.keys()
    assert summary["planted"] == summary["found"] == summary["alerts"] == len(shown)
    assert (summary["planted"] == 0) == (seed == 0)
    with Running("broker", "--port", "0", "--data-dir", str(tmp_path / "demo" / "data")) as broker:
        address = broker.ready["broker"]
        records = asyncio.run(read_all(address, ("demo.ssh", "demo.logins", "demo.web")))
        stored = asyncio.run(read_all(address, ("alerts",)))
    alerts = {}
    for record in stored.values():
        alert = json.loads(record.value)
        alerts[alert["id"]] = alert
    assert alerts.keys() == {alert["id"] for alert in shown}
    for alert in alerts.values():
        (key,) = alert["key"].values()
        events = [
            json.loads(records[e["topic"], e["partition"], e["offset"]].value)
            for e in alert["evidence"]
        ]
        assert recompute(alert["pattern"], key, events), alert
    found = Counter(Planted(a["pattern"], next(iter(a["key"].values()))) for a in alerts.values())
    again = whole_topics(records)
    assert again == Counter({p: n for p, n in found.items() if p.rule in ("ssh-bruteforce",
                                                                         "web-scan")})  # fmt: skip
