"""Summit's parts as processes of their own on a real cluster: from a posted event to its alert."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from tests.system.rest import Rest
from tests.system.running import Running, run

from summit.client import ClusterAdmin

pytestmark = pytest.mark.cluster

RULE = """
kind: pattern
id: brute
name: Brute force
groupBy: [metadata.ip]
steps:
  - {name: failed, where: 'eventType == "login_failed"', times: 3}
within: 60s
action: {type: alert, config: {severity: high, title: 'From ${metadata.ip}'}}
"""
OURS = ("_summit.definitions", "_summit.progress", "alerts", "events", "auth.logins")


async def copies(servers: list[str]) -> dict[str, tuple[int, str | None]]:
    """Replicas and min.insync.replicas of the topics that Summit has made."""
    async with ClusterAdmin({"bootstrapServers": servers}) as admin:
        return {
            topic.name: (
                len(topic.partitions[0].replicas),
                (await admin.topic_configs(topic.name))["min.insync.replicas"].value,
            )
            for topic in await admin.describe_topics(OURS)
        }


@pytest.mark.slow
def test_from_an_event_to_its_alert(clean_cluster: list[str], tmp_path: Path) -> None:
    dial = ("--bootstrap-servers", ",".join(clean_cluster))
    rule, log = tmp_path / "rule.yaml", tmp_path / "auth.jsonl"
    rule.write_text(RULE)
    log.write_text("")
    with (
        Running("streaming", *dial, "--port", "0") as streaming,
        Running("correlation", *dial, "--port", "0") as correlation,
        Running("worker", *dial),
    ):
        stream, correlate = (
            Rest(streaming.ready["streaming"]),
            Rest(correlation.ready["correlation"]),
        )
        applied = run("rules", "apply", str(rule), *dial)
        assert applied.returncode == 0, applied.stderr
        for n in range(3):
            status, answer = correlate(
                "POST", "/api/events",
                {"eventType": "login_failed", "eventId": f"e{n}", "metadata": {"ip": "10.0.0.9"}},
            )  # fmt: skip
            assert status == 200, answer
        (alert,) = correlate("GET", "/api/alerts")[1]["alerts"]  # there when the answer is
        assert (alert["title"], alert["severity"]) == ("From 10.0.0.9", "high")

        collector = {"name": "auth", "type": "file", "topic": "auth.logins",
                     "file": {"paths": [str(log)], "format": "jsonl"}}  # fmt: skip
        assert stream("POST", "/api/collectors", collector)[0] in (200, 201)
        with log.open("a") as lines:
            for n in range(3):
                event = {"eventType": "login_failed", "metadata": {"ip": "10.0.0.7"}, "n": n}
                lines.write(json.dumps(event) + "\n")
        for _ in range(300):
            titles = {alert["title"] for alert in correlate("GET", "/api/alerts")[1]["alerts"]}
            if "From 10.0.0.7" in titles:
                break
            time.sleep(0.1)
        assert titles == {"From 10.0.0.9", "From 10.0.0.7"}

        listed = run("alerts", "list", *dial, "-o", "json")
        assert {alert["title"] for alert in json.loads(listed.stdout)} == titles, listed.stderr
    assert asyncio.run(copies(clean_cluster)) == dict.fromkeys(OURS, (3, "2"))
