"""One trace from a request to the notice of its alert, as an OTLP receiver gets it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from tests.system.running import Running, call
from tests.system.traces import Received, TraceReceiver
from tests.webhook import Webhook

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PATTERN = {
    "id": "failed",
    "name": "Failed login",
    "conditions": [{"field": "eventType", "operator": "eq", "value": "login.failed"}],
    "groupBy": ["userId"],
    "action": {"type": "alert", "config": {"severity": "high", "notify": ["soc"]}},
}


def post(url: str, body: Any) -> None:
    headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{CALLER}-01"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.status == 200


def headers_of(broker: str, topic: str) -> dict[str, bytes]:
    """Those of the first record."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "none"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        return dict(message.headers() or [])
    finally:
        consumer.close()


def chain(spans: list[Received], name: str) -> list[str]:
    """Names from a span up to the one whose parent is not among these."""
    by_id = {each.id: each for each in spans if each.trace == TRACE}
    at = next((each for each in by_id.values() if each.name == name), None)
    names = []
    while at is not None:
        names.append(at.name)
        if at.parent == CALLER:
            return names
        at = by_id.get(at.parent)
    return []


def test_a_trace_goes_from_the_request_to_the_notice(tmp_path: Path) -> None:
    with TraceReceiver() as receiver:
        env = {
            "SUMMIT_TRACING": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }  # fmt: skip
        up = Running("up", "--port", "0", "--workers", "1", "--data-dir", str(tmp_path), env=env)
        with up:
            asyncio.run(_notified(up, receiver))
            told = headers_of(up.ready["broker"], "alerts")["traceparent"].decode()
    # What stood in the queues was sent before the processes ended.
    spans = receiver.spans
    alert = next(each for each in spans if each.name == "alert failed")
    assert told == f"00-{TRACE}-{alert.id}-01"
    (batch,) = [s for s in spans if s.name == "worker batch" and alert.parent in s.links]
    assert batch.attributes["messaging.batch.message_count"] == 1
    assert any(s.name == "worker transaction" and alert.id in s.links for s in spans)
    assert {each.service for each in spans} == {"summit-node", "summit-worker"}


async def _notified(up: Running, receiver: TraceReceiver) -> None:
    async with Webhook() as hook:
        correlation = up.ready["correlation"]
        soc = {"id": "soc", "type": "webhook", "config": {"url": hook.url, "allowPrivate": True}}
        for path, document in (("notifications", soc), ("patterns", PATTERN)):
            status, answer = await asyncio.to_thread(
                call, "POST", f"{correlation}/api/{path}", document
            )
            assert status == 200, answer
        event = {"eventType": "login.failed", "userId": "eve"}
        await asyncio.to_thread(post, f"{correlation}/api/events", event)
        await hook.wait(1, 60)
        sent = hook.requests[0].headers["traceparent"]
    expected = ["notify soc", "alert failed", "send events", "POST /api/events"]
    await asyncio.to_thread(receiver.wait, lambda spans: chain(spans, "notify soc") == expected)
    notice = next(each for each in receiver.spans if each.name == "notify soc")
    assert sent == f"00-{TRACE}-{notice.id}-01"
