"""`summit node` (hidden): both services in one process, as `summit up` runs them."""

from __future__ import annotations

import click

from summit.cli.output import bootstrap_option
from summit.cli.serving import PORT, insecure_option, serve, serving_options


@click.command()
@bootstrap_option
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=PORT, default=3000)
@click.option("--correlation-port", type=PORT, default=3001)
@insecure_option
@serving_options
def node(
    bootstrap_servers: str,
    host: str,
    port: int,
    correlation_port: int,
    insecure: bool,
    log_level: str,
    output: str | None,
) -> None:
    """Run both services in one process, without workers."""
    from summit.services.alone import ServiceAlone
    from summit.services.security import security_settings
    from summit.services.settings import service_settings

    component = ServiceAlone(
        streaming=service_settings(
            "streaming", 3000, {"host": host, "port": port, "workers": 0}
        ),
        correlation=service_settings(
            "correlation", 3001, {"host": host, "port": correlation_port, "workers": 0},
            named_port=False,
        ),
        broker=None,
        bootstrap_servers=bootstrap_servers.split(","),
        security=security_settings(insecure=insecure),
    )  # fmt: skip
    serve(component, log_level=log_level, output=output)
