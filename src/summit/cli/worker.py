"""`summit worker`: a worker alone."""

from __future__ import annotations

import click

from summit.cli.output import bootstrap_option
from summit.cli.serving import serve, serving_options


@click.command()
@bootstrap_option
@serving_options
def worker(bootstrap_servers: str, log_level: str, output: str | None) -> None:
    """Run a worker, which matches events against the rules.

    One worker is active at a time; others stand by and take over when it ends.
    """
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.worker_process import WorkerProcess

    addresses = dialled(bootstrap_servers, default="localhost:9092")
    serve(WorkerProcess(addresses), log_level=log_level, output=output)
