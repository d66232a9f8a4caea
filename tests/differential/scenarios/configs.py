"""Configs of topics and brokers: every name with its default, and every way to change them."""

from __future__ import annotations

from typing import Any

from tests.differential.requests import versions
from tests.differential.side import Side

from summit.protocol.alter_configs import ALTER_CONFIGS
from summit.protocol.describe_configs import DESCRIBE_CONFIGS
from summit.protocol.incremental_alter_configs import INCREMENTAL_ALTER_CONFIGS
from summit.protocol.list_config_resources import LIST_CONFIG_RESOURCES

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)


def asked(kind: int, name: str, keys: list[str] | None, **fields: bool) -> dict[str, Any]:
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
    return {"resources": [resource], **fields}


def describe(side: Side) -> None:
    side.create("t", 1, retention_ms="1000", cleanup_policy="compact")
    name = side.mine("t")
    for v in versions(DESCRIBE_CONFIGS):
        side.ask("every config of a topic", DESCRIBE_CONFIGS, v,
                 asked(TOPIC, name, None, include_synonyms=v == 4))  # fmt: skip
        side.ask("two", DESCRIBE_CONFIGS, v,
                 asked(TOPIC, name, ["retention.ms", "segment.ms"],
                       include_synonyms=True))  # fmt: skip
        side.ask("one that is none", DESCRIBE_CONFIGS, v, asked(TOPIC, name, ["no.such"]))
        side.ask("no keys", DESCRIBE_CONFIGS, v, asked(TOPIC, name, []))
        side.ask("unknown topic", DESCRIBE_CONFIGS, v, asked(TOPIC, "nobody", None))
        side.ask("bad topic name", DESCRIBE_CONFIGS, v, asked(TOPIC, "a/b", None))
        side.ask("a broker's", DESCRIBE_CONFIGS, v,
                 asked(BROKER, "1", ["num.partitions", "log.retention.ms"]))  # fmt: skip
        side.ask("every broker's", DESCRIBE_CONFIGS, v, asked(BROKER, "", ["num.partitions"]))
        side.ask("another broker's", DESCRIBE_CONFIGS, v, asked(BROKER, "7", None))
        side.ask("a broker without a number", DESCRIBE_CONFIGS, v, asked(BROKER, "x", None))
        side.ask("an unknown type", DESCRIBE_CONFIGS, v, asked(99, "x", None))
        twice = asked(TOPIC, name, ["retention.ms"])
        twice["resources"] *= 2
        side.ask("twice", DESCRIBE_CONFIGS, v, twice)
        side.ask("nothing", DESCRIBE_CONFIGS, v)


def replace(side: Side) -> None:
    for v in versions(ALTER_CONFIGS):
        side.create(f"t-v{v}", 1, retention_ms="1000")
        name = side.mine(f"t-v{v}")

        def of(configs: dict[str, str | None], kind: int = TOPIC, name: str = name,
               **fields: bool) -> dict[str, Any]:  # fmt: skip
            pairs = [{"name": k, "value": value} for k, value in configs.items()]
            resource = {"resource_type": kind, "resource_name": name, "configs": pairs}
            return {"resources": [resource], **fields}

        for step, request in {
            "checked only": of({"segment.ms": "5"}, validate_only=True),
            "replaced": of({"segment.ms": "50000"}), "unknown config": of({"no.such": "1"}),
            "bad value": of({"segment.ms": "soon"}), "null value": of({"segment.ms": None}),
            "unknown topic": of({"segment.ms": "5"}, name="nobody"),
            "bad name": of({"segment.ms": "5"}, name="a/b"),
            "an unknown type": of({"a": "b"}, kind=99), "another broker": of({}, 4, "7"),
            "a broker without a number": of({}, 4, "x"),
        }.items():  # fmt: skip
            side.ask(step, ALTER_CONFIGS, v, request)
            side.rest()
            side.ask(f"after {step}", DESCRIBE_CONFIGS, v + 1,
                     asked(TOPIC, name, ["retention.ms", "segment.ms"]))  # fmt: skip
        side.ask("nothing", ALTER_CONFIGS, v)


def change(side: Side) -> None:
    for v in versions(INCREMENTAL_ALTER_CONFIGS):
        side.create(f"t-v{v}", 1, retention_ms="1000")
        name = side.mine(f"t-v{v}")

        def of(*rows: tuple[str, int, str | None], kind: int = TOPIC, name: str = name,
               **fields: bool) -> dict[str, Any]:  # fmt: skip
            pairs = [{"name": k, "config_operation": op, "value": value} for k, op, value in rows]
            resource = {"resource_type": kind, "resource_name": name, "configs": pairs}
            return {"resources": [resource], **fields}

        for step, request in {
            "set": of(("segment.ms", SET, "50000")),
            "deleted": of(("segment.ms", DELETE, None)),
            "deleted again": of(("segment.ms", DELETE, "x")),
            "appended": of(("cleanup.policy", APPEND, "compact")),
            "appended again": of(("cleanup.policy", APPEND, "compact")),
            "subtracted": of(("cleanup.policy", SUBTRACT, "delete")),
            "subtracted again": of(("cleanup.policy", SUBTRACT, "delete")),
            "subtracted all": of(("cleanup.policy", SUBTRACT, "compact")),
            "appended to a number": of(("segment.ms", APPEND, "5")),
            "subtracted from a number": of(("segment.ms", SUBTRACT, "5")),
            "unknown operation": of(("segment.ms", 9, "5")),
            "set to null": of(("segment.ms", SET, None)),
            "bad value": of(("segment.ms", SET, "soon")),
            "unknown config": of(("no.such", SET, "1")),
            "unknown config deleted": of(("no.such", DELETE, None)),
            "one name twice": of(("segment.ms", SET, "5"), ("segment.ms", SET, "6")),
            "one good, one bad": of(("segment.ms", SET, "70000"), ("retention.ms", SET, "soon")),
            "checked only": of(("segment.ms", SET, "80000"), validate_only=True),
            "unknown topic": of(("segment.ms", SET, "5"), name="nobody"),
            "bad name": of(("segment.ms", SET, "5"), name="a/b"),
            "an unknown type": of(("a", SET, "b"), kind=99),
            "another broker": of(("log.retention.ms", SET, "5"), kind=BROKER, name="7"),
            "read-only of the broker": of(("broker.id", SET, "5"), kind=BROKER, name="1"),
        }.items():
            side.ask(step, INCREMENTAL_ALTER_CONFIGS, v, request)
            side.rest()
            side.ask(f"after {step}", DESCRIBE_CONFIGS, v + 1,
                     asked(TOPIC, name, ["cleanup.policy", "segment.ms"]))  # fmt: skip
        twice = of(("segment.ms", SET, "50000"))
        twice["resources"] *= 2
        side.ask("a resource twice", INCREMENTAL_ALTER_CONFIGS, v, twice)
        side.ask("nothing", INCREMENTAL_ALTER_CONFIGS, v)


def resources(side: Side) -> None:
    side.create("t", 1, retention_ms="1000")
    side.create("plain", 1)
    for v in versions(LIST_CONFIG_RESOURCES):
        side.ask("all", LIST_CONFIG_RESOURCES, v, mine=True)
        for kinds in ([2], [4], [8], [16], [99], [2, 2]) if v else ():
            side.ask(f"types {kinds}", LIST_CONFIG_RESOURCES, v, {"resource_types": kinds},
                     mine=True)  # fmt: skip


SCENARIOS = {
    "configs describe": describe,
    "configs replace": replace,
    "configs change": change,
    "configs resources": resources,
}
