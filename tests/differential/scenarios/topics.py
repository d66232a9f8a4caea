"""Topics: making, growing, deleting and describing them."""

from __future__ import annotations

import uuid
from typing import Any

from tests.broker.wire import batch_of
from tests.differential.requests import versions
from tests.differential.scenarios.fetch import fill
from tests.differential.side import Side

from summit.protocol.create_partitions import CREATE_PARTITIONS
from summit.protocol.create_topics import CREATE_TOPICS
from summit.protocol.delete_topics import DELETE_TOPICS
from summit.protocol.describe_log_dirs import DESCRIBE_LOG_DIRS
from summit.protocol.describe_topic_partitions import DESCRIBE_TOPIC_PARTITIONS
from summit.protocol.metadata import METADATA

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")


def create(side: Side) -> None:
    for v in versions(CREATE_TOPICS):

        def make(step: str, name: str, count: int = 1, copies: int = 1, v: int = v,
                 **fields: Any) -> None:  # fmt: skip
            only = {"validate_only": True} if fields.pop("only", False) else {}
            topic = {"name": name, "num_partitions": count, "replication_factor": copies, **fields}
            # What is described of a topic is as long as the list of its configs: in `configs`.
            answer = side.ask(step, CREATE_TOPICS, v, {"topics": [topic], **only})
            told = side.answers[step][v]["topics"][0]
            if answer.topics[0].configs:
                told["configs"] = sorted(
                    f"{c.name}={c.value} {c.config_source}" for c in answer.topics[0].configs
                    if c.config_source != 5
                )  # fmt: skip

        name = side.mine(f"a-v{v}")
        make("checked only", name, 2, only=True)
        make("made", name, 2)
        side.rest()
        make("made again", name, 2)
        make("made again, checked only", name, 2, only=True)
        make("no partitions", side.mine(f"b-v{v}"), 0)
        make("partitions -2", side.mine(f"b-v{v}"), -2)
        make("by default", side.mine(f"c-v{v}"), -1, -1)
        make("two copies", side.mine(f"b-v{v}"), 1, 2)
        make("no copies", side.mine(f"b-v{v}"), 1, 0)
        make("too many partitions", side.mine(f"b-v{v}"), 20_000, only=True)
        for what, bad in {
            "no name": "", "a dot": ".", "two dots": "..", "a slash": "a/b", "a space": "a b",
            "a long name": "x" * 250, "not of this world": "ä",
        }.items():  # fmt: skip
            make(what, bad)
        make("dots", side.mine(f"d.d-v{v}"))
        make("underscores like dots", side.mine(f"d_d-v{v}"))
        for what, configs in {
            "with a config": {"retention.ms": "1000"}, "unknown config": {"no.such": "1"},
            "bad value": {"retention.ms": "soon"}, "value out of range": {"segment.bytes": "3"},
            "null value": {"retention.ms": None}, "bad policy": {"cleanup.policy": "burn"},
            "min.insync.replicas 0": {"min.insync.replicas": "0"},
            "min.insync.replicas 2": {"min.insync.replicas": "2"},
            "empty policy": {"cleanup.policy": ""},
            "remote storage": {"remote.storage.enable": "true"},
        }.items():  # fmt: skip
            pairs = [{"name": k, "value": value} for k, value in configs.items()]
            made = side.mine(f"{what.replace(' ', '-')}-v{v}")
            make(what, made, 1, 1, configs=pairs)
        for what, parts in {
            "assigned": [[1], [1]], "assigned to a stranger": [[7]], "assigned twice": [[1, 1]],
            "assigned to nobody": [[]],
        }.items():  # fmt: skip
            asked = [{"partition_index": n, "broker_ids": ids} for n, ids in enumerate(parts)]
            made = side.mine(f"{what.replace(' ', '-')}-v{v}")
            make(what, made, -1, -1, assignments=asked)
        make("assigned and counted", side.mine(f"e-v{v}"), 2, 1,
             assignments=[{"partition_index": 0, "broker_ids": [1]}])  # fmt: skip
        make("a gap in what is assigned", side.mine(f"e-v{v}"), -1, -1,
             assignments=[{"partition_index": 1, "broker_ids": [1]}])  # fmt: skip
        twice = {"name": side.mine(f"f-v{v}"), "num_partitions": 1, "replication_factor": 1}
        side.ask("the same twice", CREATE_TOPICS, v, {"topics": [twice, twice]})
        side.ask("none", CREATE_TOPICS, v)
        make("internal", "__consumer_offsets")


def delete(side: Side) -> None:
    for v in versions(DELETE_TOPICS):
        name = side.mine(f"a-v{v}")
        topic_id = side.create(f"a-v{v}")

        def of(*names: str, v: int = v) -> dict[str, Any]:
            if v >= 6:
                return {"topics": [{"name": each} for each in names], "timeout_ms": 9_000}
            return {"topic_names": list(names), "timeout_ms": 9_000}

        side.ask("the same twice", DELETE_TOPICS, v, of(name, name))
        side.ask("unknown", DELETE_TOPICS, v, of("nobody"))
        side.ask("no name", DELETE_TOPICS, v, of(""))
        side.ask("bad name", DELETE_TOPICS, v, of("a/b"))
        side.ask("none", DELETE_TOPICS, v, {"timeout_ms": 9_000})
        if v < 6:
            side.ask("deleted", DELETE_TOPICS, v, of(name))
            side.rest()
            side.ask("deleted again", DELETE_TOPICS, v, of(name))
            continue
        for step, topic in {
            "unknown id": {"topic_id": NOBODY}, "name and id": {"name": name, "topic_id": topic_id},
            "neither": {}, "by id": {"topic_id": topic_id}, "by id again": {"topic_id": topic_id},
        }.items():  # fmt: skip
            side.ask(step, DELETE_TOPICS, v, {"topics": [topic], "timeout_ms": 9_000})
            side.rest()


def grow(side: Side) -> None:
    for v in versions(CREATE_PARTITIONS):
        side.create(f"a-v{v}", 2)
        name = side.mine(f"a-v{v}")

        def of(count: int, parts: list[list[int]] | None = None, name: str = name,
               **fields: Any) -> dict[str, Any]:  # fmt: skip
            given = None if parts is None else [{"broker_ids": ids} for ids in parts]
            topic = {"name": name, "count": count, "assignments": given}
            return {"topics": [topic], "timeout_ms": 9_000, **fields}

        for step, asked in {
            "fewer": of(1), "as many": of(2), "none": of(0), "negative": of(-1),
            "checked only": of(3, validate_only=True), "to a stranger": of(3, [[7]]),
            "too few assigned": of(4, [[1]]), "too many assigned": of(3, [[1], [1]]),
            "to nobody": of(3, [[]]), "unknown": of(3, name="nobody"), "one more": of(3),
            "two more, assigned": of(5, [[1], [1]]), "no name": of(3, name=""),
            "far too many": of(30_000, validate_only=True),
        }.items():  # fmt: skip
            side.ask(step, CREATE_PARTITIONS, v, asked)
        twice = of(9)
        twice["topics"] *= 2
        side.ask("the same twice", CREATE_PARTITIONS, v, twice)
        side.ask("nothing", CREATE_PARTITIONS, v, {"timeout_ms": 9_000})
        side.settle(f"a-v{v}", 5)
        side.ask("then", METADATA, v, {"topics": [{"name": name}]})


def metadata(side: Side) -> None:
    topic_id = side.create("t", 2)
    side.create("o", 1)
    name = side.mine("t")
    for v in versions(METADATA)[1:]:
        side.ask(
            "all", METADATA, v, {"topics": None, "allow_auto_topic_creation": False}, mine=True
        )
    for v in versions(METADATA):
        quiet = {"allow_auto_topic_creation": False}
        side.ask("two topics", METADATA, v,
                 {"topics": [{"name": name}, {"name": side.mine("o")}], **quiet})  # fmt: skip
        side.ask("one twice", METADATA, v, {"topics": [{"name": name}, {"name": name}], **quiet})
        side.ask("bad name", METADATA, v, {"topics": [{"name": "a/b"}], **quiet})
        side.ask("no name", METADATA, v, {"topics": [{"name": ""}], **quiet})
        if v >= 1:
            side.ask("none", METADATA, v, {"topics": [], **quiet})
        if v >= 4:
            side.ask("unknown", METADATA, v, {"topics": [{"name": side.mine("no")}], **quiet})
        if v >= 8:
            side.ask("with operations", METADATA, v, {
                "topics": [{"name": name}], "include_topic_authorized_operations": True,
                "include_cluster_authorized_operations": v <= 10, **quiet,
            })  # fmt: skip
        if v >= 10:
            by_id = {"topic_id": topic_id, "name": None}
            side.ask("by id", METADATA, v, {"topics": [by_id], **quiet})
            side.ask("by id and name", METADATA, v,
                     {"topics": [{**by_id, "name": name}], **quiet})  # fmt: skip
            side.ask(
                "unknown id", METADATA, v, {"topics": [{**by_id, "topic_id": NOBODY}], **quiet}
            )
            side.ask("null name, no id", METADATA, v, {"topics": [{"name": None}], **quiet})
        made = side.mine(f"new-v{v}")
        side.ask("made by asking", METADATA, v, {"topics": [{"name": made}]})
        side.settle(f"new-v{v}", 4)
        side.ask("made by asking, then", METADATA, v, {"topics": [{"name": made}]})
        side.ask("internal", METADATA, v, {"topics": [{"name": "__consumer_offsets"}]})


def describe(side: Side) -> None:
    for name, count in {"a": 3, "b": 2, "c": 1}.items():
        side.create(name, count)
    names = [{"name": side.mine(name)} for name in "cab"]
    for step, asked in {
        "three": {"topics": names}, "unknown": {"topics": [{"name": "nobody"}, names[0]]},
        "bad name": {"topics": [{"name": "a/b"}]}, "twice": {"topics": [names[0], names[0]]},
        "limit 4": {"topics": names, "response_partition_limit": 4},
        "limit 0": {"topics": names, "response_partition_limit": 0},
        "from b 1": {"topics": names,
                     "cursor": {"topic_name": side.mine("b"), "partition_index": 1}},
        "from b 9": {"topics": names,
                     "cursor": {"topic_name": side.mine("b"), "partition_index": 9}},
        "from between": {"topics": names,
                         "cursor": {"topic_name": side.mine("aa"), "partition_index": 0}},
        "from negative": {"topics": names,
                          "cursor": {"topic_name": side.mine("a"), "partition_index": -1}},
    }.items():  # fmt: skip
        side.ask(step, DESCRIBE_TOPIC_PARTITIONS, 0, asked)
    side.ask("all", DESCRIBE_TOPIC_PARTITIONS, 0, mine=True)


def log_dirs(side: Side) -> None:
    side.create("t", 2)
    fill(side, "t", batch_of(b"a", b"b"))
    for v in versions(DESCRIBE_LOG_DIRS):
        for step, topic in {
            "one": {"topic": side.mine("t"), "partitions": [0]},
            "both": {"topic": side.mine("t"), "partitions": [1, 0]},
            "unknown partition": {"topic": side.mine("t"), "partitions": [5]},
            "unknown topic": {"topic": "nobody", "partitions": [0]},
        }.items():
            side.ask(step, DESCRIBE_LOG_DIRS, v, {"topics": [topic]})
        side.ask("none", DESCRIBE_LOG_DIRS, v, {"topics": []})


SCENARIOS = {
    "topics create": create,
    "topics delete": delete,
    "topics grow": grow,
    "topics metadata": metadata,
    "topics describe": describe,
    "topics log dirs": log_dirs,
}
