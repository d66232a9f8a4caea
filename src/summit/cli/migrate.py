"""`summit migrate`: moves topics, groups and alerts from one cluster to another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from summit.cli.output import counted, output_option, print_document, print_list, talk


@click.command()
@click.option(
    "--from", "source", required=True, metavar="ADDRESS|DIR",
    help="host:port, several by commas; or the data directory of a broker that is stopped.",
)  # fmt: skip
@click.option("--to", "target", required=True, metavar="ADDRESS|DIR", help="Likewise.")
@click.option(
    "-t", "--topic", "topics", multiple=True,
    help="Only this one and its groups' offsets; everything by default.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only show what would be moved.")
@output_option
def migrate(
    source: str, target: str, topics: Sequence[str], dry_run: bool, output: str | None
) -> None:
    """Move topics with their settings and records, groups' offsets, rules and alerts.

    It may be killed and started again: it goes on where it was. Nothing of the source is changed.
    For a move without a gap: run it while everything runs, stop what reads and writes, run it
    again, and start everything with the new address.
    """
    from summit.migration import Migration

    with ExitStack() as stack:
        servers = [stack.enter_context(_dialled(place)) for place in (source, target)]
        show = stack.enter_context(_shown(output))

        async def run() -> Any:
            async with Migration(*servers, topics=topics, on_progress=show) as migration:
                return await (migration.plan() if dry_run else migration.run())

        done = asyncio.run(run())
    if dry_run:
        _print_plan(done, output)
        return
    if print_document(done, output):
        return
    for warning in done.warnings:
        talk(f"warning: {warning}")
    talk(
        f"{counted(done.topics, 'topic')} with {counted(done.records, 'record')}: "
        f"{done.copied} copied, {done.verified} compared; "
        f"{counted(len(done.groups), 'group')} set"
    )


def _print_plan(plan: Any, output: str | None) -> None:
    if output not in (None, "table", "csv"):
        rows = [
            {
                "group": group.group, "members": group.members,
                "partitions": len(group.commits),
            }
            for group in plan.groups
        ]  # fmt: skip
        print_document(
            {
                "source": plan.source, "target": plan.target, "topics": plan.topics,
                "groups": rows, "records": plan.records, "warnings": plan.warnings,
            },
            output,
        )  # fmt: skip
        return
    columns = ["name", "partitions", "records", "copies"]
    print_list(
        [
            {
                "name": topic.name, "partitions": topic.partitions, "records": topic.records,
                "copies": topic.replication_factor,
            }
            for topic in plan.topics
        ],
        columns,
        output,
    )  # fmt: skip
    for warning in plan.warnings:
        talk(f"warning: {warning}")
    talk(
        f"{counted(len(plan.topics), 'topic')}, {counted(plan.records, 'record')}, "
        f"{counted(len(plan.groups), 'group')}; nothing was changed (dry run)"
    )


@contextmanager
def _dialled(place: str) -> Iterator[list[str]]:
    """Addresses to dial; a directory gets a broker for as long as it is needed."""
    if not Path(place).is_dir():
        yield place.split(",")
        return
    from summit.broker import BrokerSettings, BrokerThread

    broker = BrokerThread(BrokerSettings(host="127.0.0.1", port=0, data_dir=place))
    broker.start()
    try:
        yield [f"127.0.0.1:{broker.port}"]
    finally:
        broker.stop()


@contextmanager
def _shown(output: str | None) -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if output == "json" or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(told: Any) -> None:
            bar.update(
                task, description=f"{told.step} {told.topic}", completed=told.done,
                total=told.total,
            )  # fmt: skip

        yield show
