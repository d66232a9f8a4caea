"""The streaming service over REST: every route's body, and every refusal as a problem."""

import time
from typing import Any

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running, call


@pytest.fixture(scope="module")
def rest(system: Running) -> Rest:
    rest = Rest(system.ready["streaming"])
    for topic in ({"name": "small", "partitions": 2, "maxMessageBytes": 1_000},
                  {"name": "events-6", "partitions": 6, "replicationFactor": 3}):  # fmt: skip
        assert rest("POST", "/api/topics", topic)[0] == 200
    return rest


def test_health_and_its_siblings(system: Running, rest: Rest) -> None:
    status, body = rest("GET", "/health")
    assert status == 200
    assert (body["status"], body["service"]) == ("healthy", "streaming-service")
    assert body["isLeader"] is True
    assert body["brokerId"] in range(1, system.brokers + 1)
    assert body["version"] == rest("GET", "/version")[1]["version"]
    assert rest("GET", "/livez") == (200, {"status": "alive"})
    assert rest("GET", "/readyz")[0] == 200


REFUSALS: list[tuple[str, str, Any, int, str, str | None]] = [
    ("GET", "/api/nothing", None, 404, "web.route_unknown", None),
    ("GET", "/api/topics/", None, 404, "web.route_unknown", None),
    ("PATCH", "/api/topics", {}, 405, "web.method_not_allowed", None),
    ("GET", "/api/topics?intern=true", None, 400, "web.parameter_unknown", "intern"),
    ("POST", "/api/topics", b"{bad", 400, "web.json_invalid", ""),
    ("POST", "/api/topics", b"", 400, "web.json_invalid", ""),
    ("POST", "/api/topics", b"\xff\xfe", 400, "web.json_invalid", ""),
    ("POST", "/api/topics", b"[" * 100_000, 400, "web.json_invalid", ""),
    ("POST", "/api/topics", b" " * (11 << 20), 413, "web.body_too_large", None),
    ("POST", "/api/topics", [1], 400, "config.invalid", ""),
    ("POST", "/api/topics", {}, 400, "config.invalid", ""),
    ("POST", "/api/topics", {"name": "a b"}, 400, "topic.name_invalid", "/name"),
    ("POST", "/api/topics", {"name": ".."}, 400, "topic.name_invalid", "/name"),
    ("POST", "/api/topics", {"name": 5}, 400, "config.invalid", "/name"),
    ("POST", "/api/topics", {"name": "x", "partitions": 0}, 400, "config.invalid", "/partitions"),
    ("POST", "/api/topics", {"name": "x", "partitions": 1.5}, 400, "config.invalid", "/partitions"),
    ("POST", "/api/topics", {"name": "x", "partition": 1}, 400, "config.unknown_key", "/partition"),
    ("POST", "/api/topics", {"name": "x", "retentionMs": 0}, 400, "config.invalid", "/retentionMs"),
    ("POST", "/api/topics", {"name": "x", "compressionType": "rar"}, 400, "config.invalid",
     "/compressionType"),
    ("POST", "/api/topics", {"name": "small"}, 409, "topic.exists", None),
    ("POST", "/api/topics", {"name": "_summit.mine"}, 400, "topic.internal", "/name"),
    ("GET", "/api/topics/none", None, 404, "topic.unknown", None),
    ("DELETE", "/api/topics/none", None, 404, "topic.unknown", None),
    ("DELETE", "/api/topics/_summit.progress", None, 400, "topic.internal", None),
    ("DELETE", "/api/topics/__consumer_offsets", None, 400, "topic.internal", None),
    ("POST", "/api/produce", {}, 400, "web.json_invalid", "/topic"),
    ("POST", "/api/produce", [], 400, "web.json_invalid", ""),
    ("POST", "/api/produce", {"topic": "small"}, 400, "record.invalid", "/value"),
    ("POST", "/api/produce", {"topic": "none", "value": "x"}, 404, "topic.unknown", "/topic"),
    ("POST", "/api/produce", {"topic": "_summit.definitions", "value": "x"}, 400,
     "topic.internal", "/topic"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "keys": 1}, 400,
     "web.json_invalid", "/keys"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "key": 5}, 400,
     "web.json_invalid", "/key"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "headers": {"a": 1}}, 400,
     "web.json_invalid", "/headers"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "headers": ["a"]}, 400,
     "web.json_invalid", "/headers"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "partition": -1}, 400,
     "record.invalid", "/partition"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "partition": 2}, 404,
     "partition.unknown", None),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "partition": "0"}, 400,
     "web.json_invalid", "/partition"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "timestamp": -1}, 400,
     "record.invalid", "/timestamp"),
    ("POST", "/api/produce", {"topic": "small", "value": "x", "timestamp": "noon"}, 400,
     "record.invalid", "/timestamp"),
    ("POST", "/api/produce", {"topic": "small", "value": "x" * 2_000}, 413,
     "record.too_large", None),
    ("POST", "/api/produce", {"topic": "small", "value": "x" * 2_000_000}, 413,
     "record.too_large", None),
    ("GET", "/api/consume/none/0", None, 404, "topic.unknown", None),
    ("GET", "/api/consume/small/2", None, 404, "partition.unknown", "partition"),
    ("GET", "/api/consume/small/-1", None, 404, "partition.unknown", "partition"),
    ("GET", "/api/consume/small/x", None, 404, "partition.unknown", "partition"),
    ("GET", "/api/consume/small/0?offset=-1", None, 400, "web.parameter", "offset"),
    ("GET", "/api/consume/small/0?offset=abc", None, 400, "web.parameter", "offset"),
    ("GET", "/api/consume/small/0?offset=9223372036854775808", None, 400, "web.parameter",
     "offset"),
    ("GET", "/api/consume/small/0?max=0", None, 400, "web.parameter", "max"),
    ("GET", "/api/consume/small/0?max=10001", None, 400, "web.parameter", "max"),
    ("GET", "/api/consume/small/0?maxWaitMs=30001", None, 400, "web.parameter", "maxWaitMs"),
    ("GET", "/api/consume/small/0?maxWait=5", None, 400, "web.parameter_unknown", "maxWait"),
    ("POST", "/api/collectors", [], 400, "config.invalid", ""),
    ("POST", "/api/collectors", {"name": "x", "type": "http"}, 400, "document.invalid", "/topic"),
    ("POST", "/api/collectors", {"name": "x", "topic": "t"}, 400, "document.invalid", "/type"),
    ("POST", "/api/collectors", {"name": "x", "topic": "t", "type": "http", "kind": "pattern"},
     400, "document.invalid", "/kind"),
    ("POST", "/api/collectors", {"name": "x", "topic": "_summit.x", "type": "http"}, 400,
     "topic.internal", "/topic"),
    ("POST", "/api/collectors", {"name": "x", "topic": "t", "type": "http", "portt": 1}, 400,
     "config.unknown_key", "/portt"),
    ("POST", "/api/collectors", {"name": "x", "topic": "t", "type": "file"}, 400,
     "config.invalid", "/path"),
    ("GET", "/api/collectors/none", None, 404, "collector.unknown", None),
    ("DELETE", "/api/collectors/none", None, 404, "collector.unknown", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "pointer"), REFUSALS)
def test_refusals_are_problems(
    rest: Rest, method: str, path: str, body: Any, status: int, code: str, pointer: str | None
) -> None:
    found = problem(rest(method, path, body), status, code)
    assert [place["pointer"] for place in found["errors"]][:1] == (
        [] if pointer is None else [pointer]
    )


def test_other_media_types_are_refused(rest: Rest) -> None:
    answer = call("POST", f"{rest.url}/api/topics", b"name=x", "application/x-www-form-urlencoded")
    problem(answer, 415, "web.media_type")


def test_topics(rest: Rest) -> None:
    status, made = rest("POST", "/api/topics", {"name": "mine", "partitions": 3,
                                                "replicationFactor": 1})  # fmt: skip
    assert (status, made["status"], made["topic"]) == (200, "created", "mine")
    assert made["warnings"] == []
    (entry,) = [t for t in rest("GET", "/api/topics")[1]["topics"] if t["name"] == "mine"]
    assert entry == {"name": "mine", "partitions": 3, "replicationFactor": 1, "offsets": 0}
    one = rest("GET", "/api/topics/mine")[1]
    assert [p["partition"] for p in one["partitions"]] == [0, 1, 2]
    assert rest("DELETE", "/api/topics/mine") == (200, {"status": "deleted", "topic": "mine"})
    assert rest("GET", "/api/topics/mine")[0] == 404
    names = [t["name"] for t in rest("GET", "/api/topics?internal=true")[1]["topics"]]
    assert "_summit.definitions" in names


def test_partitions_that_have_fewer_copies_than_were_asked_for_are_counted(
    system: Running, rest: Rest
) -> None:
    wanted = 6 if system.brokers == 1 else 0  # a cluster of three has the three copies
    for _ in range(200):
        found = rest("GET", "/api/metrics")[1]["underReplicatedPartitions"]
        if found == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(found)


@pytest.mark.parametrize(
    ("value", "stored"),
    [("text", "text"), ("", ""), ("ünï", "ünï"), ({"a": [1, None]}, '{"a":[1,null]}'),
     ([1], "[1]"), (5, "5"), (True, "true"), (None, None)],
)  # fmt: skip
def test_produce_and_consume_values(rest: Rest, value: Any, stored: str | None) -> None:
    body = {"topic": "events-6", "value": value, "key": "entity-123"}
    status, reply = rest("POST", "/api/produce", body)
    assert (status, reply["status"]) == (200, "produced")
    result = reply["result"]
    assert result["topic"] == "events-6"
    path = f"/api/consume/events-6/{result['partition']}?offset={result['offset']}&max=1"
    status, found = rest("GET", path)
    assert (status, found["count"], found["nextOffset"]) == (200, 1, result["offset"] + 1)
    (message,) = found["messages"]
    assert (message["value"], message["key"]) == (stored, "entity-123")
    assert message["offset"] == result["offset"]
    assert message["timestamp"] == result["timestamp"]


def test_produce_with_partition_headers_and_time(rest: Rest) -> None:
    for timestamp in (1_700_000_000_000, "2023-11-14T22:13:20Z"):
        body = {"topic": "small", "value": "x", "partition": 1, "timestamp": timestamp,
                "headers": {"trace": "7", "none": None}}  # fmt: skip
        result = rest("POST", "/api/produce", body)[1]["result"]
        assert (result["partition"], result["timestamp"]) == (1, 1_700_000_000_000)
        path = f"/api/consume/small/1?offset={result['offset']}"
        (message,) = rest("GET", path)[1]["messages"]
        assert message["headers"] == {"trace": "7", "none": None}
        assert message["key"] is None


def test_consume_at_the_edges(rest: Rest) -> None:
    rest("POST", "/api/topics", {"name": "edges", "partitions": 1})
    empty = {"messages": [], "count": 0, "nextOffset": 0, "highWatermark": 0, "logStartOffset": 0}
    assert rest("GET", "/api/consume/edges/0") == (200, empty)
    for n in range(7):
        rest("POST", "/api/produce", {"topic": "edges", "value": n})
    found = rest("GET", "/api/consume/edges/0?offset=2&max=3")[1]
    assert [m["offset"] for m in found["messages"]] == [2, 3, 4]
    assert (found["nextOffset"], found["highWatermark"]) == (5, 7)
    assert rest("GET", "/api/consume/edges/0?offset=7")[1]["count"] == 0
    # Behind the end there is nothing, and nothing is what comes; not the beginning.
    began = time.monotonic()
    beyond = rest("GET", "/api/consume/edges/0?offset=500&maxWaitMs=400")[1]
    assert (beyond["count"], beyond["nextOffset"], beyond["highWatermark"]) == (0, 500, 7)
    assert 0.35 < time.monotonic() - began < 5
    waited = rest("GET", "/api/consume/edges/0?offset=7&maxWaitMs=300")[1]
    assert (waited["count"], waited["nextOffset"]) == (0, 7)


def test_consume_waits_for_the_next_record(rest: Rest) -> None:
    rest("POST", "/api/topics", {"name": "wait", "partitions": 1})
    with rest.later("GET", "/api/consume/wait/0?offset=0&maxWaitMs=15000") as answer:
        time.sleep(0.4)
        began = time.monotonic()
        rest("POST", "/api/produce", {"topic": "wait", "value": "there"})
        status, found = answer.result(10)
    assert time.monotonic() - began < 5
    assert (status, [m["value"] for m in found["messages"]]) == (200, ["there"])


def test_bytes_that_are_no_text_are_marked(system: Running, rest: Rest) -> None:
    from confluent_kafka import Producer

    rest("POST", "/api/topics", {"name": "bytes", "partitions": 1})
    producer = Producer({"bootstrap.servers": system.ready["broker"]})
    producer.produce("bytes", b"\xff\x00", b"\xfe", headers={"h": b"\xfd"})
    assert producer.flush(10) == 0
    (message,) = rest("GET", "/api/consume/bytes/0")[1]["messages"]
    assert (message["value"], message["valueEncoding"]) == ("/wA=", "base64")
    assert (message["key"], message["keyEncoding"]) == ("/g==", "base64")
    assert message["headersEncoding"] == {"h": "base64"}


def test_collectors_by_rest_and_by_definition(rest: Rest) -> None:
    body = {"name": "web", "type": "http", "topic": "web.raw", "port": 0}
    status, reply = rest("POST", "/api/collectors", body)
    assert (status, reply["status"], reply["collector"]) == (200, "registered", "web")
    assert reply["state"] == "running"
    problem(rest("POST", "/api/collectors", body), 409, "collector.exists")
    url = f"http://{reply['address']}/ingest"
    assert call("POST", url, [{"eventType": "a"}] * 3)[1]["accepted"] == 3
    one = rest("GET", "/api/collectors/web")[1]
    assert (one["accepted"], one["address"]) == (3, reply["address"])
    assert rest("GET", "/api/collectors")[1]["count"] == 1
    # A port that is taken: nothing is left behind, the topic neither.
    taken = {"name": "other", "type": "http", "topic": "not.made",
             "port": int(reply["address"].rpartition(":")[2])}  # fmt: skip
    problem(rest("POST", "/api/collectors", taken), 409, "web.port_in_use")
    assert rest("GET", "/api/collectors")[1]["count"] == 1
    assert rest("GET", "/api/topics/not.made")[0] == 404
    # Paused and stopped it stays defined; a WebSocket's sibling is as live.
    assert rest("POST", "/api/collectors/web/pause", {})[1]["state"] == "paused"
    problem(call("POST", url, {}), 503, "collector.not_taking")
    problem(rest("POST", "/api/collectors/web/start", {}), 409, "collector.running")
    assert rest("POST", "/api/collectors/web/resume", {})[1]["state"] == "running"
    assert call("POST", url, {})[1]["accepted"] == 1
    assert rest("POST", "/api/collectors/web/stop", {})[1]["state"] == "disabled"
    problem(rest("POST", "/api/collectors/web/pause", {}), 409, "collector.not_running")
    assert rest("GET", "/api/collectors/web")[1]["state"] == "disabled"
    url = f"http://{rest('POST', '/api/collectors/web/start', {})[1]['address']}/ingest"
    assert call("POST", url, {})[1]["accepted"] == 1
    url = f"http://{rest('POST', '/api/collectors/web/restart', {})[1]['address']}/ingest"
    assert call("POST", url, {})[1]["accepted"] == 1
    problem(rest("POST", "/api/collectors/none/stop", {}), 404, "collector.unknown")
    # One that is defined as paused stays resumed over a restart.
    quiet = {**body, "name": "off", "paused": True}
    assert rest("POST", "/api/collectors", quiet)[1]["state"] == "paused"
    assert rest("POST", "/api/collectors/off/resume", {})[1]["state"] == "running"
    assert rest("POST", "/api/collectors/off/restart", {})[1]["state"] == "running"
    assert rest("DELETE", "/api/collectors/off")[0] == 200
    # A disabled one is kept and does not run.
    status, reply = rest("POST", "/api/collectors", {**body, "name": "off", "enabled": False})
    assert (status, reply["state"]) == (200, "disabled")
    assert rest("GET", "/api/collectors/off")[1]["state"] == "disabled"
    for name in ("web", "off"):
        assert rest("DELETE", f"/api/collectors/{name}")[0] == 200
    assert rest("GET", "/api/collectors")[1]["count"] == 0


def test_metrics_as_json_and_as_text(system: Running, rest: Rest) -> None:
    seen = ["messagesInPerSec", "bytesInPerSec", "replicationBytesInPerSec", "leaderElectionRate"]
    told = ["messagesOutPerSec", "bytesOutPerSec", "producerRequestRate", "consumerRequestRate"]
    known = seen + told if system.brokers == 1 else seen
    for _ in range(200):  # a rate of a cluster needs a second look
        metrics = rest("GET", "/api/metrics")[1]
        if all(metrics[name] is not None for name in known):
            break
        time.sleep(0.1)
    assert all(metrics[name] >= 0 for name in known)
    if system.brokers > 1:  # what only its brokers count is not invented
        assert [metrics[name] for name in (*told, "uncleanLeaderElectionsPerSec")] == [None] * 5
    assert metrics["activeControllerCount"] == 1
    assert metrics["worker"]["active"] is True
    assert metrics["worker"]["members"] == 1
    status, text = call("GET", f"{rest.url}/api/metrics", accept="text/plain")
    assert status == 200
    assert "summit_messages_in_per_second" in text
    assert "kafka_server_replicamanager_underreplicatedpartitions" in text


def test_prometheus_has_kafkas_names(rest: Rest, system: Running) -> None:
    topic = "figures"
    assert rest("POST", "/api/topics", {"name": topic, "partitions": 2})[0] == 200
    for n in range(3):
        body = {"topic": topic, "partition": 0, "value": f"{n}"}
        assert rest("POST", "/api/produce", body)[0] == 200
    wanted = {
        f'kafka_log_log_logendoffset{{partition="0",topic="{topic}"}}': 3.0,
        f'kafka_topic_partition_current_offset{{partition="1",topic="{topic}"}}': 0.0,
    }
    if system.brokers == 1:
        of_topic = f'{{topic="{topic}"}}'
        wanted[f"kafka_server_brokertopicmetrics_messagesin_total{of_topic}"] = 3.0
        wanted[f"kafka_server_brokertopicmetrics_failedproducerequests_total{of_topic}"] = 0.0
    samples: dict[str, float] = {}
    for _ in range(600):  # what was seen is kept for some seconds
        status, text = call("GET", f"{rest.url}/metrics", accept="text/plain")
        assert status == 200
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        samples = {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}
        if all(samples.get(name) == value for name, value in wanted.items()):
            break
        time.sleep(0.2)
    assert {name: samples.get(name) for name in wanted} == wanted
    assert samples[f'kafka_log_log_size{{partition="0",topic="{topic}"}}'] > 3 * 61 - 122
    assert samples["kafka_controller_kafkacontroller_globaltopiccount"] > 3
    if system.brokers == 1:
        requests = "kafka_network_requestmetrics_requests_total"
        assert samples[f'{requests}{{request="Produce"}}'] > 0
        assert samples["kafka_server_brokertopicmetrics_bytesin_total"] > 100
