"""`summit flow`: the whole flow described; paused, resumed and drained."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

import click

from summit.cli.flow_view import print_flow
from summit.cli.output import bootstrap_option, output_option, print_json


@click.group()
def flow() -> None:
    """Show what flows from topics through rules to alerts; pause, resume and drain it."""


@flow.command("describe")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option(
    "--every", default=2.0, show_default=True, type=click.FloatRange(0.5),
    help="Seconds between two looks of --watch.",
)  # fmt: skip
@bootstrap_option
@output_option
def describe(watch: bool, every: float, bootstrap_servers: str, output: str | None) -> None:
    """Show inputs, workers, key groups, rules, state and outputs, with rates and lags.

    Everything is read from the log: it does not matter where workers run, or whether.
    """

    async def run() -> None:
        from summit.flow.watching import FlowWatch

        async with FlowWatch(bootstrap_servers.split(",")) as looking:
            while True:
                _show(await looking.describe(), output, clear=watch)
                if not watch:
                    return
                await asyncio.sleep(every)

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


def _show(description: dict[str, Any], output: str | None, *, clear: bool) -> None:
    if output == "json":
        print_json(description)
        return
    if clear and sys.stdout.isatty():
        click.clear()
    print_flow(description)
