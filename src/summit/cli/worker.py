"""`summit worker`: a worker alone."""

from __future__ import annotations

import click

from summit.cli.output import bootstrap_option
from summit.cli.serving import serve, serving_options


@click.command()
@bootstrap_option
@click.option(
    "--instance-id",
    help="A name of its own, kept over restarts: a worker that was killed goes on at once.",
)
@serving_options
def worker(
    bootstrap_servers: str, instance_id: str | None, log_level: str, output: str | None
) -> None:
    """Run a worker, which matches events against the rules.

    Workers share the work; where one ends, the others take over its share.
    """
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.worker_process import WorkerProcess

    addresses = dialled(bootstrap_servers, default="localhost:9092")
    serve(WorkerProcess(addresses, instance_id), log_level=log_level, output=output)
