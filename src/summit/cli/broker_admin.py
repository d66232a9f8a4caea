"""The commands of `summit broker`: brokers described and altered, their producers, transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.output import bootstrap_option, output_option, print_document, print_list, talk


@click.command("describe")
@bootstrap_option
@output_option
def describe(bootstrap_servers: str, output: str | None) -> None:
    """Show the cluster: brokers, controller, log directories with sizes."""

    async def run() -> dict[str, Any]:
        async with _admin(bootstrap_servers) as admin:
            cluster = await admin.describe_cluster()
            dirs = await admin.log_dirs([broker.id for broker in cluster.live])
        return {
            "clusterId": cluster.cluster_id,
            "controllerId": cluster.controller_id,
            "brokers": [
                {
                    "id": broker.id, "host": broker.host, "port": broker.port,
                    "rack": broker.rack, "isFenced": broker.is_fenced,
                }
                for broker in cluster.brokers
            ],
            "logDirs": [
                {
                    "broker": each.broker_id, "path": each.path, "error": each.error,
                    "partitions": len(each.replicas),
                    "size": sum(replica.size_bytes for replica in each.replicas),
                    "free": each.usable_bytes, "total": each.total_bytes,
                }
                for each in dirs
            ],
        }  # fmt: skip

    found = asyncio.run(run())
    if output != "csv" and print_document(found, output):
        return
    talk(f"cluster {found['clusterId']}, controller {found['controllerId']}")
    print_list(found["brokers"], ["id", "host", "port", "rack", "isFenced"], output)
    columns = ["broker", "path", "partitions", "size", "free", "total", "error"]
    print_list(found["logDirs"], columns, output)


@click.command("configs")
@bootstrap_option
@click.option("--id", "broker_id", type=int, help="Which broker; the first that lives by default.")
@click.option("--set", "only_set", is_flag=True, help="Only what is not at its default.")
@output_option
def configs(
    bootstrap_servers: str, broker_id: int | None, only_set: bool, output: str | None
) -> None:
    """Show the settings of a broker as they hold now."""

    async def run() -> list[Any]:
        async with _admin(bootstrap_servers) as admin:
            found = await admin.broker_configs(await _broker_id(admin, broker_id))
            return list(found.values())

    rows = [
        {
            "name": each.name, "value": each.value, "source": each.source,
            "isReadOnly": each.is_read_only,
        }
        for each in asyncio.run(run())
        if not (only_set and each.source == "default")
    ]  # fmt: skip
    print_list(rows, ["name", "value", "source", "isReadOnly"], output)


@click.command("alter")
@bootstrap_option
@click.option("--id", "broker_id", type=int, help="Which broker; the first that lives by default.")
@click.option(
    "-c", "--config", "changes", multiple=True, required=True, metavar="NAME=VALUE",
    help="In Kafka's words; an empty value means what the broker was started with.",
)  # fmt: skip
def alter(bootstrap_servers: str, broker_id: int | None, changes: Sequence[str]) -> None:
    """Change settings of a running broker."""
    wanted: dict[str, str | None] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"'{change}' is not NAME=VALUE", param_hint="--config")
        wanted[name] = value or None

    async def run() -> int:
        async with _admin(bootstrap_servers) as admin:
            found = await _broker_id(admin, broker_id)
            await admin.alter_broker(found, wanted)
            return found

    talk(f"altered broker {asyncio.run(run())}")


@click.command("producers")
@click.argument("topic")
@bootstrap_option
@click.option("--partition", type=click.IntRange(0), help="Only of this one.")
@output_option
def producers(
    topic: str, bootstrap_servers: str, partition: int | None, output: str | None
) -> None:
    """Show the idempotent producers that wrote to TOPIC, and what they have open."""

    async def run() -> list[Any]:
        async with _admin(bootstrap_servers) as admin:
            wanted = [partition] if partition is not None else sorted(await admin.offsets(topic))
            return [
                each for index in wanted for each in await admin.describe_producers(topic, index)
            ]

    rows = [
        {
            "partition": each.partition, "producerId": each.producer_id,
            "epoch": each.producer_epoch, "lastSequence": each.last_sequence,
            "lastTimestamp": each.last_timestamp, "openSince": each.open_since_offset,
        }
        for each in asyncio.run(run())
    ]  # fmt: skip
    columns = ["partition", "producerId", "epoch", "lastSequence", "lastTimestamp", "openSince"]
    print_list(rows, columns, output)


@click.command("transactions")
@bootstrap_option
@click.option(
    "--state", "states", multiple=True, metavar="STATE",
    help="Only in this state: Ongoing, PrepareCommit, CompleteAbort, ...",
)  # fmt: skip
@output_option
def transactions(bootstrap_servers: str, states: Sequence[str], output: str | None) -> None:
    """Show transactional ids: state, producer, and what an open transaction touches."""

    async def run() -> list[dict[str, Any]]:
        from summit.base.errors import Invalid

        rows = []
        async with _admin(bootstrap_servers) as admin:
            for listed in await admin.list_transactions(states):
                try:
                    each = await admin.describe_transaction(listed.transactional_id)
                except Invalid:
                    continue  # expired meanwhile
                rows.append(
                    {
                        "transactionalId": each.transactional_id, "state": each.state,
                        "producerId": each.producer_id, "epoch": each.producer_epoch,
                        "timeoutMs": each.timeout_ms, "startedMs": each.started_ms,
                        "partitions": [f"{p.topic}-{p.partition}" for p in each.partitions],
                    }
                )  # fmt: skip
        return rows

    columns = [
        "transactionalId", "state", "producerId", "epoch", "timeoutMs", "startedMs", "partitions",
    ]  # fmt: skip
    print_list(asyncio.run(run()), columns, output)


async def _broker_id(admin: Any, given: int | None) -> int:
    return given if given is not None else min(await admin.brokers())


def _admin(bootstrap_servers: str) -> Any:
    from summit.client.admin import Admin

    return Admin({"clientId": "summit-broker", "bootstrapServers": bootstrap_servers.split(",")})


COMMANDS = (describe, configs, alter, producers, transactions)
