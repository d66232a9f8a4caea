"""`summit cluster`: a real Apache Kafka cluster on this machine, for development and tests."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from summit.cli.output import counted, output_option, print_document, print_list, talk

_MARK = "temporary"  # in a directory that goes with its cluster


@click.group()
def cluster() -> None:
    """Run an Apache Kafka cluster on this machine, for development and tests.

    Its nodes are Apache Kafka itself (Java 17 and Maven are needed, or KAFKA_HOME). Dial it with
    --bootstrap-servers; for production, run Apache Kafka as its own documentation says.
    """


_directory_option = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), default=None,
    envvar="SUMMIT_CLUSTER_DIR",
    help="Where its data is; without it in a temporary place, and gone after down.",
)  # fmt: skip


@cluster.command("up")
@click.option("--brokers", type=click.IntRange(1, 9), default=None, help="Three by default.")
@_directory_option
@click.option("--heap", "heap_mib", type=click.IntRange(128), default=256, show_default=True,
              metavar="MIB", help="Largest heap of a node, in MiB.")  # fmt: skip
@click.option("-c", "--config", "configs", multiple=True, metavar="NAME=VALUE",
              help="A property of Kafka for every node.")  # fmt: skip
@output_option
def up(
    brokers: int | None,
    data_dir: Path | None,
    heap_mib: int,
    configs: Sequence[str],
    output: str | None,
) -> None:
    """Start the cluster, or the nodes of it that do not run; it goes on in the background."""
    from summit.cluster import KafkaCluster

    properties = dict(map(_property, configs))
    directory = data_dir or _temporary()
    made = KafkaCluster(directory, brokers=brokers, heap_mib=heap_mib, configs=properties)
    if data_dir is None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / _MARK).touch()
    if output != "json":
        talk("starting Apache Kafka; the first time its jars are fetched")
    status = asyncio.run(made.up())
    if print_document(status, output):
        return
    talk(f"{counted(len(status.nodes), 'broker')} in {status.directory}")
    click.echo(status.bootstrap_servers)


@cluster.command("status")
@_directory_option
@output_option
def status(data_dir: Path | None, output: str | None) -> None:
    """Show its nodes, and what the cluster says of itself."""
    from summit.cluster import KafkaCluster

    found = asyncio.run(KafkaCluster(data_dir or _temporary()).status())
    if print_document(found, output):
        return
    rows: list[dict[str, Any]] = [
        {
            "id": node.id,
            "address": node.address,
            "pid": node.pid,
            "state": "stopped" if node.pid is None
            else "serving" if node.id in (found.live_brokers or ()) else "not serving",
            "controller": "active" if node.id == found.controller else "",
        }
        for node in found.nodes
    ]  # fmt: skip
    print_list(rows, ["id", "address", "pid", "state", "controller"], output)
    if found.under_replicated_partitions is not None:
        talk(
            f"{counted(found.under_replicated_partitions, 'partition')} under-replicated, "
            f"{found.offline_partitions} offline"
        )


@cluster.command("down")
@_directory_option
@click.option("--delete", is_flag=True, help="Delete its data too.")
@output_option
def down(data_dir: Path | None, delete: bool, output: str | None) -> None:
    """Stop every node."""
    from summit.cluster import KafkaCluster

    directory = data_dir or _temporary()
    stopped = KafkaCluster(directory)
    servers = stopped.bootstrap_servers  # raises where there is none
    killed = asyncio.run(stopped.down())
    deleted = delete or (directory / _MARK).exists()
    if deleted:
        shutil.rmtree(directory)
    if print_document({"bootstrapServers": servers, "killed": killed, "deleted": deleted}, output):
        return
    for node in killed:
        talk(f"warning: node {node} had to be killed")
    talk("stopped" + (" and deleted" if deleted else ""))


def _temporary() -> Path:
    """One place for each user, so that a later command finds it."""
    return Path(tempfile.gettempdir()) / f"summit-cluster-{getpass.getuser()}"


def _property(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint="--config")
    return name, value
