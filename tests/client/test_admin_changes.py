"""Partitions, records, configs and groups changed through `Admin`, and `summit topic|group`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.client.conftest import World, poll_all

from summit.base.errors import Conflict, Invalid
from summit.cli.main import root
from summit.client import Admin, TopicPartition, plan_reset


async def filled(world: World, count: int = 10) -> str:
    name = await world.topic()
    async with world.producer() as producer:
        for i in range(count):
            await producer.send_nowait(name, b"%d" % i)
    return name


def run(world: World, *arguments: str) -> Result:
    return CliRunner().invoke(root, [*arguments, "-b", world.address])


def json_of(world: World, *arguments: str) -> Any:
    result = run(world, *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_partitions_records_and_configs(world: World) -> None:
    async def go() -> None:
        name = await filled(world)
        async with world.admin() as admin:
            await admin.create_partitions(name, 3)
            assert sorted(await admin.offsets(name)) == [0, 1, 2]
            with pytest.raises(Invalid, match="increase"):
                await admin.create_partitions(name, 2)
            await admin.delete_records(name, {0: 4})
            assert (await admin.offsets(name))[0] == (4, 10)
            await admin.delete_records(name)
            assert (await admin.offsets(name))[0] == (10, 10)
            with pytest.raises(Invalid):
                await admin.delete_records(name, {0: 11})
            await admin.alter_topic(name, {"retention.ms": "5000", "segment.ms": "7000"})
            await admin.alter_topic(name, {"segment.ms": None})
            configs = await admin.topic_configs(name)
            assert (configs["retention.ms"].value, configs["retention.ms"].is_default) == (
                "5000", False,
            )  # fmt: skip
            assert configs["segment.ms"].is_default
            with pytest.raises(Invalid):
                await admin.alter_topic(name, {"retention.ms": "soon"})
            for call in (
                admin.create_partitions("none", 2), admin.delete_records("none"),
                admin.topic_configs("none"), admin.alter_topic("none", {"retention.ms": "1"}),
            ):  # fmt: skip
                with pytest.raises(Invalid):
                    await call

    asyncio.run(go())


async def reset_to(admin: Admin, group: str, to: str) -> list[tuple[int | None, int]]:
    plan = await plan_reset(admin, group, to)
    return [(each.before, each.after) for each in plan]


def test_groups(world: World) -> None:
    async def go() -> None:
        name, group = await filled(world), world.group()
        async with world.admin() as admin:
            where = TopicPartition(name, 0)
            with pytest.raises(Invalid) as caught:
                await plan_reset(admin, group, "earliest")
            assert caught.value.code == "group.unknown"
            await admin.set_group_offsets(group, {where: 6})
            assert await admin.group_offsets(group) == {where: 6}
            assert await reset_to(admin, group, "earliest") == [(6, 0)]
            assert await reset_to(admin, group, "latest") == [(6, 10)]
            assert await reset_to(admin, group, "3") == [(6, 3)]
            assert await reset_to(admin, group, "-2") == [(6, 4)]
            assert await reset_to(admin, group, "+9") == [(6, 10)]
            assert await reset_to(admin, group, "2000-01-01T00:00:00Z") == [(6, 0)]
            assert await reset_to(admin, group, "2999-01-01") == [(6, 10)]
            with pytest.raises(Invalid, match="sometime"):
                await plan_reset(admin, group, "sometime")
            await admin.delete_group(group)
            assert await admin.group_offsets(group) == {}
            with pytest.raises(Invalid) as caught:
                await admin.delete_group(group)
            assert caught.value.code == "group.unknown"

    asyncio.run(go())


def test_a_group_with_members_is_left_alone(world: World) -> None:
    async def go() -> None:
        name, group = await filled(world), world.group()
        async with world.reading([name], group) as consumer, world.admin() as admin:
            await poll_all(consumer, 10)
            with pytest.raises(Conflict) as caught:
                await admin.delete_group(group)
            assert caught.value.code == "group.not_empty"
            with pytest.raises(Conflict):
                await admin.set_group_offsets(group, {TopicPartition(name, 0): 1})

    asyncio.run(go())


def test_the_commands(world: World) -> None:
    name, group = asyncio.run(filled(world)), world.group()
    assert run(world, "topic", "alter", name, "-c", "retentionMs=7d", "-p", "2").exit_code == 0
    described = json_of(world, "topic", "describe", name, "--configs")
    values = {each["name"]: each["value"] for each in described["configs"]}
    assert values["retention.ms"] == str(7 * 86_400_000)
    assert run(world, "topic", "alter", name, "-c", "retention.ms=").exit_code == 0
    assert run(world, "topic", "alter", name).exit_code == 2
    assert len(json_of(world, "topic", "describe", name)["partitions"]) == 2

    planned = json_of(world, "group", "reset", group, "--to", "4", "-t", name, "--dry-run")
    assert planned[0] == {"topic": name, "partition": 0, "before": None, "after": 4}
    assert group not in {each["group"] for each in json_of(world, "group", "list")}
    json_of(world, "group", "reset", group, "--to", "4", "-t", name)
    (row,) = [each for each in json_of(world, "group", "list") if each["group"] == group]
    assert row == {"group": group, "state": "empty", "members": 0, "lag": 6}
    described = json_of(world, "group", "describe", group)
    assert described["partitions"][0] == {
        "topic": name, "partition": 0, "offset": 4, "end": 10, "lag": 6, "owner": None,
    }  # fmt: skip
    assert run(world, "group", "delete", group).exit_code == 2, "it asks, and nobody is there"
    assert run(world, "group", "delete", group, "--yes").exit_code == 0
    assert run(world, "group", "describe", group).exit_code != 0

    assert run(world, "topic", "purge", name, "--before", "3", "--yes").exit_code == 0
    assert json_of(world, "topic", "describe", name)["partitions"][0]["start"] == 3
    assert run(world, "topic", "purge", name, "--yes").exit_code == 0
    assert json_of(world, "topic", "describe", name)["partitions"][0]["start"] == 10
