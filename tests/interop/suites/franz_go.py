"""The tests of franz-go itself, and ours over franz-go and sarama, through the `go` command.

franz-go's tests come with its module. TestGroupETL and TestTxnEtl copy topics along chains of
groups, with every assignor, static members and transactions, while members come and go.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.interop.processes import BrokerProcess
from tests.interop.suites.rows import Row

HERE = Path(__file__).parents[1] / "go"
FRANZ = "github.com/twmb/franz-go/pkg/kgo"


def go_test(
    suite: str, package: str, broker: BrokerProcess, *flags: str, **environment: str
) -> Iterator[Row]:
    """A row for every test and subtest of a package."""
    command = ["go", "test", "-json", "-count=1", "-timeout", "30m", *flags, package]
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env={**os.environ, "BROKER": broker.address, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: dict[str, list[str]] = {}
    with process.stdout:
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                said.setdefault("", []).append(line.strip())
                continue
            name, action = event.get("Test", ""), event["Action"]
            text = event.get("Output", "").strip()
            if action == "output" and text and not text.startswith(("===", "---")):
                said.setdefault(name, []).append(text)
            elif name and action in ("pass", "fail", "skip"):
                outcome = {"pass": "passed", "fail": "failed", "skip": "skipped"}[action]
                lines = said.pop(name, [])
                lines = {"pass": [], "fail": lines[-3:], "skip": lines[:1]}[action]
                yield Row(suite, name, outcome, " / ".join(lines))
    if process.wait():
        why = " / ".join(said.get("", [])[-3:])
        yield Row(suite, f"go test {package}", "failed", why)


def run(records: int) -> Iterator[Row]:
    """All of it; `records` go through each chain of franz-go."""
    if shutil.which("go") is None:
        yield Row("franz-go", "all", "skipped", "Go is not installed")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        BrokerProcess(folder, num_partitions=4) as broker,
    ):
        yield from go_test("go clients", ".", broker)
        yield from go_test(
            "franz-go",
            FRANZ,
            broker,
            KGO_SEEDS=broker.address,
            KGO_TEST_RF="1",
            KGO_TEST_RECORDS=f"{records}",
            KGO_LOG_LEVEL="none",
        )
