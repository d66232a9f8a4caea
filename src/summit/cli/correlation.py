"""`summit correlation`: the event correlation service, which dials a broker."""

from __future__ import annotations

import click

from summit.cli.serving import PORT, insecure_option, serve, serving_options


@click.command()
@click.option("--host", default=None, help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=PORT, default=None, help="3001 by default; 0 takes a free one.")
@click.option(
    "--bootstrap-servers", "-b", default=None, help="The broker to dial; localhost:9092 by default."
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=None,
    help="Worker processes beside the service; 1 by default.",
)
@insecure_option
@serving_options
def correlation(
    host: str | None,
    port: int | None,
    bootstrap_servers: str | None,
    workers: int | None,
    insecure: bool,
    log_level: str,
    output: str | None,
) -> None:
    """Run the event correlation service on port 3001."""
    from summit.services.alone import ServiceAlone
    from summit.services.security import security_settings
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.settings import service_settings

    flags = {"host": host, "port": port, "workers": workers}
    component = ServiceAlone(
        streaming=None,
        correlation=service_settings("correlation", 3001, flags),
        broker=None,
        bootstrap_servers=dialled(bootstrap_servers, default="localhost:9092"),
        security=security_settings(insecure=insecure),
    )
    serve(component, log_level=log_level, output=output)
