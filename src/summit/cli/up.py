"""`summit up`: everything in one process tree."""

from __future__ import annotations

import os

import click

from summit.cli.serving import PORT, serve, serving_options


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=PORT,
    default=None,
    envvar="PORT",
    help="Of the streaming service; 3000. 0 takes free ports for everything.",
)
@click.option("--correlation-port", type=PORT, default=None, help="3001 unless --port is 0.")
@click.option(
    "--broker-port", type=PORT, default=None, envvar="BROKER_PORT", help="9092 unless --port is 0."
)
@click.option(
    "--data-dir",
    default=None,
    envvar=["SUMMIT_DATA_DIR", "DATA_DIR"],
    help="Where the broker keeps its data; ./summit-data by default.",
)
@click.option(
    "--durability",
    type=click.Choice(["fsync", "interval", "os"]),
    default=None,
    help="When a write is acknowledged; fsync by default.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=None,
    help="Worker processes; cores - 2, at least 1, by default.",
)
@click.option(
    "--bootstrap-servers",
    "-b",
    default=None,
    help="A broker that is there already; none is started then.",
)
@serving_options
def up(
    host: str,
    port: int | None,
    correlation_port: int | None,
    broker_port: int | None,
    data_dir: str | None,
    durability: str | None,
    workers: int | None,
    bootstrap_servers: str | None,
    log_level: str,
    output: str | None,
) -> None:
    """Start everything: broker, services, collectors and workers.

    One worker is active at a time; more of them stand by.
    """
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.up import Supervisor

    free = port == 0
    broker = ["--host", host, "--port", str(_port(broker_port, 9092, free=free))]
    if data_dir is not None:
        broker += ["--data-dir", data_dir]
    if durability is not None:
        broker += ["--durability", durability]
    node = [
        "--host", host, "--port", str(_port(port, 3000, free=free)),
        "--correlation-port", str(_port(correlation_port, 3001, free=free)),
    ]  # fmt: skip
    existing = dialled(bootstrap_servers, default=None)
    component = Supervisor(
        broker=None if existing else broker,
        node=node,
        options=["--log-level", log_level],
        workers=max(1, (os.cpu_count() or 1) - 2) if workers is None else workers,
        bootstrap_servers=existing,
    )
    serve(component, log_level=log_level, output=output)


def _port(given: int | None, default: int, *, free: bool) -> int:
    if given is not None:
        return given
    return 0 if free else default
