"""Serializers against Confluent's, and against the bare libraries: CPU-seconds per million values.

    python -m bench.client.serializers [--values 50000] [--rounds 5]

One order of five fields, written and read again and again; schemas are known to both sides, as they
are after the first record. `ours` is the whole path of a client, a `ProducerRecord` in, one with
bytes out; `theirs` Confluent's serializer called as its documents say; `bare` the library beneath
alone, and for Avro in a row of its own with the check of values that `ours` makes and others leave
out. Rounds take turns; a line per format and direction: the median, and ours to each other.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import fastavro
import fastavro.validation
from bench.broker.harness import show
from tests.serde.proto_files import Line, Order
from tests.serde.registry_server import RegistryServer

from summit.client import ConsumerConfig, ConsumerRecord, ProducerRecord
from summit.client.deserializing import Deserializing
from summit.client.giving_up import GivingUp
from summit.client.serializing import Serializing
from summit.serde import AvroSerde, JsonSerde, ProtobufSerde, SchemaRegistry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "count", "type": "int"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}
ORDER = {"id": "o-4711", "amount": 12.5, "count": 3, "note": "quick", "tags": ["a", "b", "c"]}
MESSAGE = Order(id="o-4711", weight=12.5, lines=[Line(sku="a", count=1), Line(sku="b", count=2)])
# Else they ask the registry at every record for associations that it does not know.
THEIR_SETTINGS = {"subject.name.strategy": topic_subject_name_strategy}
CONTEXT = SerializationContext("orders", MessageField.VALUE)
Way = Callable[[int], None]
Line_ = dict[str, Way]  # by who does it


def our_ways(serde: Any, value: Any, loop: asyncio.AbstractEventLoop) -> tuple[Way, Way]:
    """Writing and reading as the clients do."""
    config = ConsumerConfig(group_id="g")
    writing = Serializing(None, serde)
    reading = Deserializing(None, serde, GivingUp(config, lambda *_: None))
    record = ProducerRecord(topic="orders", value=value)
    data = loop.run_until_complete(writing.record(record)).value
    read = ConsumerRecord("orders", 0, 0, 1, None, data)

    async def write_all(count: int) -> None:
        await writing.batch([record] * count)

    async def read_all(count: int) -> None:
        for _ in range(count):
            await reading.record(read)

    return (
        lambda count: loop.run_until_complete(write_all(count)),
        lambda count: loop.run_until_complete(read_all(count)),
    )


def repeated(call: Callable[[], Any]) -> Way:
    """`call()` so many times."""

    def way(count: int) -> None:
        for _ in range(count):
            call()

    return way


def avro(url: str, registry: SchemaRegistry, loop: Any) -> tuple[Line_, Line_]:
    """Ours, theirs and bare fastavro."""
    parsed = fastavro.parse_schema(SCHEMA)
    write, read = our_ways(AvroSerde(SCHEMA, registry=registry), ORDER, loop)
    client = SchemaRegistryClient({"url": url})
    serializer = AvroSerializer(client, json.dumps(SCHEMA), conf=THEIR_SETTINGS)
    deserializer = AvroDeserializer(client, conf=THEIR_SETTINGS)
    data = serializer(ORDER, CONTEXT)
    assert deserializer(data, CONTEXT) == ORDER

    def bare_write() -> None:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, ORDER)
        out.getvalue()

    def bare_checked() -> None:
        fastavro.validation.validate(ORDER, parsed)
        bare_write()

    return (
        {
            "ours": write,
            "theirs": repeated(lambda: serializer(ORDER, CONTEXT)),
            "bare": repeated(bare_write),
            "bare_checked": repeated(bare_checked),
        },
        {
            "ours": read,
            "theirs": repeated(lambda: deserializer(data, CONTEXT)),
            "bare": repeated(lambda: fastavro.schemaless_reader(io.BytesIO(data[5:]), parsed)),
        },
    )


def protobuf(url: str, registry: SchemaRegistry, loop: Any) -> tuple[Line_, Line_]:
    """Ours, theirs and the bare library."""
    write, read = our_ways(ProtobufSerde(Order, registry=registry), MESSAGE, loop)
    client = SchemaRegistryClient({"url": url})
    serializer = ProtobufSerializer(Order, client, THEIR_SETTINGS)
    deserializer = ProtobufDeserializer(Order, THEIR_SETTINGS, client)
    data = serializer(MESSAGE, CONTEXT)
    assert deserializer(data, CONTEXT) == MESSAGE
    plain = MESSAGE.SerializeToString()
    return (
        {
            "ours": write,
            "theirs": repeated(lambda: serializer(MESSAGE, CONTEXT)),
            "bare": repeated(MESSAGE.SerializeToString),
        },
        {
            "ours": read,
            "theirs": repeated(lambda: deserializer(data, CONTEXT)),
            "bare": repeated(lambda: Order.FromString(plain)),
        },
    )


def json_(loop: Any) -> tuple[Line_, Line_]:
    """Ours and the standard library, which is what most callers write."""
    write, read = our_ways(JsonSerde(), ORDER, loop)
    data = json.dumps(ORDER).encode()
    return (
        {"ours": write, "bare": repeated(lambda: json.dumps(ORDER).encode())},
        {"ours": read, "bare": repeated(lambda: json.loads(data))},
    )


def main() -> None:
    """Run the rounds and print a line per format and direction."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--values", type=int, default=50_000)
    arguments.add_argument("--rounds", type=int, default=5)
    args = arguments.parse_args()
    with RegistryServer() as server, asyncio.Runner() as runner:
        loop = runner.get_loop()
        registry = SchemaRegistry(server.url)
        lines: dict[str, Line_] = {}
        for name, (write, read) in {
            "avro": avro(server.url, registry, loop),
            "protobuf": protobuf(server.url, registry, loop),
            "json": json_(loop),
        }.items():
            lines |= {f"{name} write": write, f"{name} read": read}
        for ways in lines.values():
            for way in ways.values():
                way(1)
        asked = len(server.requests)
        used: dict[str, dict[str, list[float]]] = {
            line: {who: [] for who in ways} for line, ways in lines.items()
        }
        for _ in range(args.rounds):
            for line, ways in lines.items():
                for who, way in ways.items():
                    began = time.process_time()
                    way(args.values)
                    used[line][who].append((time.process_time() - began) / args.values * 1e6)
        assert len(server.requests) == asked, "the registry was asked while it was measured"
        runner.run(registry.close())
    for line, each in used.items():
        medians = {who: statistics.median(times) for who, times in each.items()}
        show(
            line,
            **{f"{who}_cpu_s_per_million": round(median, 2) for who, median in medians.items()},
            **{
                f"ours_to_{who}": round(medians["ours"] / median, 2)
                for who, median in medians.items()
                if who != "ours"
            },
        )


if __name__ == "__main__":
    main()
