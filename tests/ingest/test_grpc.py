"""What only the gRPC collector does: results, ids, streams, status with details."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.ingest.grpc_calls import CODE, numbers, refusal, run, some, until
from tests.ingest.memory_log import MemoryLog
from tests.ingest.subjects import reason_of
from tools import grpc_descriptor

from summit.ingest import Collector, delivery
from summit.ingest.grpc.messages import SERVICE
from summit.ingest.grpc.stub import Event, EventBatch, IngestStub, PublishReply, PublishRequest

pytestmark = pytest.mark.timeout(120)


def test_the_descriptor_is_what_protoc_makes_of_the_proto() -> None:
    made = grpc_descriptor.module(grpc_descriptor.compile_proto())
    assert grpc_descriptor.TARGET.read_text(encoding="utf-8") == made


# ---- single calls ----


def test_every_form_of_content_and_what_events_bring_along() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, stub: IngestStub) -> None:
        reply = await stub.Publish(some(1, 2))
        assert (reply.accepted, reply.rejected, reply.replayed) == (2, 0, False)
        assert [(r.index, r.place.partition, r.place.offset) for r in reply.results] == [
            (0, 0, 0),
            (1, 0, 1),
        ]
        await stub.Publish(PublishRequest(json=b'{"n": 3}'))
        await stub.Publish(PublishRequest(lines=b'{"n": 4}\n\n{"n": 5}\n'))
        await stub.Publish(PublishRequest(event=Event(json='{"n": 6, "who": "ann"}')))
        own = Event(json='{"n": 7, "who": "ann"}', key="mine", headers={"a": "b"})
        batch = EventBatch(events=[own, Event(json='{"n": 8}')])
        assert (await stub.Publish(PublishRequest(batch=batch))).accepted == 2

    run(body, log, {"headers": {"from": "grpc"}}, keyField="who")
    assert numbers(log) == [1, 2, 3, 4, 5, 6, 7, 8]
    records = log.records("t")
    assert [record.key for record in records[5:]] == [b"ann", b"mine", None]
    assert dict(records[6].headers) | {"a": b"b", "from": b"grpc"} == dict(records[6].headers)
    assert "a" not in dict(records[7].headers)
    assert "summit.received-at" in dict(records[0].headers)


def test_a_bad_event_refuses_the_call_or_only_itself() -> None:
    log = MemoryLog(1)
    batch = EventBatch(events=[Event(json='{"n": 1}'), Event(json="[7]"), Event(json='{"n": 2}')])
    none = [PublishRequest(), PublishRequest(batch=EventBatch()), PublishRequest(event=Event())]

    async def atomic(_: Collector, stub: IngestStub) -> None:
        for bad in (PublishRequest(batch=batch), *none):
            assert await refusal(stub.Publish(bad)) == (
                CODE.INVALID_ARGUMENT,
                "ingest.event_invalid",
            )
        many = PublishRequest(lines=b'{"n":1}\n' * 5)
        assert await refusal(stub.Publish(many)) == (CODE.INVALID_ARGUMENT, "ingest.too_many")

    run(atomic, log, {"maxEventsPerMessage": 4})
    assert not log.topics

    async def skip(_: Collector, stub: IngestStub) -> None:
        for request, at in ((PublishRequest(batch=batch), 1), (some(1, 2), None)):
            reply = await stub.Publish(request)
            assert (reply.accepted, reply.rejected) == (2, 0 if at is None else 1)
            if at is not None:
                kinds = [row.WhichOneof("outcome") for row in reply.results]
                assert kinds == ["place", "refusal", "place"]
                assert reply.results[1].refusal.code == "ingest.event_invalid"

    collector = run(skip, log, {"onError": "skip"})
    assert numbers(log) == [1, 2, 1, 2]
    assert collector.status().rejected == 1


def test_an_id_is_written_once() -> None:
    log = MemoryLog(1, hold=True)

    async def body(_: Collector, stub: IngestStub) -> None:
        first = asyncio.create_task(_call(stub.Publish(some(1, 2, id="a"))))
        await until(lambda: len(log.held) == 2)
        meanwhile = await refusal(stub.Publish(some(1, 2, id="a")))
        assert meanwhile == (CODE.ABORTED, "ingest.key_in_flight")
        log.hold = False
        log.release()
        done = await first
        again = await stub.Publish(some(1, 2, id="a"))
        assert again.replayed
        again.replayed = False
        assert again == done
        other = await refusal(stub.Publish(some(3, id="a")))
        assert other == (CODE.INVALID_ARGUMENT, "ingest.key_reused")
        long = await refusal(stub.Publish(some(3, id="x" * 201)))
        assert long == (CODE.INVALID_ARGUMENT, "ingest.key_invalid")

    run(body, log)
    assert numbers(log) == [1, 2]
    assert dict(log.records("t")[1].headers)["summit.src"] == b"grpc:g:id:a:1"


def test_the_order_of_maps_on_the_wire_says_nothing() -> None:
    """The same request, sent again by another library, is the same one."""

    def raw(*names: str, text: str = "x") -> bytes:
        # Parts of one message, one behind the other, are merged: so the map has this order.
        parts = [PublishRequest(id="a", event=Event(json='{"n": 1}'))]
        parts += [PublishRequest(event=Event(headers={name: text})) for name in names]
        return b"".join(one.SerializeToString() for one in parts)

    log = MemoryLog(1)

    async def body(collector: Collector, _: IngestStub) -> None:
        async with grpc.aio.insecure_channel(str(collector.address)) as channel:
            publish = channel.unary_unary(f"/{SERVICE}/Publish", None, PublishReply.FromString)
            assert raw("p", "q", "r") != raw("r", "p", "q")
            assert not (await publish(raw("p", "q", "r"))).replayed
            assert (await publish(raw("r", "p", "q"))).replayed
            other = await refusal(publish(raw("p", "q", "r", text="y")))
            assert other == (CODE.INVALID_ARGUMENT, "ingest.key_reused")

    run(body, log)
    assert len(log.records("t")) == 1


def test_a_deadline_ends_the_call_and_not_the_writing() -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, stub: IngestStub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Publish(some(1, id="late"), timeout=0.3)
        assert caught.value.code() == CODE.DEADLINE_EXCEEDED
        assert collector.status().details["inFlightBytes"] > 0
        log.hold = False
        log.release()
        await until(lambda: collector.status().accepted == 1)
        assert collector.status().details["inFlightBytes"] == 0
        assert (await stub.Publish(some(1, id="late"))).replayed

    run(body, log)
    assert numbers(log) == [1]


async def _call(call: Any) -> Any:
    return await call


def test_try_again_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 1_500)
    log = MemoryLog(1)

    async def body(_: Collector, stub: IngestStub) -> None:
        log.away = True
        for expected in ("no answer in time", "is away"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Publish(some(1))
            error = caught.value
            assert error.code() == CODE.UNAVAILABLE, expected
            trailers = dict(error.trailing_metadata() or ())
            assert trailers["grpc-retry-pushback-ms"] == "1500"
            status = Status.FromString(trailers["grpc-status-details-bin"])
            assert (status.code, status.message) == (14, error.details())
            retry = RetryInfo()
            assert status.details[1].Unpack(retry)
            assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (1, 500_000_000)

    run(body, log, {"ackTimeoutMs": 100})


def test_a_client_with_a_retry_policy_comes_through() -> None:
    log = MemoryLog(1)
    policy = {
        "maxAttempts": 5, "initialBackoff": "0.01s", "maxBackoff": "0.1s",
        "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }  # fmt: skip
    service = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}

    async def body(collector: Collector, _: IngestStub) -> None:
        options = [("grpc.service_config", json.dumps(service))]
        async with grpc.aio.insecure_channel(str(collector.address), options=options) as channel:
            stub = IngestStub(channel)
            for n in range(4):  # a burst of one: the others wait as they are told
                await stub.Publish(some(n))

    run(body, log, {"rateLimit": 10, "rateBurst": 1})
    assert numbers(log) == [0, 1, 2, 3]


# ---- streams ----


def test_a_stream_is_answered_by_id_in_order() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, stub: IngestStub) -> None:
        async def requests() -> Any:
            yield some(1, id="a")
            yield some(2, 3)
            yield PublishRequest(id="bad", json=b"{")
            yield PublishRequest(id="none")
            yield PublishRequest(id="b", event=Event(json='{"n": 4}', key="k"))

        acks = [ack async for ack in stub.PublishStream(requests())]
        assert [(ack.id, ack.seq, ack.accepted, ack.refusal.code) for ack in acks] == [
            ("a", 1, 1, ""),
            ("", 2, 2, ""),
            ("bad", 3, 0, "ingest.event_invalid"),
            ("none", 4, 0, "ingest.event_invalid"),
            ("b", 5, 1, ""),
        ]
        assert [ack.place.offset for ack in acks] == [0, 0, 0, 0, 3]

    collector = run(body, log)
    assert numbers(log) == [1, 2, 3, 4]
    assert log.records("t")[3].key == b"k"
    assert (collector.status().accepted, collector.status().rejected) == (4, 2)


def test_many_messages_have_one_answer() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, stub: IngestStub) -> None:
        async def requests() -> Any:
            for n in range(200):
                yield some(n)
            yield PublishRequest(id="bad", json=b"7")

        summary = await stub.PublishMany(requests())
        assert (summary.messages, summary.accepted, summary.rejected) == (201, 200, 1)
        assert (summary.seq, len(summary.refused)) == (201, 1)
        assert (summary.refused[0].id, summary.refused[0].seq) == ("bad", 201)
        assert (await stub.PublishMany(_none())).messages == 0
        log.away = True
        assert await refusal(stub.PublishMany(requests())) == (
            CODE.UNAVAILABLE,
            "ingest.broker_away",
        )

    collector = run(body, log, {"ackTimeoutMs": 100, "acks": "cumulative"})
    assert numbers(log) == [*range(200)]
    assert collector.status().details["inFlightBytes"] == 0


async def _none() -> Any:
    for never in ():
        yield never


def test_no_more_is_read_than_may_be_unacknowledged() -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, stub: IngestStub) -> None:
        call = stub.PublishStream()
        for n in range(50):
            await call.write(some(n))
        await call.done_writing()
        await until(lambda: len(log.held) == 5)
        await asyncio.sleep(0.1)
        assert len(log.held) == 5
        details = collector.status().details
        assert (details["unacked"], details["connections"]) == (5, 1)
        log.hold = False
        log.release()
        assert [ack.seq async for ack in call] == [*range(1, 51)]

    run(body, log, {"maxUnacked": 5})


def test_a_sender_that_reads_no_answers_is_read_no_further() -> None:
    log = MemoryLog(1)

    async def body(collector: Collector, stub: IngestStub) -> None:
        call = stub.PublishStream()

        async def write() -> None:
            while True:
                await call.write(some(1, id="i" * 1000))

        writing = asyncio.create_task(write())
        last = -1
        while last != collector.status().accepted:  # until nothing more is taken
            last = collector.status().accepted
            await asyncio.sleep(0.5)
        assert collector.status().details["unacked"] <= 10
        writing.cancel()
        call.cancel()
        assert (await stub.Publish(some(2))).accepted == 1
        await until(lambda: collector.status().details["connections"] == 0)

    run(body, log, {"maxUnacked": 10})


def test_cumulative_answers() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, stub: IngestStub) -> None:
        async def requests() -> Any:
            for n in range(200):
                yield some(n)
            yield some(200, id="named")

        acks = [ack async for ack in stub.PublishStream(requests())]
        assert len(acks) < 201
        assert [ack.seq for ack in acks if ack.id] == [201]
        seen = [ack.seq for ack in acks]
        assert seen == sorted(seen)
        assert max(seen) == 201

    run(body, log, {"acks": "cumulative"})
    assert numbers(log) == [*range(201)]


def test_a_named_client_goes_on_where_it_was() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, stub: IngestStub) -> None:
        who = (("summit-client", "shop"),)
        first = stub.PublishStream(metadata=who)
        assert dict(await first.initial_metadata())["summit-seq"] == "0"
        for n in (1, 2):
            await first.write(some(n))
            assert (await first.read()).seq == n
        second = stub.PublishStream(metadata=who)  # takes the name over
        assert dict(await second.initial_metadata())["summit-seq"] == "2"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            assert await first.read() is None
        assert (caught.value.code(), reason_of(caught.value)) == (
            CODE.ABORTED,
            "ingest.client_busy",
        )
        await second.write(some(2, seq=2))
        ack = await second.read()
        assert (ack.seq, ack.repeated, ack.accepted) == (2, True, 0)
        await second.write(some(3))
        assert (await second.read()).seq == 3
        log.away = True
        await second.write(some(4))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await second.read()  # no number has a gap
        assert caught.value.code() == CODE.UNAVAILABLE
        assert dict(caught.value.trailing_metadata() or ())["summit-seq"] == "3"
        log.away = False
        log.release()  # it was on its way after all
        third = stub.PublishStream(metadata=who)
        assert dict(await third.initial_metadata())["summit-seq"] == "3"
        await third.write(some(4))
        assert (await third.read()).seq == 4
        await third.done_writing()
        assert await third.read() is grpc.aio.EOF
        bad = stub.PublishStream(metadata=(("summit-client", "a:b"),))
        assert await refusal(bad.read()) == (CODE.INVALID_ARGUMENT, "config.invalid")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "RETRY_AFTER_MS", 100)
        run(body, log, {"ackTimeoutMs": 200})
    assert numbers(log) == [1, 2, 3, 4]
    assert dict(log.records("t")[3].headers)["summit.src"] == b"grpc:g:shop:4:0/1"


def test_stop_answers_what_streams_have_sent() -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, stub: IngestStub) -> None:
        call = stub.PublishStream()
        await call.write(some(1, id="a"))
        await until(lambda: bool(log.held))
        watch = HealthStub(grpc.aio.insecure_channel(str(collector.address)))
        watching = watch.Watch(HealthCheckRequest())  # would go on for ever
        assert (await watching.read()).status == HealthCheckResponse.SERVING
        stopping = asyncio.create_task(collector.stop())
        assert (await watching.read()).status == HealthCheckResponse.NOT_SERVING
        assert not stopping.done()
        log.release()
        assert (await call.read()).id == "a"
        assert await refusal(call.read()) == (CODE.UNAVAILABLE, "collector.not_taking")
        await asyncio.wait_for(stopping, 8)

    run(body, log)
    assert numbers(log) == [1]
