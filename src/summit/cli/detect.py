"""`summit detect`: rules over files, once, through the same machinery as a running system.

It brings up a broker on a temporary directory, reads the files to their end by the file collector,
lets a worker match them, prints the alerts and takes everything down again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from summit.cli.output import print_json, talk

TOPIC = "detect"
FORMATS = ("auto", "sshd", "syslog", "jsonl", "line")
_PROGRESS_BYTES_MIN = 8 << 20  # below this a bar would only flicker
_SNIFF_BYTES = 16 * 1024
_READ_TIMEOUT_MS = 60_000


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--rules",
    "-r",
    "places",
    multiple=True,
    required=True,
    metavar="FILE|DIR",
    help="Rules to run; may be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="How lines become events.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "critical"]),
    help="Exit with 1 when an alert has this severity or a higher one.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for people, or one JSON object per alert.",
)
def detect(
    files: Sequence[str], places: Sequence[str], form: str, fail_on: str | None, output: str
) -> None:
    """Run rules over FILEs once and print the alerts.

    `-` is standard input. Alerts go to standard output, a summary to standard error.
    """
    from summit.alerts.severity import severity_rank
    from summit.base.logs import configure
    from summit.cli.rule_files import load_documents
    from summit.services.definition_kinds import check_definition

    configure("warning")
    documents = [
        {"kind": "pattern", "id": parsed.id, **parsed.values}
        for parsed in load_documents(places)
        if parsed.kind == "pattern"
    ]
    for document in documents:
        check_definition(document)
    inputs = [_Input(name, form) for name in files]
    with tempfile.TemporaryDirectory(prefix="summit-detect-") as directory:
        run = _Detection(Path(directory), documents, inputs, output)
        asyncio.run(run.run())
    failed = fail_on is not None and any(
        severity_rank(severity) >= severity_rank(fail_on) for severity in run.severities
    )
    sys.exit(1 if failed else 0)


class _Input:
    """One file and how its lines are read. Raises Invalid for one that cannot be."""

    def __init__(self, name: str, form: str) -> None:
        from summit.base.errors import Invalid

        self.name = name if name == "-" else os.path.abspath(name)
        head = b""
        if name != "-":
            try:
                with Path(name).open("rb") as file:
                    head = file.read(_SNIFF_BYTES)
            except OSError as error:
                reason = error.strerror or str(error)
                raise Invalid("file.unreadable", path=name, reason=reason) from error
        elif form == "auto":
            form = "sshd"
        self.form = _sniff(head) if form == "auto" else form


def _sniff(head: bytes) -> str:
    """The format of a file by its first lines."""
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if first.lstrip().startswith(b"{"):
        return "jsonl"
    return "sshd" if b"sshd[" in head or b"sshd-session[" in head else "syslog"


class _Detection:
    """One run."""

    def __init__(
        self, directory: Path, documents: list[dict[str, Any]], inputs: list[_Input], output: str
    ) -> None:
        self._directory = directory
        self._documents = documents
        self._inputs = inputs
        self._output = output
        self._paths: dict[str, str] = {}
        self._alerts: list[Any] = []
        self.severities: Counter[str] = Counter()
        self._rejected = 0
        self._events = 0

    async def run(self) -> None:
        from summit.base.clock import SystemClock
        from summit.broker.settings import BrokerSettings
        from summit.broker.thread import BrokerThread
        from summit.client.producer import StreamProducer

        clock = SystemClock()
        start_ms = clock.monotonic_ms()
        # The broker lives as long as this command: what a power cut would take is of no use later.
        settings = BrokerSettings(
            port=0, data_dir=str(self._directory / "data"), durability="os"
        )  # fmt: skip
        broker = BrokerThread(settings)
        await asyncio.to_thread(broker.start)
        try:
            servers = [f"{broker.host}:{broker.port}"]
            config = {"clientId": "summit-detect", "bootstrapServers": servers, "lingerMs": 5}
            async with AsyncExitStack() as stack:
                await self._define(servers)
                producer = await stack.enter_async_context(StreamProducer(config))
                for number, item in enumerate(self._inputs):
                    await self._collect(item, number, producer)
                await self._match(servers)
        finally:
            await asyncio.to_thread(broker.stop)
        for alert in sorted(self._alerts, key=lambda alert: (alert.timestamp, alert.id)):
            self._show(alert)
        self._summarise((clock.monotonic_ms() - start_ms) / 1000)

    async def _define(self, servers: list[str]) -> None:
        from summit.client.admin import Admin
        from summit.journal.definitions import Definitions
        from summit.services.definition_kinds import check_definition

        admin_config = {"clientId": "summit-detect", "bootstrapServers": servers}
        async with Admin(admin_config) as admin:
            await admin.create_topic({"name": TOPIC, "partitions": 1})
        definitions = Definitions(servers, validate=check_definition)
        await definitions.start()
        try:
            for document in self._documents:
                # Whatever topics a rule names in its running system, here there are these files.
                own = {key: value for key, value in document.items() if key != "topics"}
                await definitions.publish({**own, "topics": [TOPIC]})
        finally:
            await definitions.stop()

    async def _collect(self, item: _Input, number: int, producer: Any) -> None:
        from summit.stream_ingestion import CollectorConfig, FileCollector

        collector = FileCollector(CollectorConfig.from_dict(_collector_config(item, number)))
        await collector.start(producer)
        try:
            await _show_progress(collector, item.name)
            self._paths.update(collector.paths())
            progress = collector.progress()
            self._events += progress.accepted
            self._rejected += progress.rejected
        finally:
            await collector.stop()

    async def _match(self, servers: list[str]) -> None:
        from summit.flow.settings import WorkerSettings
        from summit.flow.worker import Worker
        from summit.journal.alert_follower import AlertFollower

        follower = AlertFollower(servers, name="summit-detect")
        worker = Worker(WorkerSettings(bootstrap_servers=servers, stop_at_end=True))
        await follower.start()
        try:
            follower.on("alert", self._alerts.append)
            await worker.start()
            await worker.wait_finished()
            end = await _end(servers)
            if end:
                await follower.wait_readable(TOPIC, 0, end - 1, _READ_TIMEOUT_MS)
        finally:
            await worker.stop()
            await follower.stop()

    def _show(self, alert: Any) -> None:
        from summit.alerts.alert import alert_dict

        row = alert_dict(alert)
        self.severities[row["severity"]] += 1
        for evidence in row.get("evidence", ()):
            evidence.update(self._place(evidence.get("src")))
        row["first"], row["last"] = row.get("firstSeen"), row.get("lastSeen")
        row["rule"] = row.get("pattern")
        if self._output == "json":
            print_json(row)
            return
        severity = click.style(f"{row['severity']:<9}", bold=row["severity"] == "critical")
        click.echo(f"{severity} {row['title']}")
        click.echo(f"          rule {row['rule']}, key {_key_text(row.get('key'))}, "
                   f"{_time(row['first'])} to {_time(row['last'])}")  # fmt: skip
        for evidence in row.get("evidence", ()):
            where = f"{evidence.get('file', '')} at byte {evidence.get('fileOffset', '?')}"
            click.echo(f"          {evidence['step']:<10} {where}")

    def _place(self, src: str | None) -> dict[str, Any]:
        parts = (src or "").split(":")
        if len(parts) != 4 or parts[1] not in self._paths:
            return {}
        return {"file": self._paths[parts[1]], "fileOffset": int(parts[2])}

    def _summarise(self, seconds: float) -> None:
        counts = ", ".join(f"{n} {name}" for name, n in self.severities.most_common()) or "none"
        talk(
            f"{self._events} events from {len(self._inputs)} files in {seconds:.1f} s; "
            f"alerts: {counts}"
            + (f"; {self._rejected} lines could not be read" if self._rejected else "")
        )


def _collector_config(item: _Input, number: int) -> dict[str, Any]:
    return {
        "name": f"detect-{number}", "type": "file", "topic": TOPIC, "path": item.name,
        "file": {"mode": "batch", "format": item.form},
    }  # fmt: skip


async def _show_progress(collector: Any, name: str) -> None:
    """Wait until the collector is done, with a bar for a large file on a terminal."""
    done = asyncio.ensure_future(collector.done())
    total = collector.progress().bytes_total
    if total < _PROGRESS_BYTES_MIN or not sys.stderr.isatty():
        await done
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(Path(name).name, total=total)
        while not done.done():
            await asyncio.wait({done}, timeout=0.1)
            bar.update(task, completed=collector.progress().bytes_read)
    await done


async def _end(servers: list[str]) -> int:
    from summit.client.admin import Admin

    async with Admin({"clientId": "summit-detect", "bootstrapServers": servers}) as admin:
        return (await admin.offsets(TOPIC))[0][1]


def _key_text(key: Any) -> str:
    if isinstance(key, Mapping):
        return ", ".join(f"{name}={value}" for name, value in key.items())
    return str(key)


def _time(ms: Any) -> str:
    if not isinstance(ms, int):
        return "?"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
