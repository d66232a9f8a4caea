"""`summit up`: everything in one process tree."""

from __future__ import annotations

import os

import click

from summit.cli.serving import PORT, insecure_option, serve, serving_options


@click.command()
@click.option("--host", default=None, help="Address to listen on; 127.0.0.1 by default.")
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
@insecure_option
@serving_options
def up(
    host: str | None,
    port: int | None,
    correlation_port: int | None,
    broker_port: int | None,
    data_dir: str | None,
    durability: str | None,
    workers: int | None,
    bootstrap_servers: str | None,
    insecure: bool,
    log_level: str,
    output: str | None,
) -> None:
    """Start everything: broker, services, collectors and workers.

    Workers share the work; where one ends, the others take over its share.
    """
    from summit.services.security import security_settings
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.settings import keep_views_below, service_settings
    from summit.services.up import Supervisor

    if port == 0:
        correlation_port = correlation_port or 0
        broker_port = broker_port or 0
    # Resolved here, so that what is wrong is said before anything is started.
    streaming = service_settings("streaming", 3000, {"host": host, "port": port})
    correlation = service_settings(
        "correlation", 3001, {"host": host, "port": correlation_port}, named_port=False
    )
    node = [
        "--host", streaming.host, "--port", str(streaming.port),
        "--correlation-port", str(correlation.port), *(["--insecure"] if insecure else []),
    ]  # fmt: skip
    security = security_settings(insecure=insecure)
    for name, settings in (("streaming", streaming), ("correlation", correlation)):
        security.check_bind(f"the {name} service", settings.host)
    # The broker's process looks up by itself what is not given.
    given = {"--host": host, "--port": broker_port, "--data-dir": data_dir,
             "--durability": durability}  # fmt: skip
    broker = [
        text
        for option, value in given.items() if value is not None
        for text in (option, str(value))
    ] + (["--insecure"] if insecure else [])  # fmt: skip
    existing = dialled(bootstrap_servers, default=None)
    if data_dir and not existing:
        keep_views_below(data_dir)
    component = Supervisor(
        broker=None if existing else broker,
        node=node,
        options=["--log-level", log_level],
        workers=max(1, (os.cpu_count() or 1) - 2) if workers is None else workers,
        bootstrap_servers=existing,
    )
    serve(component, log_level=log_level, output=output)
