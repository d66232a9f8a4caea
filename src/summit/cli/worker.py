"""`summit worker`: a worker alone, or several of one command."""

from __future__ import annotations

from typing import Any

import click

from summit.cli.output import bootstrap_option
from summit.cli.serving import PORT, insecure_option, serve, serving_options


@click.command()
@bootstrap_option
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True,
    help="So many workers, each a process; one that ends unasked is started again.",
)  # fmt: skip
@click.option(
    "--instance-id",
    help="A name of its own, kept over restarts: a worker that was killed goes on at once. With"
    " several processes it is followed by their number.",
)
@click.option(
    "--guarantee", type=click.Choice(["exactly-once", "at-least-once"]), default=None,
    help="Of alerts; at-least-once is cheaper and sooner: after a crash some stand twice, under the"
    " same id. SUMMIT_WORKER__GUARANTEE; exactly-once by default.",
)  # fmt: skip
@click.option(
    "--standby", type=click.IntRange(0, 1), default=None,
    help="1: keep a copy of the state that others hold, so that it is taken over fast.",
)  # fmt: skip
@click.option(
    "--metrics-port", type=PORT, default=None,
    help="Listen there for /metrics (Prometheus), /readyz and /livez; 0 takes a free port. Several"
    " processes take this port and those behind it.",
)  # fmt: skip
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="The address for it.")
@insecure_option
@serving_options
def worker(
    bootstrap_servers: str,
    processes: int,
    instance_id: str | None,
    guarantee: str | None,
    standby: int | None,
    metrics_port: int | None,
    metrics_host: str,
    insecure: bool,
    log_level: str,
    output: str | None,
) -> None:
    """Run a worker, which matches events against the rules.

    Workers share the work; where one ends, the others take over its share.
    """
    from summit.services.settings import bootstrap_servers as dialled
    from summit.services.worker_options import worker_settings

    addresses = dialled(bootstrap_servers, default="localhost:9092")
    flags = {"instance_id": instance_id, "guarantee": guarantee, "standby": standby}
    settings = worker_settings(addresses, flags)  # what is wrong is said before anything starts
    component: Any
    if processes > 1:
        from summit.services.worker_pool import WorkerPool

        if (metrics_port or 0) + processes > 65_536:
            raise click.UsageError("--metrics-port leaves no room for the ports of all processes")
        given = {
            "--bootstrap-servers": ",".join(addresses), "--guarantee": guarantee,
            "--standby": standby, "--metrics-host": metrics_host, "--log-level": log_level,
        }  # fmt: skip
        arguments = [
            text
            for option, value in given.items() if value is not None
            for text in (option, str(value))
        ] + (["--insecure"] if insecure else [])  # fmt: skip
        component = WorkerPool(
            processes, arguments, instance_id=settings.instance_id, metrics_port=metrics_port
        )
    else:
        from summit.services.worker_process import WorkerProcess

        component = WorkerProcess(
            settings, metrics_port=metrics_port, metrics_host=metrics_host, insecure=insecure
        )
    serve(component, log_level=log_level, output=output)
