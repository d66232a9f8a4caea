"""`summit group`: list, describe and delete consumer groups; lag; move or delete offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.completion import groups
from summit.cli.completion import topics as complete_topics
from summit.cli.output import (
    bootstrap_option,
    confirm,
    counted,
    output_option,
    print_document,
    print_list,
    talk,
)


@click.group()
def group() -> None:
    """List, describe and delete consumer groups; reset their offsets."""


@group.command("list")
@bootstrap_option
@output_option
def list_groups(bootstrap_servers: str, output: str | None) -> None:
    """List groups with state, members and lag."""

    async def run() -> list[dict[str, Any]]:
        async with _admin(bootstrap_servers) as admin:
            rows = []
            for name in await admin.list_groups():
                described = await admin.describe_group(name)
                lag = sum(row["lag"] or 0 for row in await committed_rows(admin, name))
                rows.append(
                    {
                        "group": name, "state": described.state,
                        "members": len(described.members), "lag": lag,
                    }
                )  # fmt: skip
            return rows

    print_list(asyncio.run(run()), ["group", "state", "members", "lag"], output)


@group.command("describe")
@click.argument("name", shell_complete=groups)
@bootstrap_option
@output_option
def describe(name: str, bootstrap_servers: str, output: str | None) -> None:
    """Show offsets, lag and members of the group NAME."""

    async def run() -> dict[str, Any]:
        from summit.base.errors import Invalid

        async with _admin(bootstrap_servers) as admin:
            if name not in await admin.list_groups():
                raise Invalid("group.unknown", group=name)
            described = await admin.describe_group(name)
            rows = await committed_rows(admin, name)
        owners = {
            (part.topic, part.partition): member.client_id
            for member in described.members
            for part in member.partitions
        }
        for row in rows:
            row["owner"] = owners.get((row["topic"], row["partition"]))
        return {
            "group": name,
            "state": described.state,
            "assignor": described.assignor,
            "members": [
                {"memberId": member.member_id, "clientId": member.client_id, "host": member.host}
                for member in described.members
            ],
            "partitions": rows,
        }

    found = asyncio.run(run())
    if output != "csv" and print_document(found, output):
        return
    talk(f"{name}: {found['state']}, {counted(len(found['members']), 'member')}")
    columns = ["topic", "partition", "offset", "end", "lag", "owner"]
    print_list(found["partitions"], columns, output)


@group.command("lag")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=groups)
@bootstrap_option
@click.option("--behind", is_flag=True, help="Only partitions with records not yet read.")
@output_option
def lag(names: Sequence[str], bootstrap_servers: str, behind: bool, output: str | None) -> None:
    """Show the lag per partition of groups, or of all."""

    async def run() -> list[dict[str, Any]]:
        from summit.base.errors import Invalid

        async with _admin(bootstrap_servers) as admin:
            known = await admin.list_groups()
            for name in names:
                if name not in known:
                    raise Invalid("group.unknown", group=name)
            return [
                {"group": name, **row}
                for name in (names or known)
                for row in await committed_rows(admin, name)
                if row["lag"] or not behind
            ]

    columns = ["group", "topic", "partition", "offset", "end", "lag"]
    print_list(asyncio.run(run()), columns, output)


@group.command("forget")
@click.argument("name", shell_complete=groups)
@bootstrap_option
@click.option(
    "-t",
    "--topic",
    "topics",
    multiple=True,
    shell_complete=complete_topics,
    required=True,
    help="Whose offsets go.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(name: str, bootstrap_servers: str, topics: Sequence[str], yes: bool) -> None:
    """Delete what the group NAME committed to some topics; nobody may be reading them in it."""
    listed = ", ".join(topics)
    confirm(f"Delete the offsets of {name} on {listed}?", f"deleting offsets of {name}", yes=yes)

    async def run() -> int:
        async with _admin(bootstrap_servers) as admin:
            committed = await admin.group_offsets(name)
            doomed = [where for where in committed if where.topic in topics]
            if doomed:
                await admin.delete_group_offsets(name, doomed)
            return len(doomed)

    talk(f"deleted {counted(asyncio.run(run()), 'offset')} of {name}")


@group.command("delete")
@click.argument("name", shell_complete=groups)
@bootstrap_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, bootstrap_servers: str, yes: bool) -> None:
    """Delete the group NAME and its offsets; it must have no members."""
    confirm(f"Delete {name} and its offsets?", f"deleting {name} and its offsets", yes=yes)

    async def run() -> None:
        async with _admin(bootstrap_servers) as admin:
            await admin.delete_group(name)

    asyncio.run(run())
    talk(f"deleted {name}")


@group.command("reset")
@click.argument("name", shell_complete=groups)
@bootstrap_option
@click.option(
    "--to",
    required=True,
    metavar="WHERE",
    help="earliest, latest, an offset, +N, -N, or an ISO time.",
)
@click.option(
    "-t",
    "--topic",
    "topics",
    multiple=True,
    shell_complete=complete_topics,
    help="All that it committed to by default.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@output_option
def reset(
    name: str,
    bootstrap_servers: str,
    to: str,
    topics: Sequence[str],
    dry_run: bool,
    output: str | None,
) -> None:
    """Move the offsets of the group NAME; it must have no members."""

    async def run() -> list[Any]:
        from summit.client import TopicPartition, plan_reset

        async with _admin(bootstrap_servers) as admin:
            plan = await plan_reset(admin, name, to, topics)
            if not dry_run:
                await admin.set_group_offsets(
                    name, {TopicPartition(each.topic, each.partition): each.after for each in plan}
                )
            return plan

    plan = asyncio.run(run())
    rows = [
        {
            "topic": each.topic, "partition": each.partition,
            "before": each.before, "after": each.after,
        }
        for each in plan
    ]  # fmt: skip
    print_list(rows, ["topic", "partition", "before", "after"], output)
    talk("nothing was changed (dry run)" if dry_run else f"reset {name}")


async def committed_rows(admin: Any, name: str) -> list[dict[str, Any]]:
    """A row for each partition that the group has committed to."""
    committed = await admin.group_offsets(name)
    known = set(await admin.list_topics())
    ends = {
        topic: await admin.offsets(topic)
        for topic in sorted({where.topic for where in committed})
        if topic in known
    }
    rows = []
    for where, offset in sorted(committed.items()):
        end = ends.get(where.topic, {}).get(where.partition, (None, None))[1]
        rows.append(
            {
                "topic": where.topic, "partition": where.partition, "offset": offset, "end": end,
                "lag": None if end is None else max(0, end - offset),
            }
        )  # fmt: skip
    return rows


def _admin(bootstrap_servers: str) -> Any:
    from summit.client.admin import Admin

    return Admin({"clientId": "summit-group", "bootstrapServers": bootstrap_servers.split(",")})
