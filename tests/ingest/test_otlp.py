"""Logs of OpenTelemetry over gRPC and over HTTP, by the exporters of its own SDK."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from tests.ingest.memory_log import MemoryLog
from tests.ingest.subjects import reason_of

from summit.ingest import make_collector

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK's own
]
SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
VALUES = {
    "text": {"stringValue": "a"}, "yes": {"boolValue": True}, "count": {"intValue": "7"},
    "share": {"doubleValue": 0.5}, "raw": {"bytesValue": "AAE="}, "none": {},
    "list": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}},
    "map": {"kvlistValue": {"values": [{"key": "x", "value": {"intValue": "2"}}]}},
}  # fmt: skip
RECORD = {
    "timeUnixNano": "1700000000123456789", "severityNumber": 13, "severityText": "WARN",
    "eventName": "user.login", "body": {"stringValue": "hello"}, "futureField": 1,
    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
    "attributes": [{"key": key, "value": value} for key, value in VALUES.items()],
}  # fmt: skip
EVENT = {
    "eventType": "user.login", "timestamp": 1_700_000_000_123, "source": "shop",
    "message": "hello", "severity": "WARN", "severityNumber": 13,
    "attributes": {
        "text": "a", "yes": True, "count": 7, "share": 0.5, "raw": "AAE=", "none": None,
        "list": [1, "b"], "map": {"x": 2},
    },
    "resource": {"service.name": "shop"}, "scope": {"name": "auth", "version": "1"},
    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
}  # fmt: skip


def request(*records: Any) -> dict[str, Any]:
    service = {"key": "service.name", "value": {"stringValue": "shop"}}
    scope = {"scope": {"name": "auth", "version": "1"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": [service]}, "scopeLogs": [scope]}]}


def run(kind: str, body: Callable[[str], Any], **changes: Any) -> MemoryLog:
    """Run a collector, and what talks to it in a thread of its own."""
    log = MemoryLog(1)

    async def go() -> None:
        block = {"otlp": True, **changes.pop("block", {})}
        config = {"name": "o", "type": kind, "port": 0, "topic": "t", kind: block, **changes}
        collector = make_collector(config)
        await collector.start(log)
        try:
            await asyncio.to_thread(body, str(collector.address))
        finally:
            await collector.stop()

    asyncio.run(go())
    return log


def events(log: MemoryLog) -> list[Any]:
    return [json.loads(record.value or b"") for record in log.records("t")]


def export(exporter: Any) -> None:
    """Log over the SDK, as a program does."""
    provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.getLogger("shop.test")
    handler = LoggingHandler(logger_provider=provider)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        for n in range(50):
            logger.warning("order %d", n, extra={"order": n})
        assert provider.force_flush(20_000)
    finally:
        logger.removeHandler(handler)
        provider.shutdown()


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_the_exporter_of_the_sdk(kind: str) -> None:
    def body(address: str) -> None:
        if kind == "grpc":
            export(GrpcExporter(endpoint=f"http://{address}", insecure=True))
        else:
            export(HttpExporter(endpoint=f"http://{address}/v1/logs"))

    found = events(run(kind, body))
    assert [event["message"] for event in found] == [f"order {n}" for n in range(50)]
    assert {event["eventType"] for event in found} == {"log.record"}
    assert {event["source"] for event in found} == {"shop"}
    assert {event["severity"].upper() for event in found} <= {"WARN", "WARNING"}
    assert [event["attributes"]["order"] for event in found] == [*range(50)]
    assert all(event["timestamp"] > 1_600_000_000_000 for event in found)


def test_what_a_record_becomes_over_json() -> None:
    def body(address: str) -> None:
        with httpx.Client(trust_env=False, base_url=f"http://{address}") as client:
            reply = client.post("/v1/logs", json=request(RECORD))
            assert (reply.status_code, reply.json()) == (200, {})
            assert reply.headers["content-type"] == "application/json"
            assert client.post("/v1/logs", json={}).json() == {}
            other = client.post("/v1/logs", content=b"a,b", headers={"content-type": "text/csv"})
            assert other.status_code == 415
            for bad in (b"{", b"[]", b'{"resourceLogs": 7}', b'{"resourceLogs": [{"x"', b"\xff",
                json.dumps(request({"traceId": "zz"})).encode()):  # fmt: skip
                reply = client.post(
                    "/v1/logs", content=bad, headers={"content-type": "application/json"}
                )
                assert reply.status_code == 400, bad
                assert reply.json()["code"] == "ingest.event_invalid"
            kind = {"content-type": "application/x-protobuf"}
            assert client.post("/v1/logs", content=b"\xff", headers=kind).status_code == 400

    assert events(run("http", body)) == [EVENT]


def test_partial_success() -> None:
    bad = {**RECORD, "body": {"intValue": "7"}}

    def over_grpc(address: str) -> None:
        from google.protobuf import json_format

        with grpc.insecure_channel(address) as channel:
            message = request(RECORD, bad, RECORD)
            for scope in message["resourceLogs"][0]["scopeLogs"]:
                for record in scope["logRecords"]:
                    record.pop("traceId", None)
                    record.pop("spanId", None)
            sent = json_format.ParseDict(
                message, ExportLogsServiceRequest(), ignore_unknown_fields=True
            )
            check(LogsServiceStub(channel).Export(sent))

    def over_http(address: str) -> None:
        body = json.dumps(request(RECORD, bad, RECORD))
        kind = {"content-type": "application/json"}
        with httpx.Client(trust_env=False) as client:
            reply = client.post(f"http://{address}/v1/logs", content=body, headers=kind)
        partial = reply.json()["partialSuccess"]
        assert int(partial["rejectedLogRecords"]) == 1
        assert "record 1" in partial["errorMessage"]

    def check(reply: ExportLogsServiceResponse) -> None:
        assert reply.partial_success.rejected_log_records == 1
        assert "record 1" in reply.partial_success.error_message

    assert len(events(run("http", over_http, eventSchema=SCHEMA))) == 2
    assert len(events(run("grpc", over_grpc, eventSchema=SCHEMA))) == 2


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_a_large_request_is_written_in_parts(kind: str) -> None:
    """Each within the limits; only a whole that is beyond measure is refused."""
    sent = ExportLogsServiceRequest()
    of_resource = sent.resource_logs.add()
    of_resource.resource.attributes.add(key="k").value.string_value = "x" * 10_000
    records = of_resource.scope_logs.add().log_records
    for number in range(300):  # three megabytes, above what may be on its way and in a message
        records.add(severity_number=1).body.string_value = str(number)
    records[7].body.string_value = "y" * 60_000
    block = {"maxInFlightBytes": 150_000, "maxEventBytes": 50_000}
    block["maxMessageBytes" if kind == "grpc" else "maxBodyBytes"] = 120_000

    def body(address: str) -> None:
        if kind == "grpc":
            with grpc.insecure_channel(address) as channel:
                reply = LogsServiceStub(channel).Export(sent)
        else:
            media = {"content-type": "application/x-protobuf"}
            with httpx.Client(trust_env=False, headers=media) as client:
                answer = client.post(f"http://{address}/v1/logs", content=sent.SerializeToString())
            assert answer.status_code == 200, answer.text
            reply = ExportLogsServiceResponse.FromString(answer.content)
        assert reply.partial_success.rejected_log_records == 1
        assert "record 7" in reply.partial_success.error_message

    found = events(run(kind, body, block=block, rateLimit=10_000, rateBurst=40))
    assert [one["message"] for one in found] == [str(n) for n in range(300) if n != 7]


def test_a_small_request_may_not_become_large_events() -> None:
    sent = ExportLogsServiceRequest()
    of_resource = sent.resource_logs.add()
    of_resource.resource.attributes.add(key="k").value.string_value = "x" * 100_000
    records = of_resource.scope_logs.add().log_records
    for _ in range(20):  # two megabytes: what an exporter sends
        records.add(severity_number=1)

    def over_grpc(address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            stub = LogsServiceStub(channel)
            stub.Export(sent)
            for _ in range(700):
                records.add()
            with pytest.raises(grpc.RpcError) as caught:
                stub.Export(sent)
            assert reason_of(caught.value) == "ingest.unfolds_too_large"  # type: ignore[arg-type]
            del records[20:]

    def over_http(address: str) -> None:
        kind = {"content-type": "application/x-protobuf"}
        with httpx.Client(trust_env=False, base_url=f"http://{address}", headers=kind) as client:
            assert client.post("/v1/logs", content=sent.SerializeToString()).status_code == 200
            for _ in range(700):
                records.add()
            reply = client.post("/v1/logs", content=sent.SerializeToString())
            assert (reply.status_code, reply.json()["code"]) == (413, "ingest.unfolds_too_large")

    assert len(events(run("grpc", over_grpc, block={"maxMessageBytes": 1_000_000}))) == 20
    assert len(events(run("http", over_http, block={"maxBodyBytes": 1_000_000}))) == 20


def test_credentials_and_a_broker_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "one")
    auth = {"auth": {"type": "bearer", "secrets": ["${ONE}"]}}

    def over_grpc(address: str) -> None:
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
            LogsServiceStub(channel).Export(ExportLogsServiceRequest())
        assert reason_of(caught.value) == "ingest.unauthorized"  # type: ignore[arg-type]

    def over_http(address: str) -> None:
        with httpx.Client(trust_env=False) as client:
            assert client.post(f"http://{address}/v1/logs", json={}).status_code == 401

    run("grpc", over_grpc, block=auth)
    run("http", over_http, block=auth)

    def is_off(address: str) -> None:
        with httpx.Client(trust_env=False) as client:
            assert client.post(f"http://{address}/v1/logs", json={}).status_code == 404

    run("http", is_off, block={"otlp": False})
