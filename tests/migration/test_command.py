"""`summit migrate` as it is typed: between directories, dry, as tables and as JSON."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner, Result
from tests.migration.conftest import broker
from tests.migration.test_migration import fill

from summit.cli.main import root
from summit.client import ClusterAdmin


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["migrate", *arguments])


def test_between_directories_of_stopped_brokers(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    new.mkdir()
    source = broker(old)
    source.start()
    asyncio.run(fill([f"127.0.0.1:{source.port}"], "orders", 50, partitions=2))
    source.stop()

    place = ("--from", str(old), "--to", str(new))
    dry = run(*place, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert dry.stdout.split() == ["orders", "2", "50", "1"]
    assert "nothing was changed" in dry.stderr
    plan = json.loads(run(*place, "--dry-run", "-o", "json").stdout)
    assert (plan["records"], plan["topics"][0]["name"], plan["groups"]) == (50, "orders", [])

    report = json.loads(run(*place, "-o", "json").stdout)
    assert (report["copied"], report["verified"], report["topics"]) == (50, 50, 1)
    again = run(*place)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "1 topic with 50 records: 0 copied, 0 compared" in again.stderr

    target = broker(new)
    target.start()

    async def offsets() -> dict[int, tuple[int, int]]:
        async with ClusterAdmin({"bootstrapServers": f"127.0.0.1:{target.port}"}) as admin:
            return await admin.offsets("orders")

    assert asyncio.run(offsets()) == {0: (0, 25), 1: (0, 25)}
    target.stop()


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    made = broker(tmp_path / "a")
    made.start()
    address = f"127.0.0.1:{made.port}"
    same = run("--from", address, "--to", address)
    unknown = run("--from", address, "--to", str(tmp_path), "-t", "none")
    made.stop()
    assert (same.exit_code, getattr(same.exception, "code", "")) == (1, "migrate.same_cluster")
    assert getattr(unknown.exception, "code", "") == "topic.unknown"
