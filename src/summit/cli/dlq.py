"""`summit dlq`: look at dead letters and put them back."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import click

from summit.cli.completion import topics
from summit.cli.output import (
    bootstrap_option,
    counted,
    output_option,
    print_document,
    print_list,
    talk,
)

_SHOWN = 20


@click.group()
def dlq() -> None:
    """List, show and replay dead letters: records that could not be processed."""


@dlq.command("list")
@bootstrap_option
@output_option
def list_letters(bootstrap_servers: str, output: str | None) -> None:
    """List topics with dead letters, and how many they hold."""

    async def run() -> list[dict[str, Any]]:
        from summit.client import Admin, LogReader, dead_letter_topic

        suffix = dead_letter_topic("")
        config = _config(bootstrap_servers)
        rows = []
        async with Admin(config) as admin, LogReader(config, committed=True) as reader:
            for name in await admin.list_topics():
                if not name.endswith(suffix) or name == suffix:
                    continue
                count = 0  # by reading: offsets are also those of transactions' marks
                for partition in range(await reader.partition_count(name)):
                    first, last = await reader.span(name, partition)
                    async with aclosing(reader.read(name, partition, first, last)) as bursts:
                        async for records in bursts:
                            count += len(records)
                rows.append({"topic": name.removesuffix(suffix), "letters": count})
        return rows

    print_list(asyncio.run(run()), ["topic", "letters"], output)


@dlq.command("show")
@click.argument("topic", shell_complete=topics)
@bootstrap_option
@click.option("-n", "--count", default=_SHOWN, show_default=True, help="The newest so many.")
@output_option
def show(topic: str, bootstrap_servers: str, count: int, output: str | None) -> None:
    """Show the newest dead letters of TOPIC: where they stood, and why they are here."""

    async def run() -> list[dict[str, Any]]:
        from summit.base.errors import Corrupt
        from summit.client import DeadLetter, LogReader, dead_letter_topic

        letters = dead_letter_topic(topic)
        rows = []
        async with LogReader(_config(bootstrap_servers), committed=True) as reader:
            for partition in range(await reader.partition_count(letters)):
                for record in await _newest(reader, letters, partition, count):
                    row: dict[str, Any] = {"letter": record.offset, "timestamp": record.timestamp}
                    try:
                        letter = DeadLetter.decode(record.value)
                    except Corrupt as error:
                        row |= {"code": error.code, "message": str(error)}
                    else:
                        row |= {
                            "partition": letter.partition, "offset": letter.offset,
                            "stage": letter.error.stage, "code": letter.error.code,
                            "message": letter.error.message,
                            "value": (letter.value or b"").decode(errors="replace"),
                        }  # fmt: skip
                    rows.append(row)
        return sorted(rows, key=lambda row: row["timestamp"])[-count:]

    columns = ["letter", "partition", "offset", "stage", "code", "message", "value"]
    print_list(asyncio.run(run()), columns, output)


@dlq.command("replay")
@click.argument("topic", shell_complete=topics)
@bootstrap_option
@output_option
def replay(topic: str, bootstrap_servers: str, output: str | None) -> None:
    """Put the dead letters of TOPIC back into it, each once: key, headers and value as they were.

    The letters stay where they are; the next replay goes on after them.
    """

    async def run() -> Any:
        from summit.client import replay_dead_letters

        return await replay_dead_letters(bootstrap_servers.split(","), topic)

    done = asyncio.run(run())
    if print_document({"replayed": done.replayed, "passedOver": done.passed_over}, output):
        return
    talk(f"put {counted(done.replayed, 'record')} back into {topic}")
    if done.passed_over:
        talk(f"passed over {counted(done.passed_over, 'letter')} that cannot be read")


async def _newest(reader: Any, topic: str, partition: int, count: int) -> list[Any]:
    """The newest so many records; not every offset is one."""
    first, last = await reader.span(topic, partition)
    back = count
    while True:
        start = max(first, last - back)
        records: list[Any] = []
        async with aclosing(reader.read(topic, partition, start, last)) as bursts:
            async for burst in bursts:
                records = [*records, *burst][-count:]
        if len(records) >= count or start == first:
            return records
        back *= 4


def _config(bootstrap_servers: str) -> dict[str, Any]:
    return {"clientId": "summit-dlq", "bootstrapServers": bootstrap_servers.split(",")}
