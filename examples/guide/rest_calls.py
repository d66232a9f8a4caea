"""Every REST call of the guide, on running services: `summit up`, then this file.

    python examples/guide/rest_calls.py [--streaming URL] [--correlation URL] [--collector-port N]

It may be run again: what is there already is said, and is no error.
"""

import argparse
import json
import time
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--streaming", default="http://localhost:3000")
parser.add_argument("--correlation", default="http://localhost:3001")
parser.add_argument("--collector-port", type=int, default=8080)
options = parser.parse_args()
now_ms = int(time.time() * 1000)


def call(method, url, body=None, *, accepted=(200,)):
    """One request; what was answered, decoded."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            status, answer = reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        with refused:
            status, answer = refused.code, json.load(refused)
    path = url.removeprefix(options.streaming).removeprefix(options.correlation)
    print(method, path, status, json.dumps(answer)[:160])
    if status not in accepted:
        raise SystemExit(f"{method} {url}: {answer.get('error')}")
    return answer


def streaming(method, path, body=None, **more):
    return call(method, options.streaming + path, body, **more)


def correlation(method, path, body=None, **more):
    return call(method, options.correlation + path, body, **more)


pattern = {
    "id": "suspicious-activity-pattern",
    "name": "Suspicious Activity Detection",
    "description": "Detects multiple failed login attempts followed by successful login",
    "conditions": [
        {"field": "eventType", "operator": "eq", "value": kind, "eventType": kind}
        for kind in ("auth.login.failed", "auth.login.success")
    ],
    "windowConfig": {"type": "sliding", "size": 60000},
    "action": {"type": "alert", "config": {"severity": "high", "notify": ["security-team"]}},
}

# ---- the streaming service, port 3000 ----

streaming("GET", "/health")
topic = {
    "name": "intelligence-events",
    "partitions": 6,
    "replicationFactor": 3,
    "retentionMs": 7 * 24 * 60 * 60 * 1000,
    "compressionType": "lz4",
}
streaming("POST", "/api/topics", topic, accepted=(200, 409))
streaming("GET", "/api/topics")
entity = {"eventType": "entity.created", "entityId": "entity-123", "timestamp": now_ms, "data": {}}
record = {"topic": "intelligence-events", "key": "entity-123", "value": entity}
place = streaming("POST", "/api/produce", record)["result"]
path = f"/api/consume/intelligence-events/{place['partition']}?offset={place['offset']}"
(message,) = streaming("GET", path)["messages"][:1]
print("Received event:", json.loads(message["value"])["eventType"])
metrics = streaming("GET", "/api/metrics")
print("Messages In/Sec:", metrics["messagesInPerSec"])
streaming("POST", "/api/cep/patterns", {**pattern, "groupBy": ["userId"]})
assets = {
    "id": "assets",
    "eventType": "*",
    "enrichmentType": "lookup",
    "config": {"keyField": "host", "table": {"web1": {"owner": "ann"}}},
}
streaming("POST", "/api/enrichment/rules", assets)
geo = {
    "id": "geo-enrichment",
    "eventType": "user.login",
    "enrichmentType": "geo",
    "config": {"ipField": "ipAddress"},
}
streaming("POST", "/api/enrichment/rules", geo)  # warns where SUMMIT_GEOIP_DATABASE is not set
collector = {
    "name": "http-collector",
    "type": "http",
    "port": options.collector_port,
    "path": "/ingest",
    "topic": "raw-events",
}
collecting = streaming("POST", "/api/collectors", collector, accepted=(200, 409))
if "address" in collecting:
    call("POST", f"http://{collecting['address']}/ingest", {"eventType": "sensor.read", "n": 1})

# ---- the event correlation service, port 3001 ----

correlation("GET", "/health")
session = {
    "id": "user-session-correlation",
    "name": "User Session Correlation",
    "eventTypes": ["user.login", "user.action", "user.logout"],
    "correlationKey": "sessionId",
    "timeWindow": 3600000,
    "minEvents": 2,
    "maxEvents": 1000,
}
correlation("POST", "/api/correlation/rules", session)
correlation("POST", "/api/patterns", pattern)  # a new version: the guide's own, without groupBy
logins = {
    "id": "login-metrics",
    "name": "Login Metrics by Country",
    "eventTypes": ["user.login"],
    "window": {"type": "tumbling", "size": 300000},
    "metrics": [
        {"name": "login_count", "field": "eventId", "function": "count"},
        {"name": "avg_duration", "field": "duration", "function": "avg"},
        {"name": "p95_duration", "field": "duration", "function": "percentile", "percentile": 95},
    ],
    "groupBy": ["country", "deviceType"],
}
correlation("POST", "/api/analytics/queries", logins)
for number, event in enumerate(
    [
        {"eventType": "auth.login.failed", "userId": "eve"},
        {"eventType": "auth.login.success", "userId": "eve"},
        {"eventType": "user.login", "sessionId": "s-1", "duration": 120, "country": "DE"},
        {"eventType": "user.logout", "sessionId": "s-1"},
    ]
):
    # Answered when it has been matched, and its alerts can be read.
    correlation("POST", "/api/events", {**event, "timestamp": now_ms + number})
query = f"severity=high&limit=100&pattern={pattern['id']}"
alerts = correlation("GET", f"/api/alerts?{query}")["alerts"]
alert = correlation("GET", f"/api/alerts/{alerts[0]['id']}")
print(f"ALERT: {alert['title']} [{alert['severity']}]")
groups = correlation("GET", "/api/correlation/events")["groups"]
deadline_s = time.monotonic() + 30
while not groups and time.monotonic() < deadline_s:  # groups follow the log a moment behind
    time.sleep(0.2)
    groups = correlation("GET", "/api/correlation/events")["groups"]
print(f"Correlated {groups[0]['count']} events by {groups[0]['key']}")
stats = correlation("GET", "/api/stats")
print("High alerts:", stats["highAlerts"])
