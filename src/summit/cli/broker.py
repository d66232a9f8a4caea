"""`summit broker`: runs the broker alone, or, with a command, asks and changes running ones."""

from __future__ import annotations

import click

from summit.cli import backup, broker_admin
from summit.cli.serving import PORT, serve, serving_options


@click.group(invoke_without_command=True)
@click.option("--host", default=None, help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=PORT, default=None, help="9092 by default; 0 takes a free one.")
@click.option(
    "--data-dir",
    default=None,
    envvar=["SUMMIT_DATA_DIR", "DATA_DIR"],
    help="Where it keeps its data; ./summit-data by default.",
)
@click.option(
    "--durability",
    type=click.Choice(["fsync", "interval", "os"]),
    default=None,
    help="Acknowledge after fdatasync, or after the page cache has it, with a sync "
    "every second (interval) or none (os).",
)
@click.option(
    "--auto-create-topics/--no-auto-create-topics",
    default=None,
    help="Whether asking for an unknown topic makes it; it does by default.",
)
@click.option(
    "--insecure/--no-insecure", default=None,
    help="Listen beyond this machine although nobody is asked who it is.",
)  # fmt: skip
@serving_options
@click.pass_context
def broker(
    context: click.Context,
    host: str | None,
    port: int | None,
    data_dir: str | None,
    durability: str | None,
    auto_create_topics: bool | None,
    insecure: bool | None,
    log_level: str,
    output: str | None,
) -> None:
    """Run the Kafka-protocol broker alone.

    Listeners, TLS and SASL are settings: [broker] of summit.toml, or SUMMIT_BROKER__LISTENERS and
    the like.

    With a command it starts nothing: the command asks or changes brokers that run.
    """
    if context.invoked_subcommand is not None:
        return
    from summit.services.broker_options import broker_settings
    from summit.services.broker_process import BrokerProcess

    flags = {
        "host": host, "port": port, "data_dir": data_dir, "durability": durability,
        "auto_create_topics": auto_create_topics, "insecure": insecure,
    }  # fmt: skip
    serve(BrokerProcess(broker_settings(flags)), log_level=log_level, output=output)


for _command in (*broker_admin.COMMANDS, *backup.COMMANDS):
    broker.add_command(_command)
