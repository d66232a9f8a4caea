"""`summit produce` and `summit consume` with formats: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.serde.proto_files import Line, Order
from tests.serde.registry_server import RegistryServer
from tests.serde.test_avro import ORDER

from summit.cli.main import root
from summit.serde import to_json
from summit.stream_processing import EmbeddedBroker


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def run(broker: EmbeddedBroker, *arguments: str, lines: list[Any] | None = None) -> Result:
    text = None if lines is None else "".join(json.dumps(line) + "\n" for line in lines)
    words = [*arguments, "--bootstrap-servers", broker.address]
    return CliRunner().invoke(root, words, input=text, catch_exceptions=False)


def read(broker: EmbeddedBroker, topic: str, *options: str) -> list[Any]:
    done = run(broker, "consume", topic, "--exit", *options)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["json", "msgpack", "avro", "json-schema"])
def test_there_and_back(summit_broker: EmbeddedBroker, server: RegistryServer, name: str) -> None:
    server.put("orders-value", json.dumps(ORDER))
    if name == "json-schema":
        server.subjects.clear()
        server.put("orders-value", '{"type": "object", "required": ["id"]}', "JSON")
    values = [{"id": n, "note": note} for n, note in enumerate(["ü", None])]
    form = ["--value-format", name]
    if name in ("avro", "json-schema"):
        form += ["--schema-registry", server.url]
    done = run(summit_broker, "produce", "orders", "-q", "-k", "key", *form, lines=values)
    assert done.exit_code == 0, done.output
    found = read(summit_broker, "orders", *form, "--key-format", "string")
    assert [(each["key"], each["value"]) for each in found] == [("key", v) for v in values]
    assert read(summit_broker, "orders", *form, "-o", "value") == values
    assert read(summit_broker, "orders", *form, "-f", r"[%v]\n") == [[value] for value in values]


def test_what_is_in_no_such_format_is_counted_and_passed_over(
    summit_broker: EmbeddedBroker,
) -> None:
    """Also where it is the last one: the command ends."""
    run(summit_broker, "produce", "mixed", "-q", lines=["text", 5])
    with_bad = CliRunner().invoke(
        root, ["produce", "mixed", "-q", "-b", summit_broker.address], input="{bad\n"
    )
    assert with_bad.exit_code == 0
    done = run(summit_broker, "consume", "mixed", "--exit", "--value-format", "json")
    assert [json.loads(line)["value"] for line in done.stdout.splitlines()] == ["text", 5]
    assert "2 records, 1 passed over" in done.stderr


def test_what_cannot_be_sent_is_told(summit_broker: EmbeddedBroker, server: RegistryServer) -> None:
    server.put("orders-value", json.dumps(ORDER))
    avro = ["--value-format", "avro", "--schema-registry", server.url]
    for arguments, lines, said in (
        (avro, [{"id": "x"}], "shop.Order.id"),
        (avro[:2], [{"id": 1}], "needs a schemaRegistry"),
    ):
        done = CliRunner().invoke(
            root,
            ["produce", "orders", *arguments, "-b", summit_broker.address],
            input="".join(json.dumps(line) + "\n" for line in lines),
        )
        assert done.exit_code != 0
        assert said in done.output + str(done.exception)
    not_json = CliRunner().invoke(
        root,
        ["produce", "orders", "--value-format", "json", "-b", summit_broker.address],
        input="{\n",
    )
    assert not_json.exit_code != 0
    assert "needs JSON lines" in not_json.output


def test_what_json_cannot_say_is_said_as_text() -> None:
    value = {
        "bytes": b"\xff",
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "price": Decimal("1.50"),
        "order": Order(id="o", lines=[Line(sku="s")]),
        "odd": range(2),
    }
    assert json.loads(to_json(value)) == {
        "bytes": "/w==",
        "at": "2026-01-02T00:00:00Z",
        "price": "1.50",
        "order": {"id": "o", "lines": [{"sku": "s"}]},
        "odd": "range(0, 2)",
    }
