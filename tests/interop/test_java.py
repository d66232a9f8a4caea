"""Apache Kafka's own tools and Java client, unmodified, against our broker."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interop import jvm
from tests.interop.jvm import Jvm
from tests.interop.processes import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(300),  # the first run fetches the jars
    pytest.mark.skipif(bool(jvm.missing()), reason="no Java to run the tools of Apache Kafka"),
]


@pytest.fixture(scope="module")
def machine() -> Iterator[Jvm]:
    one = Jvm()
    yield one
    one.close()


class Tools:
    """The tools of Apache Kafka, pointed at a broker."""

    def __init__(self, machine: Jvm, broker: BrokerProcess) -> None:
        self.machine = machine
        self.broker = broker

    def run(self, name: str, *arguments: str, stdin: str = "") -> str:
        return self.machine.run(
            name, "--bootstrap-server", self.broker.address, *arguments, stdin=stdin
        )

    def create(self, topic: str, partitions: int, *configs: str) -> None:
        settings = [part for config in configs for part in ("--config", config)]
        self.run(
            "kafka-topics", "--create", "--topic", topic, "--partitions", f"{partitions}", *settings
        )

    def produce(self, topic: str, lines: list[str], *more: str) -> None:
        text = "".join(f"{line}\n" for line in lines)
        self.run("kafka-console-producer", "--topic", topic, *more, stdin=text)

    def consume(self, topic: str, count: int, *more: str) -> list[str]:
        bound = ["--max-messages", f"{count}", "--timeout-ms", "30000"]
        written = self.run("kafka-console-consumer", "--topic", topic, *bound, *more)
        return written.splitlines()


@pytest.fixture
def tools(machine: Jvm, broker: BrokerProcess) -> Tools:
    return Tools(machine, broker)


@pytest.mark.parametrize("program", ["Administration", "Groups", "Transactions"])
def test_the_java_client(machine: Jvm, broker: BrokerProcess, program: str) -> None:
    """Our programs over it: each says what was otherwise than it should be."""
    machine.run(program, broker.address, timeout_s=200)


def test_what_it_needs_of_a_broker(tools: Tools, topic: str) -> None:
    needs = "offsets-for-times cluster-id create-topics describe-configs idempotent-producer"
    supported = [part for need in needs.split() for part in (f"--{need}-supported", "True")]
    written = tools.run(
        "client-compatibility-test",
        "--topic",
        topic,
        "--describe-acls-supported",
        "True",
        "--expect-record-too-large-exception",
        "False",
        "--num-cluster-nodes",
        "1",
        *supported,
    )
    assert "ERROR" not in written


def test_versions_and_features(tools: Tools) -> None:
    written = tools.run("kafka-broker-api-versions")
    assert re.search(r"Produce\(0\): 0 to 13 \[usable: 13\]", written)
    assert re.search(r"Fetch\(1\): 4 to 18 \[usable: 18\]", written)
    features = tools.run("kafka-features", "describe")
    assert re.search(r"transaction.version\s.*FinalizedVersionLevel: 2", features)
    where = ["--bootstrap-server", tools.broker.address]
    assert "Cluster ID: " in tools.machine.run("kafka-cluster", "cluster-id", *where)


def test_topics(tools: Tools, topic: str) -> None:
    tools.create(topic, 2, "retention.ms=5000")
    tools.run("kafka-topics", "--alter", "--topic", topic, "--partitions", "3")
    described = tools.run("kafka-topics", "--describe", "--topic", topic)
    assert "PartitionCount: 3" in described
    assert "retention.ms=5000" in described
    assert topic in tools.run("kafka-topics", "--list").split()
    tools.run("kafka-topics", "--delete", "--topic", topic)
    assert topic not in tools.run("kafka-topics", "--list").split()
    arguments = ["--bootstrap-server", tools.broker.address, "--describe", "--topic", topic]
    code, output, errors = tools.machine.attempt("kafka-topics", *arguments)
    assert code == 1
    assert "does not exist" in output + errors


def test_settings(tools: Tools, topic: str) -> None:
    tools.create(topic, 1)
    which = ["--entity-type", "topics", "--entity-name", topic]
    tools.run("kafka-configs", "--alter", *which, "--add-config", "retention.ms=5000")
    assert "retention.ms=5000" in tools.run("kafka-configs", "--describe", *which)
    tools.run("kafka-configs", "--alter", *which, "--delete-config", "retention.ms")
    assert "retention.ms" not in tools.run("kafka-configs", "--describe", *which)
    everything = tools.run("kafka-configs", "--describe", "--all", *which)
    assert "retention.ms=604800000" in everything
    brokers = ["--entity-type", "brokers", "--entity-name", "1", "--all"]
    assert "num.partitions=4" in tools.run("kafka-configs", "--describe", *brokers)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_the_console(tools: Tools, topic: str, codec: str) -> None:
    lines = [f"h:{i}\tk{i % 3}\tv{i}" for i in range(20)]
    parse = ["parse.key=true", "parse.headers=true"]
    options = [part for one in parse for part in ("--reader-property", one)]
    tools.produce(topic, lines, *options, "--compression-codec", codec)
    show = ["print.key=true", "print.headers=true"]
    options = [part for one in show for part in ("--formatter-property", one)]
    assert sorted(tools.consume(topic, 20, "--from-beginning", *options)) == sorted(lines)


def test_groups_and_offsets(tools: Tools, topic: str, group: str) -> None:
    tools.create(topic, 2)
    tools.produce(topic, [f"v{i}" for i in range(10)])
    ends = tools.run("kafka-get-offsets", "--topic", topic)
    assert sum(int(line.rsplit(":", 1)[1]) for line in ends.split()) == 10
    assert len(tools.consume(topic, 10, "--from-beginning", "--group", group)) == 10
    assert group in tools.run("kafka-consumer-groups", "--list").split()
    assert group in tools.run("kafka-groups", "--list")
    state = tools.run("kafka-consumer-groups", "--describe", "--state", "--group", group)
    assert "Empty" in state
    lag = tools.run("kafka-consumer-groups", "--describe", "--group", group)
    rows = [line.split() for line in lag.splitlines() if line.startswith(group)]
    assert [row[5] for row in rows] == ["0", "0"]
    which = ["--group", group, "--topic", topic]
    tools.run("kafka-consumer-groups", "--reset-offsets", "--to-earliest", "--execute", *which)
    assert len(tools.consume(topic, 10, "--group", group)) == 10
    tools.run("kafka-consumer-groups", "--delete-offsets", *which)
    tools.run("kafka-consumer-groups", "--delete", "--group", group)
    assert group not in tools.run("kafka-consumer-groups", "--list").split()


def test_records_and_the_disk(tools: Tools, topic: str, tmp_path: Path) -> None:
    tools.create(topic, 1)
    tools.produce(topic, [f"v{i}" for i in range(10)])
    wanted = tmp_path / "delete.json"
    where = [{"topic": topic, "partition": 0, "offset": 4}]
    wanted.write_text(json.dumps({"version": 1, "partitions": where}))
    deleted = tools.run("kafka-delete-records", "--offset-json-file", str(wanted))
    assert "low_watermark: 4" in deleted
    assert tools.consume(topic, 6, "--from-beginning") == [f"v{i}" for i in range(4, 10)]
    dirs = tools.run("kafka-log-dirs", "--describe", "--topic-list", topic)
    told = json.loads(dirs.splitlines()[-1])["brokers"][0]["logDirs"][0]
    assert [each["partition"] for each in told["partitions"]] == [f"{topic}-0"]
    folder = Path(told["logDir"]) / f"{topic}-0"
    files = ",".join(str(path) for path in sorted(folder.glob("*.log")))
    dumped = tools.machine.run("kafka-dump-log", "--print-data-log", "--files", files)
    assert re.findall(r"payload: (\w+)", dumped) == [f"v{i}" for i in range(10)]


def test_performance_tools(tools: Tools, topic: str, tmp_path: Path) -> None:
    tools.create(topic, 2)
    sent = tools.run(
        "kafka-producer-perf-test",
        *["--topic", topic, "--num-records", "5000", "--record-size", "100", "--throughput", "-1"],
    )
    assert "5000 records sent" in sent
    read = tools.run("kafka-consumer-perf-test", "--topic", topic, "--num-records", "5000")
    assert int(read.splitlines()[-1].split(", ")[4]) >= 5000


def events_of(name: str, tools: Tools, *more: str) -> list[dict[str, Any]]:
    """These two end their virtual machine when they are done."""
    bound = ["--bootstrap-server", tools.broker.address, "--max-messages", "300"]
    done = subprocess.run(
        jvm.java(name, *bound, *more), capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_verifiable_clients(tools: Tools, topic: str, group: str) -> None:
    sent = events_of("kafka-verifiable-producer", tools, "--topic", topic)
    assert sum(event["name"] == "producer_send_success" for event in sent) == 300
    events = events_of("kafka-verifiable-consumer", tools, "--topic", topic, "--group-id", group)
    committed = [event for event in events if event["name"] == "offsets_committed"]
    assert all(event["success"] for event in committed)
    ends: dict[int, int] = {}
    for event in committed:
        ends |= {each["partition"]: each["offset"] for each in event["offsets"]}
    assert sum(ends.values()) == 300


def test_the_transactional_copier(tools: Tools, topic: str, group: str) -> None:
    tools.create(topic, 1)
    tools.produce(topic, [f"v{i}" for i in range(200)])
    copied = tools.machine.run(
        "transactional-message-copier",
        *["--broker-list", tools.broker.address, "--transactional-id", f"{group}-txn"],
        *["--consumer-group", group, "--input-topic", topic, "--input-partition", "0"],
        *["--output-topic", f"{topic}-copy", "--transaction-size", "20"],
        *["--max-messages", "200", "--enable-random-aborts", "--group-mode"],
    )
    assert json.loads(copied.splitlines()[-1])["remaining"] == 0
    found = tools.consume(
        f"{topic}-copy", 200, "--from-beginning", "--isolation-level", "read_committed"
    )
    assert sorted(found) == sorted(f"v{i}" for i in range(200))
    listed = tools.run("kafka-transactions", "list")
    assert f"{group}-txn" in listed
    described = tools.run("kafka-transactions", "describe", "--transactional-id", f"{group}-txn")
    assert "CompleteCommit" in described
    producers = tools.run(
        "kafka-transactions", "describe-producers", "--topic", f"{topic}-copy", "--partition", "0"
    )
    assert len(producers.splitlines()) == 2


def test_a_consumer_whose_partitions_the_broker_assigns(
    tools: Tools, topic: str, group: str
) -> None:
    tools.create(topic, 3)
    lines = [f"line {n}" for n in range(30)]
    tools.produce(topic, lines)
    more = ["--group", group, "--from-beginning"]
    for name in ("group.protocol=consumer", "group.remote.assignor=range"):
        more += ["--command-property", name]
    assert sorted(tools.consume(topic, len(lines), *more)) == sorted(lines)
    listed = tools.run("kafka-groups", "--list")
    assert re.search(rf"{group}\s+Consumer\s+consumer", listed), listed
    told = tools.run("kafka-consumer-groups", "--describe", "--group", group)
    assert re.findall(rf"{topic}\s+\d\s+(\d+)\s+\1\s+0", told), told


def test_what_tools_ask_of_clusters(tools: Tools, topic: str, tmp_path: Path) -> None:
    tools.create(topic, 2)
    status = tools.run("kafka-metadata-quorum", "describe", "--status")
    assert re.search(r"LeaderId:\s+1\b", status), status
    features = tools.run("kafka-features", "describe")
    assert re.search(r"group.version.*FinalizedVersionLevel: 1\b", features), features
    elected = tools.run(
        "kafka-leader-election", "--election-type", "preferred", "--topic", topic,
        "--partition", "0",
    )  # fmt: skip
    assert "Valid replica already elected" in elected, elected
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({
        "version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [1]}],
    }))  # fmt: skip
    moved = tools.run(
        "kafka-reassign-partitions", "--reassignment-json-file", str(plan), "--execute"
    )
    assert "Successfully started partition reassignment" in moved, moved
    assert "No partition reassignments found" in tools.run("kafka-reassign-partitions", "--list")
