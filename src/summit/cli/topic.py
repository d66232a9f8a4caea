"""`summit topic`: create, list, describe, alter, purge and delete topics."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import click

from summit.base.units import parse_duration_ms, parse_size_bytes
from summit.cli.completion import topics
from summit.cli.output import (
    bootstrap_option,
    confirm,
    counted,
    output_option,
    print_document,
    print_list,
    talk,
)

# What Kafka's tools call a setting where its name does not follow from ours.
_KAFKA_NAMES = {"min.insync.replicas": "min_in_sync_replicas"}


@click.group()
def topic() -> None:
    """Create, list, describe, alter, purge and delete topics."""


@topic.command("create")
@click.argument("name")
@bootstrap_option
@click.option(
    "-p",
    "--partitions",
    type=click.IntRange(1),
    default=None,
    help="The broker's default where not given.",
)
@click.option("-r", "--replication-factor", type=click.IntRange(1), default=None)
@click.option(
    "-c",
    "--config",
    "configs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Such as retentionMs=7d or segmentBytes=64MiB; also as retention.ms.",
)
@output_option
def create(
    name: str,
    bootstrap_servers: str,
    partitions: int | None,
    replication_factor: int | None,
    configs: Sequence[str],
    output: str | None,
) -> None:
    """Create the topic NAME."""
    from summit.services.internal_topics import refuse_internal

    settings = dict(map(_setting, configs))
    refuse_internal(name)

    async def run() -> Any:
        async with _admin(bootstrap_servers) as admin:
            return await admin.create_topic(
                {
                    "name": name, "partitions": partitions,
                    "replicationFactor": replication_factor, **settings,
                }
            )  # fmt: skip

    created = asyncio.run(run())
    if print_document(created, output):
        return
    for warning in created.warnings:
        talk(f"warning: {warning}")
    talk(f"created {name} with {counted(created.partitions, 'partition')}")


@topic.command("list")
@bootstrap_option
@click.option("--internal", is_flag=True, help="Also those whose name begins with '_'.")
@output_option
def list_topics(bootstrap_servers: str, internal: bool, output: str | None) -> None:
    """List topics with partitions and offsets.

    OFFSETS is how many from the first kept one to the end: the records, but for those that
    compaction took out, and one marker for each transaction that ended in a partition.
    """

    async def run() -> list[dict[str, Any]]:
        async with _admin(bootstrap_servers) as admin:
            names = [name for name in await admin.list_topics() if internal or name[0] != "_"]
            rows = []
            for name in names:
                offsets = await admin.offsets(name)
                count = sum(end - start for start, end in offsets.values())
                rows.append({"name": name, "partitions": len(offsets), "offsets": count})
            return rows

    print_list(asyncio.run(run()), ["name", "partitions", "offsets"], output)


@topic.command("describe")
@click.argument("name", shell_complete=topics)
@bootstrap_option
@click.option("--configs", "with_configs", is_flag=True, help="Show the settings instead.")
@output_option
def describe(name: str, bootstrap_servers: str, with_configs: bool, output: str | None) -> None:
    """Show the partitions of the topic NAME, or its settings."""

    async def run() -> dict[str, Any]:
        async with _admin(bootstrap_servers) as admin:
            (found,) = await admin.describe_topics([name])
            if with_configs:
                configs = (await admin.topic_configs(name)).values()
                return {
                    "name": name,
                    "topicId": found.topic_id,
                    "configs": [
                        {"name": each.name, "value": each.value, "isDefault": each.is_default}
                        for each in configs
                    ],
                }
            offsets = await admin.offsets(name)
        return {
            "name": name,
            "topicId": found.topic_id,
            "partitions": [
                {
                    "partition": p.partition, "leader": p.leader, "replicas": p.replicas,
                    "isr": p.isr, "start": offsets[p.partition][0], "end": offsets[p.partition][1],
                }
                for p in found.partitions
            ],
        }  # fmt: skip

    described = asyncio.run(run())
    if output != "csv" and print_document(described, output):
        return
    if with_configs:
        print_list(described["configs"], ["name", "value", "isDefault"], output)
        return
    columns = ["partition", "leader", "replicas", "isr", "start", "end"]
    print_list(described["partitions"], columns, output)


@topic.command("alter")
@click.argument("name", shell_complete=topics)
@bootstrap_option
@click.option("-p", "--partitions", type=click.IntRange(1), help="More than there are.")
@click.option(
    "-c", "--config", "configs", multiple=True, metavar="NAME=VALUE",
    help="Such as retentionMs=7d; an empty value means the broker's default.",
)  # fmt: skip
def alter(
    name: str, bootstrap_servers: str, partitions: int | None, configs: Sequence[str]
) -> None:
    """Change settings of the topic NAME, or add partitions to it."""
    from summit.services.internal_topics import refuse_internal

    refuse_internal(name)
    if partitions is None and not configs:
        raise click.UsageError("name a --config to set, or how many --partitions there shall be")
    changes = dict(map(_change, configs))

    async def run() -> None:
        async with _admin(bootstrap_servers) as admin:
            await admin.alter_topic(name, changes)
            if partitions is not None:
                await admin.create_partitions(name, partitions)

    asyncio.run(run())
    talk(f"altered {name}")


@topic.command("purge")
@click.argument("name", shell_complete=topics)
@bootstrap_option
@click.option(
    "--before", type=click.IntRange(0), metavar="OFFSET",
    help="Keep what is at or after this offset; all records go without it.",
)  # fmt: skip
@click.option("--partition", type=click.IntRange(0), help="Only of this one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(
    name: str, bootstrap_servers: str, before: int | None, partition: int | None, yes: bool
) -> None:
    """Delete records of the topic NAME; the topic stays, and offsets go on."""
    from summit.services.internal_topics import refuse_internal

    refuse_internal(name)
    confirm(f"Delete records of {name}?", f"deleting the records of {name}", yes=yes)

    async def run() -> int:
        async with _admin(bootstrap_servers) as admin:
            offsets = await admin.offsets(name)
            if partition is not None and partition not in offsets:
                raise click.UsageError(f"{name} has no partition {partition}")
            wanted = {
                index: end if before is None else min(max(before, start), end)
                for index, (start, end) in offsets.items()
                if partition in (None, index)
            }
            await admin.delete_records(name, wanted)
            return sum(at - offsets[index][0] for index, at in wanted.items())

    talk(f"deleted {counted(asyncio.run(run()), 'offset')} of {name}")


@topic.command("delete")
@click.argument("name", shell_complete=topics)
@bootstrap_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, bootstrap_servers: str, yes: bool) -> None:
    """Delete the topic NAME and its records."""
    from summit.services.internal_topics import refuse_internal

    refuse_internal(name)
    confirm(f"Delete {name} and all its records?", f"deleting {name} and its records", yes=yes)

    async def run() -> None:
        async with _admin(bootstrap_servers) as admin:
            await admin.delete_topic(name)

    asyncio.run(run())
    talk(f"deleted {name}")


def _setting(text: str) -> tuple[str, Any]:
    """One `NAME=VALUE`: Kafka's names are taken too, durations and sizes with their units."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint="--config")
    name = _KAFKA_NAMES.get(name, name.replace(".", "_"))
    if value.startswith("-"):
        return name, value
    if name.lower().endswith("ms"):
        return name, parse_duration_ms(value)
    if name.lower().endswith("bytes"):
        return name, parse_size_bytes(value)
    return name, value


def _change(text: str) -> tuple[str, str | None]:
    """One `NAME=VALUE` in Kafka's words; None for an empty value."""
    name, _, value = text.partition("=")
    given = _setting(text)[1] if value else None
    if "." not in name:
        name = re.sub(r"_|(?<=[a-z])(?=[A-Z])", ".", name).lower()
        name = "min.insync.replicas" if name == "min.in.sync.replicas" else name
    return name, None if given is None else str(given)


def _admin(bootstrap_servers: str) -> Any:
    from summit.client.admin import Admin

    return Admin({"clientId": "summit-topic", "bootstrapServers": bootstrap_servers.split(",")})
