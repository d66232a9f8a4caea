"""`summit correlations`: groups of events that belong together, and why."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from summit.cli.output import (
    bootstrap_option,
    counted,
    output_option,
    print_document,
    print_list,
    say,
    time_text,
)

_COLUMNS = ["started", "rule", "about", "count", "closeReason", "id"]
_ABOUT_MAX = 4  # entities of a row


@click.group()
def correlations() -> None:
    """List correlated groups, and show what links the events of one."""


@correlations.command("list")
@bootstrap_option
@click.option("--rule", default=None, help="Only of this rule.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@output_option
def list_groups(bootstrap_servers: str, rule: str | None, limit: int, output: str | None) -> None:
    """List the groups that were told last, newest first."""
    rows = [
        {**group, "started": time_text(group["startTime"]), "about": _about(group)}
        for group in _read(bootstrap_servers, limit, rule)
    ]
    print_list(rows, _COLUMNS, output)


@correlations.command("show")
@click.argument("id_", metavar="ID")
@bootstrap_option
@output_option
def show(id_: str, bootstrap_servers: str, output: str | None) -> None:
    """Show a group: its events, what they share, and by what each came into it."""
    from summit.base.errors import Invalid

    found = [group for group in _read(bootstrap_servers, None, None) if group["id"] == id_]
    if not found:
        raise Invalid("correlation.unknown", id=id_)
    (group,) = found
    if print_document(group, output):
        return
    state = group["closeReason"] or "open"
    say(f"{group['ruleName']}: {counted(group['count'], 'event')}, {state}  {_about(group)}")
    linked: dict[str, list[str]] = {}
    for link in group.get("links", ()):
        why = f"{link['type']}={link['value']} as {_place(link['from'])}"
        linked.setdefault(_place(link["to"]), []).append(why)
    for event in group["events"]:
        place = _place(event)
        kind = (event.get("event") or {}).get("eventType", "")
        by = ", ".join(linked.get(place, ()))
        say("  ".join(filter(None, (time_text(event["timestamp"]), place, kind, by))))
    for entity in group.get("entities", ()):
        hub = "  (hub)" if entity["hub"] else ""
        say(f"{entity['type']}={entity['value']}: {counted(entity['count'], 'event')}{hub}")


def _read(bootstrap_servers: str, limit: int | None, rule: str | None) -> list[dict[str, Any]]:
    import msgspec

    from summit.journal.correlations import CorrelationFollower

    async def run() -> list[Any]:
        follower = CorrelationFollower(bootstrap_servers.split(","), name="summit-cli-correlations")
        try:
            await follower.start()
            return follower.view.latest(limit or len(follower.view), rule)
        finally:
            await follower.stop()

    return [msgspec.to_builtins(group) for group in asyncio.run(run())]


def _about(group: dict[str, Any]) -> str:
    """What a group is about, in one line."""
    key = ", ".join(map(str, group["key"]))
    entities = group.get("entities", ())
    if not entities:
        return key
    first = sorted(entities, key=lambda entity: -entity["count"])[:_ABOUT_MAX]
    shown = [f"{entity['type']}={entity['value']}" for entity in first]
    more = group["entityCount"] - len(shown)
    return " ".join(filter(None, (key, *shown, f"and {more} more" if more > 0 else "")))


def _place(event: dict[str, Any]) -> str:
    return f"{event['topic']}/{event['partition']}@{event['offset']}"
