"""What a broker says of itself, and what it does with requests that nobody can serve."""

from __future__ import annotations

import struct

from tests.differential.requests import versions
from tests.differential.side import Side

from summit.broker.dispatch import SERVED
from summit.protocol import frames
from summit.protocol.alter_partition_reassignments import ALTER_PARTITION_REASSIGNMENTS
from summit.protocol.alter_replica_log_dirs import ALTER_REPLICA_LOG_DIRS
from summit.protocol.api_versions import API_VERSIONS
from summit.protocol.apis import APIS
from summit.protocol.describe_cluster import DESCRIBE_CLUSTER
from summit.protocol.describe_log_dirs import DESCRIBE_LOG_DIRS
from summit.protocol.describe_quorum import DESCRIBE_QUORUM
from summit.protocol.elect_leaders import ELECT_LEADERS
from summit.protocol.list_partition_reassignments import LIST_PARTITION_REASSIGNMENTS
from summit.protocol.metadata import METADATA
from summit.protocol.update_features import UPDATE_FEATURES


def api_versions(side: Side) -> None:
    asked = {"client_software_name": "wire", "client_software_version": "1.0"}
    for v in range(5):  # Kafka 4.3 has a version 5, but not yet for everybody
        answer = side.ask("ranges", API_VERSIONS, v, asked)
        ours = {
            APIS[row.api_key].name: f"{row.min_version}-{row.max_version}"
            for row in answer.api_keys if row.api_key in SERVED
        }  # fmt: skip
        side.answers["ranges"][v]["api_keys"] = ours
        side.ask("without a name", API_VERSIONS, v, {**asked, "client_software_name": ""})
        side.ask("with a bad name", API_VERSIONS, v, {**asked, "client_software_name": "a b/"})
        for step in ("without a name", "with a bad name"):
            told = side.answers[step][v]
            told["api_keys"] = len(told["api_keys"]) > 0


def described(side: Side) -> None:
    for v in versions(DESCRIBE_CLUSTER):
        side.ask("brokers", DESCRIBE_CLUSTER, v)
        side.ask("with operations", DESCRIBE_CLUSTER, v,
                 {"include_cluster_authorized_operations": True})  # fmt: skip
        if v >= 1:
            for kind in (2, 0, 9):
                side.ask(f"endpoints of type {kind}", DESCRIBE_CLUSTER, v, {"endpoint_type": kind})
        if v >= 2:
            side.ask("fenced too", DESCRIBE_CLUSTER, v, {"include_fenced_brokers": True})


def nonsense(side: Side) -> None:
    def frame(body: bytes) -> bytes:
        return struct.pack(">i", len(body)) + body

    for key in sorted(SERVED):
        api = APIS[key]
        last = api.versions.last + 1
        head = struct.pack(">hhih", key, last, 7, -1)
        if key != API_VERSIONS.key:
            side.send_raw(f"{api.name} in version {last}", last, frame(head + b"\0" * 40))
        if api.versions.first > 0:
            before = api.versions.first - 1
            head = struct.pack(">hhih", key, before, 7, -1)
            side.send_raw(f"{api.name} in version {before}", before, frame(head + b"\0" * 40))
        if key not in (API_VERSIONS.key,):
            first = api.versions.last
            head = frames.encode_request_header(api, first, 7, "wire")
            side.send_raw(f"{api.name} cut off", first, frame(head))
    side.send_raw("an unknown API", 0, frame(struct.pack(">hhih", 9_999, 0, 7, -1)))
    side.send_raw("a negative API", 0, frame(struct.pack(">hhih", -1, 0, 7, -1)))
    side.send_raw("a negative length", 0, struct.pack(">i", -1))
    side.send_raw("a huge length", 0, struct.pack(">i", 2**31 - 1))
    side.send_raw("HTTP", 0, b"GET / HTTP/1.1\r\n\r\n")
    side.send_raw("an ApiVersions of the future", 0,
                  frame(struct.pack(">hhih", 18, 99, 7, -1) + b"\0" * 9))  # fmt: skip


def one_node(side: Side) -> None:
    """What is asked of a cluster of many, answered by a node that is alone."""
    side.create("t", 2)
    topic, none = side.mine("t"), side.mine("none")
    node = side.quietly(METADATA, 12, {"topics": []}).brokers[0].node_id
    for v in versions(ELECT_LEADERS):
        for kind in (0, 1) if v else (0,):
            side.ask(f"an election of type {kind}", ELECT_LEADERS, v, {
                "election_type": kind, "topic_partitions": [
                    {"topic": topic, "partitions": [0, 1, 7]}, {"topic": none, "partitions": [0]}],
            })  # fmt: skip
        side.ask("of all", ELECT_LEADERS, v, {"topic_partitions": None}, mine=True)
    for v in versions(ALTER_PARTITION_REASSIGNMENTS):
        for name, replicas in {
            "here": [node], "to another": [node + 40], "to nobody": [], "to both": [node, 44],
            "twice": [node, node], "cancelled": None, "below": [-1],
        }.items():  # fmt: skip
            side.ask(f"moved {name}", ALTER_PARTITION_REASSIGNMENTS, v, {"topics": [
                {"name": topic, "partitions": [{"partition_index": 0, "replicas": replicas}]}]},
            )  # fmt: skip
        side.ask("unknown ones moved", ALTER_PARTITION_REASSIGNMENTS, v, {"topics": [
            {"name": none, "partitions": [{"partition_index": 0, "replicas": [node]}]},
            {"name": topic, "partitions": [{"partition_index": 9, "replicas": [node]}]}]},
        )  # fmt: skip
    side.ask("moves of all", LIST_PARTITION_REASSIGNMENTS, 0, {"topics": None})
    side.ask("moves", LIST_PARTITION_REASSIGNMENTS, 0, {
        "topics": [{"name": topic, "partition_indexes": [0, 9]},
                   {"name": none, "partition_indexes": [0]}]})  # fmt: skip
    directory = side.quietly(DESCRIBE_LOG_DIRS, 4, {"topics": []}).results[0].log_dir
    for v in versions(ALTER_REPLICA_LOG_DIRS):
        for name, path in {"the same": directory, "an unknown": "/nowhere"}.items():
            side.ask(f"kept in {name} directory", ALTER_REPLICA_LOG_DIRS, v, {"dirs": [
                {"path": path, "topics": [{"name": topic, "partitions": [0, 9]},
                                          {"name": none, "partitions": [0]}]}]})  # fmt: skip
    for v in versions(DESCRIBE_QUORUM):
        for name, index in (("__cluster_metadata", 0), ("__cluster_metadata", 1), (topic, 0)):
            where = {"topic_name": name, "partitions": [{"partition_index": index}]}
            side.ask(f"the quorum of {name.removeprefix(side.prefix)}/{index}",
                     DESCRIBE_QUORUM, v, {"topics": [where]})  # fmt: skip
    for v in versions(UPDATE_FEATURES):
        for name, level in {
            "group.version": 1, "transaction.version": 2, "a.version": 1,
        }.items():  # fmt: skip
            for asked in (level, 77):
                side.ask(f"{name} at {asked}", UPDATE_FEATURES, v, {"feature_updates": [
                    {"feature": name, "max_version_level": asked}]})  # fmt: skip
        side.ask("no feature", UPDATE_FEATURES, v, {"feature_updates": []})


SCENARIOS = {
    "cluster api versions": api_versions,
    "cluster described": described,
    "cluster nonsense": nonsense,
    "cluster one node": one_node,
}
