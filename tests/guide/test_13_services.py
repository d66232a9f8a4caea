"""Guide, "Installation" and "REST API Endpoints": both services, all eighteen endpoints."""

from __future__ import annotations

from pathlib import Path
from time import sleep
from typing import Any

import grpc
from tests.guide.conftest import Services
from tests.ingest.database.postgres import running
from tests.ingest.mosquitto import Mosquitto, publish, publisher
from websockets.sync.client import connect

from summit.ingest.grpc.stub import IngestStub, PublishRequest

PATTERN = {
    "id": "rest-pattern",
    "name": "Failed, then successful",
    "conditions": [
        {"field": "eventType", "operator": "eq", "value": t, "eventType": t}
        for t in ("auth.login.failed", "auth.login.success")
    ],
    "groupBy": ["userId"],
    "windowConfig": {"type": "sliding", "size": 60000},
    "action": {"type": "alert", "config": {"severity": "high", "notify": ["security-team"]}},
}
TIME = 1_700_000_000_000


# ---- streaming service, port 3000 ----


def test_streaming_health(services: Services) -> None:
    body = services.streaming.get("/health").json()
    assert (body["service"], body["isLeader"]) == ("streaming-service", True)
    assert {"status", "version", "brokerId", "checks"} <= set(body)


def test_topics_are_created_and_listed(services: Services) -> None:
    config = {
        "name": "intelligence-events",
        "partitions": 6,
        "replicationFactor": 3,
        "retentionMs": 604800000,
        "compressionType": "lz4",
    }
    reply = services.streaming.post("/api/topics", json=config)
    assert reply.status_code == 200
    body = reply.json()
    assert (body["status"], body["topic"]) == ("created", "intelligence-events")
    assert any("replicationFactor 3" in warning for warning in body["warnings"])
    again = services.streaming.post("/api/topics", json=config)
    assert again.status_code == 409
    assert again.json()["error"] == "Topic intelligence-events already exists"
    topics = {t["name"]: t for t in services.streaming.get("/api/topics").json()["topics"]}
    assert topics["intelligence-events"]["partitions"] == 6


def test_records_are_produced_and_consumed(services: Services) -> None:
    services.streaming.post("/api/topics", json={"name": "rest-events", "partitions": 1})
    value = {"eventType": "entity.created", "entityId": "entity-123"}
    reply = services.streaming.post(
        "/api/produce",
        json={"topic": "rest-events", "key": "entity-123", "value": value, "headers": {"a": "b"}},
    )
    assert reply.status_code == 200
    body = reply.json()
    assert body["status"] == "produced"
    assert (body["result"]["partition"], body["result"]["offset"]) == (0, 0)
    found = services.streaming.get("/api/consume/rest-events/0", params={"offset": 0}).json()
    assert (found["count"], found["nextOffset"], found["highWatermark"]) == (1, 1, 1)
    (message,) = found["messages"]
    assert (message["key"], message["headers"]) == ("entity-123", {"a": "b"})
    assert "entity.created" in message["value"]
    assert services.streaming.get("/api/consume/rest-events/9").status_code == 404
    assert services.streaming.get("/api/consume/no-such-topic/0").status_code == 404


def test_metrics(services: Services) -> None:
    body = services.streaming.get("/api/metrics").json()
    assert {"messagesInPerSec", "bytesOutPerSec", "underReplicatedPartitions"} <= set(body)
    text = services.streaming.get("/api/metrics", headers={"Accept": "text/plain"}).text
    assert "# TYPE" in text


def test_cep_patterns(services: Services) -> None:
    reply = services.streaming.post("/api/cep/patterns", json={**PATTERN, "id": "cep-pattern"})
    assert reply.status_code == 200
    assert reply.json()["status"] == "registered"
    assert reply.json()["pattern"] == "cep-pattern"
    broken = {**PATTERN, "conditions": [{"field": "a", "operator": "like", "value": 1}]}
    refused = services.streaming.post("/api/cep/patterns", json=broken)
    assert refused.status_code == 400
    assert "like" in refused.json()["error"]


def test_enrichment_rules(services: Services) -> None:
    rule = {
        "id": "threat-intel-enrichment",
        "eventType": "network.connection",
        "enrichmentType": "lookup",
        "config": {"keyField": "ip", "table": {"10.0.0.1": {"owner": "ops"}}},
    }
    reply = services.streaming.post("/api/enrichment/rules", json=rule)
    assert reply.status_code == 200
    assert reply.json()["rule"] == "threat-intel-enrichment"


def test_collectors(services: Services) -> None:
    config = {
        "name": "http-collector",
        "type": "http",
        "port": 0,
        "path": "/ingest",
        "topic": "collected-events",
    }
    reply = services.streaming.post("/api/collectors", json=config)
    assert reply.status_code == 200
    body = reply.json()
    assert (body["status"], body["collector"]) == ("registered", "http-collector")
    assert body["state"] == "running"
    sent = services.streaming.post(f"http://{body['address']}/ingest", json={"eventType": "a"})
    assert sent.json()["status"] == "ok"


def test_a_websocket_collector(services: Services) -> None:
    config = {"name": "ws", "type": "websocket", "port": 0, "topic": "collected-events"}
    body = services.streaming.post("/api/collectors", json=config).json()
    assert (body["status"], body["state"]) == ("registered", "running")
    with connect(f"ws://{body['address']}", proxy=None) as socket:
        socket.send('{"id": "1", "eventType": "a"}')
        assert '"ack":"1"' in socket.recv()


def test_an_mqtt_collector(services: Services, tmp_path: Path) -> None:
    server = Mosquitto(tmp_path)
    server.start()
    try:
        config = {"name": "mq", "type": "mqtt", "port": server.port, "topic": "mqtt-events"}
        body = services.streaming.post("/api/collectors", json=config).json()
        assert (body["status"], body["state"]) == ("registered", "running")
        with publisher(server.port) as client:
            publish(client, "sensors/a", '{"eventType": "a"}')
        for _ in range(600):
            if services.streaming.get("/api/collectors/mq").json()["accepted"]:
                break
            sleep(0.05)
        else:
            raise AssertionError("the message did not come")
        services.streaming.delete("/api/collectors/mq")
    finally:
        server.stop()


def test_a_grpc_collector(services: Services) -> None:
    config = {"name": "rpc", "type": "grpc", "port": 0, "topic": "collected-events"}
    body = services.streaming.post("/api/collectors", json=config).json()
    assert (body["status"], body["state"]) == ("registered", "running")
    with grpc.insecure_channel(body["address"]) as channel:
        reply = IngestStub(channel).Publish(PublishRequest(json=b'{"eventType": "a"}'))
        assert (reply.accepted, reply.results[0].WhichOneof("outcome")) == (1, "place")


def test_a_database_collector(services: Services) -> None:
    for server in running():
        server.sql("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
        config = {
            "name": "db", "type": "database", "topic": "db-events", "database": {"url": server.url}
        }  # fmt: skip
        body = services.streaming.post("/api/collectors", json=config).json()
        assert (body["status"], body["state"]) == ("registered", "running")
        server.sql("INSERT INTO a VALUES (2)")
        for _ in range(600):
            if services.streaming.get("/api/collectors/db").json()["accepted"] == 2:
                break
            sleep(0.05)
        else:
            raise AssertionError("the changes did not come")
        figures = services.streaming.get("/metrics").text
        assert 'summit_collector_accepted_total{collector="db"} 2.0' in figures
        assert 'summit_collector_warnings{collector="db"} 0.0' in figures
        services.streaming.delete("/api/collectors/db")


# ---- event correlation service, port 3001 ----


def test_correlation_health(services: Services) -> None:
    body = services.correlation.get("/health").json()
    assert body["service"] == "event-correlation-service"
    assert {"status", "version"} <= set(body)


def test_correlation_rules(services: Services) -> None:
    rule = {
        "id": "user-session-correlation",
        "name": "User Session Correlation",
        "eventTypes": ["user.login", "user.action", "user.logout"],
        "correlationKey": "sessionId",
        "timeWindow": 3600000,
        "minEvents": 2,
        "maxEvents": 1000,
    }
    reply = services.correlation.post("/api/correlation/rules", json=rule)
    assert reply.status_code == 200
    assert reply.json()["rule"] == "user-session-correlation"


def test_analytics_queries(services: Services) -> None:
    query = {
        "id": "login-metrics",
        "name": "Login Metrics",
        "eventTypes": ["user.login"],
        "window": {"type": "tumbling", "size": 300000},
        "metrics": [{"name": "login_count", "field": "eventId", "function": "count"}],
    }
    reply = services.correlation.post("/api/analytics/queries", json=query)
    assert reply.status_code == 200
    assert reply.json()["query"] == "login-metrics"


def test_correlated_events(services: Services) -> None:
    reply = services.correlation.get("/api/correlation/events")
    assert reply.status_code == 200
    assert {"groups", "total"} <= set(reply.json())


def test_a_pattern_events_and_their_alert(services: Services) -> None:
    """Patterns, events, alerts, one alert, statistics: five endpoints that need one another."""
    registered = services.correlation.post("/api/patterns", json=PATTERN)
    assert registered.status_code == 200
    assert registered.json()["pattern"] == "rest-pattern"
    before = services.correlation.get("/api/stats").json()
    for n, kind in enumerate(("auth.login.failed", "auth.login.success")):
        event: dict[str, Any] = {
            "eventType": kind,
            "eventId": f"rest-{n}",
            "userId": "user-of-the-rest-test",
            "timestamp": TIME + n,
        }
        reply = services.correlation.post("/api/events", json=event)
        assert reply.status_code == 200
        assert reply.json()["status"] == "processed"
        assert reply.json()["eventId"] == f"rest-{n}"
    # The answer to the event came when its alert was readable.
    found = services.correlation.get("/api/alerts", params={"pattern": "rest-pattern"}).json()
    (alert,) = found["alerts"]
    assert (alert["severity"], alert["notify"]) == ("high", ["security-team"])
    assert alert["key"] == {"userId": "user-of-the-rest-test"}
    assert services.correlation.get(f"/api/alerts/{alert['id']}").json() == alert
    missing = services.correlation.get("/api/alerts/none")
    assert (missing.status_code, missing.json()["error"]) == (404, "Alert not found")
    bad = services.correlation.get("/api/alerts", params={"severity": "terrible"})
    assert bad.status_code == 400
    after = services.correlation.get("/api/stats").json()
    assert after["highAlerts"] > before["highAlerts"]
    assert {"totalAlerts", "criticalAlerts", "correlatedGroups", "activeSequences"} <= set(after)
    # A repeated event id is not processed twice.
    again = services.correlation.post("/api/events", json=event)
    assert again.status_code == 200
    stats = services.correlation.get("/api/stats").json()
    assert stats["totalAlerts"] == after["totalAlerts"]


def test_unknown_routes_are_json(services: Services) -> None:
    for client in (services.streaming, services.correlation):
        reply = client.get("/no/such/route")
        assert reply.status_code == 404
        assert "error" in reply.json()
