"""`summit flow`: the whole flow described; paused, resumed and drained."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from summit.cli.definitions import following, wait_acting, workers_run
from summit.cli.flow_view import print_flow
from summit.cli.output import bootstrap_option, output_option, print_document, print_item, talk
from summit.cli.replay import replay


@click.group()
def flow() -> None:
    """Show what flows from topics through rules to alerts; pause, resume and drain it."""


flow.add_command(replay)


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


_TOPICS = click.option(
    "-t", "--topic", "topics", multiple=True, help="A topic or a glob; may be repeated."
)  # fmt: skip
_RULES = click.option("--rule", "rules", multiple=True, help="A rule's id; may be repeated.")


@flow.command("pause")
@_TOPICS
@_RULES
@bootstrap_option
@output_option
def pause(
    topics: Sequence[str], rules: Sequence[str], bootstrap_servers: str, output: str | None
) -> None:
    """Let the workers rest: from topics, from rules, or from all topics.

    A paused topic is not read: its positions stand and its lag grows. A paused rule sees no
    events, and what it has begun is kept: events that come meanwhile are never matched by it.
    """
    if not topics and not rules:
        topics = ("*",)
    _change(bootstrap_servers, output, lambda now: now.adding(topics, rules), topics, rules)


@flow.command("resume")
@_TOPICS
@_RULES
@bootstrap_option
@output_option
def resume(
    topics: Sequence[str], rules: Sequence[str], bootstrap_servers: str, output: str | None
) -> None:
    """Go on with what is paused: with topics or rules by name, or with everything."""
    named = bool(topics or rules)

    def change(now: Any) -> Any:
        return now.without(topics, rules) if named else type(now)()

    _change(bootstrap_servers, output, change)


@flow.command("drain")
@click.option("--timeout", default="60s", show_default=True, help="How long to wait.")
@bootstrap_option
@output_option
def drain(timeout: str, bootstrap_servers: str, output: str | None) -> None:
    """Finish and commit what is read, then read nothing more; returns when that is done.

    `summit flow resume` goes on.
    """
    from summit.base.units import parse_duration_ms

    _change(
        bootstrap_servers, output, lambda now: now.adding(["*"], ()),
        drain_ms=parse_duration_ms(timeout),
    )  # fmt: skip


def _change(
    bootstrap_servers: str,
    output: str | None,
    change: Callable[[Any], Any],
    topics: Sequence[str] = (),
    rules: Sequence[str] = (),
    *,
    drain_ms: int | None = None,
) -> None:
    """Publish new pauses and wait until the workers go by them."""

    async def run() -> tuple[Any, bool]:
        from summit.base.clock import SystemClock
        from summit.client import ClusterAdmin
        from summit.flow.control import change_pauses, check_names, wait_drained

        servers = bootstrap_servers.split(",")
        async with (
            ClusterAdmin({"bootstrapServers": servers}) as admin, following(servers) as definitions,
        ):  # fmt: skip
            await check_names(admin, definitions, topics, rules)
            pauses, offset = await change_pauses(definitions, change)
            if drain_ms is None or not await workers_run(admin):
                return pauses, await wait_acting(servers, offset)
            await wait_drained(servers, admin, offset, SystemClock(), drain_ms)
            return pauses, True

    pauses, acting = asyncio.run(run())
    if print_document({"paused": pauses.document()["paused"], "acting": acting}, output):
        return
    paused = [*pauses.topics, *(f"rule {rule}" for rule in pauses.rules)]
    talk("paused: " + ", ".join(paused) if paused else "nothing is paused")
    if drain_ms is not None and acting:
        talk("drained: everything that was read is committed")


def _show(description: dict[str, Any], output: str | None, *, clear: bool) -> None:
    if print_item(description, output):
        return
    if clear and sys.stdout.isatty():
        click.clear()
    print_flow(description)
