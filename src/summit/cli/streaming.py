"""`summit streaming`: the streaming service, with a broker of its own unless one is named."""

from __future__ import annotations

import click

from summit.cli.serving import PORT, insecure_option, serve, serving_options


@click.command()
@click.option("--host", default=None, help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=PORT, default=None, help="3000 by default; 0 takes a free one.")
@click.option(
    "--bootstrap-servers",
    "-b",
    default=None,
    help="The broker to dial; without it (and BROKER_HOST) one is embedded.",
)
@click.option(
    "--broker-port",
    type=PORT,
    default=None,
    help="Of the embedded broker; 9092 unless --port is 0.",
)
@click.option("--data-dir", default=None, help="Of the embedded broker; ./summit-data by default.")
@click.option("--durability", type=click.Choice(["fsync", "interval", "os"]), default=None)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=None,
    help="Worker processes beside the service; 1 by default.",
)
@insecure_option
@serving_options
def streaming(
    host: str | None,
    port: int | None,
    bootstrap_servers: str | None,
    broker_port: int | None,
    data_dir: str | None,
    durability: str | None,
    workers: int | None,
    insecure: bool,
    log_level: str,
    output: str | None,
) -> None:
    """Run the streaming service (REST, collectors) on port 3000."""
    from summit.services.alone import ServiceAlone
    from summit.services.broker_options import broker_settings
    from summit.services.security import security_settings
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.settings import service_settings

    flags = {"host": host, "port": port, "workers": workers}
    settings = service_settings("streaming", 3000, flags)
    if broker_port is None and port == 0:
        broker_port = 0
    servers = dialled(bootstrap_servers, default=None)
    embedded = None
    if not servers:
        embedded = broker_settings(
            {
                "port": broker_port,
                "data_dir": data_dir,
                "durability": durability,
                "insecure": insecure or None,
            }
        )
    component = ServiceAlone(
        streaming=settings,
        correlation=None,
        broker=embedded,
        bootstrap_servers=servers,
        security=security_settings(insecure=insecure),
    )
    serve(component, log_level=log_level, output=output)
