"""`summit state`: what rules have begun for keys, read from the log; needs no running worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.output import (
    bootstrap_option,
    counted,
    output_option,
    print_document,
    print_list,
    say,
    talk,
    time_text,
)

_EVENTS_SHOWN = 20  # of one unfinished match, half from each end; JSON has all
_EVENT_CHARS = 160


@click.group()
def state() -> None:
    """Show what rules have begun for keys: unfinished matches."""


@state.command("get")
@click.option("--rule", required=True, help="The rule's id.")
@click.option(
    "--key", "keys", multiple=True, metavar="VALUE",
    help="A value of groupBy, in its order or as field=value, once for each; or a JSON list.",
)  # fmt: skip
@bootstrap_option
@output_option
def get(rule: str, keys: Sequence[str], bootstrap_servers: str, output: str | None) -> None:
    """Show the unfinished matches of a key: where each waits, its events, when it is over.

    A value in quotes is a text (--key '"42"'); without, 42 is looked up as text and as number.
    """

    async def run() -> list[dict[str, Any]]:
        from summit.cli.definitions import pattern
        from summit.flow.state_view import show_key

        servers = bootstrap_servers.split(",")
        return await show_key(servers, await pattern(servers, rule), keys)

    found = asyncio.run(run())
    if print_document(found, output):
        return
    for each in found:
        _print_key(each)


@state.command("list")
@click.option("--rule", required=True, help="The rule's id.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True,
    help="Most keys to show.",
)  # fmt: skip
@click.option("--after", multiple=True, metavar="KEY", help="Go on behind this key.")
@bootstrap_option
@output_option
def list_keys(
    rule: str, limit: int, after: Sequence[str], bootstrap_servers: str, output: str | None
) -> None:
    """List the keys of a rule that have unfinished matches, and how much is saved for each."""

    async def run() -> dict[str, Any]:
        from summit.cli.definitions import pattern
        from summit.flow.state_view import list_states

        servers = bootstrap_servers.split(",")
        definition = await pattern(servers, rule)
        return await list_states(servers, definition, count_max=limit, after=after)

    page = asyncio.run(run())
    if output != "csv" and print_document(page, output):
        return
    rows = [
        {
            "key": ", ".join(map(str, row["key"])) or "(all events)",
            "runs": row["runs"], "events": row["events"], "bytes": row["bytes"],
            "expires": time_text(row["expiresAt"]), "written": time_text(row["writtenAt"]),
        }
        for row in page["keys"]
    ]  # fmt: skip
    print_list(rows, ["key", "runs", "events", "bytes", "expires", "written"], output)
    if page["next"] is not None:
        talk(f"more behind these: --after '{page['next']}'")
    elif not rows:
        talk(f"'{rule}' has nothing unfinished")


def _print_key(found: dict[str, Any]) -> None:
    key = ", ".join(f"{name} = {value!r}" for name, value in found["key"].items())
    click.echo(f"{found['rule']}  {key or 'one key for all events'}")
    click.echo(
        f"  key group {found['keyGroup']}, {counted(found['bytes'], 'byte')},"
        f" written {time_text(found['writtenAt'])}"
        + ("" if "window" in found else f" ({counted(len(found['runs']), 'run')})")
    )
    if "window" in found:
        _print_window(found["window"])
    for number, run in enumerate(found["runs"], 1):
        say(f"  {number}. {run['text']}")
        ends = "nothing bounds it in time"
        if run["expiresAt"] is not None:
            what = "completes" if run["completesThen"] else "is over"
            ends = f"{what} at {time_text(run['expiresAt'])} (event time)"
        click.echo(f"     began {time_text(run['startedAt'])}, {ends}")
        _print_events(run["events"])


def _print_window(window: dict[str, Any]) -> None:
    click.echo(f"  {counted(window['size'], 'event')} in its windows")
    if window["toldAt"] is not None:
        click.echo(f"     told last at {time_text(window['toldAt'])} (event time)")
    if window["dueAt"] is not None:
        click.echo(f"     looked at without an event at {time_text(window['dueAt'])} (event time)")


def _print_events(events: list[dict[str, Any]]) -> None:
    half = _EVENTS_SHOWN // 2
    for number, event in enumerate(events):
        if half <= number < len(events) - half:
            if number == half:
                click.echo(f"       … {counted(len(events) - 2 * half, 'event')} more: -o json")
            continue
        shown = str(event["event"])
        if len(shown) > _EVENT_CHARS:
            shown = shown[:_EVENT_CHARS] + "…"
        place = f"{event['topic']}/{event['partition']}/{event['offset']}"
        say(f"       {event['step']}  {place}  {time_text(event['timestamp'])}  {shown}")
