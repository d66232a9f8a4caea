"""`summit alerts cases`: cases of entities, opened, worked on and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.alert_work import (
    assign,
    by_option,
    comment,
    desk_follower,
    shown,
    who_is,
    write_entries,
)
from summit.cli.output import (
    bootstrap_option,
    output_option,
    print_document,
    print_list,
    say,
    time_text,
)

_COLUMNS = ["id", "state", "severity", "alertCount", "assignee", "openedTime", "title"]


@click.group("cases")
def cases() -> None:
    """List, show, open and close cases: the alerts about an entity as one piece of work."""


cases.add_command(comment)
cases.add_command(assign)


@cases.command("list")
@click.option("--state", type=click.Choice(["open", "closed"]), default=None)
@click.option("--entity", default=None, metavar="FIELD=VALUE", help="Only of this one.")
@bootstrap_option
@output_option
def list_cases(
    state: str | None, entity: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """List cases, the latest first."""

    async def run() -> list[dict[str, Any]]:
        follower = desk_follower(bootstrap_servers)
        try:
            await follower.start()
            return [
                {**shown(follower, case.id), "openedTime": time_text(case.opened_at)}
                for case in reversed(follower.desk.state.cases.values())
                if state in (None, case.state) and (entity is None or entity in case.entities)
            ]
        finally:
            await follower.stop()

    print_list(asyncio.run(run()), _COLUMNS, output)


@cases.command("show")
@click.argument("id_")
@bootstrap_option
@output_option
def show_case(id_: str, bootstrap_servers: str, output: str | None) -> None:
    """Show a case, its comments and what was done."""

    async def run() -> tuple[dict[str, Any], list[Any]]:
        from summit.base.errors import Invalid

        follower = desk_follower(bootstrap_servers)
        try:
            await follower.start()
            if id_ not in follower.desk.state.cases:
                raise Invalid("alert.case_unknown", id=id_)
            return shown(follower, id_), follower.desk.history(id_)
        finally:
            await follower.stop()

    case, history = asyncio.run(run())
    if print_document({**case, "history": history}, output):
        return
    say(f"{case['id']}  {case['state']}  {case['severity']}  {case['title']}")
    say(f"entities: {', '.join(case['entities'])}")
    click.echo(f"alerts: {case['alertCount']}: {', '.join(case['alerts'])}")
    print_history(history)


def print_history(history: Sequence[Any]) -> None:
    """Print what was done, a line each: when, who, what, and the words."""
    for each in history:
        say(f"{time_text(each.at)}  {each.by}  {each.what}  {each.note}".rstrip())


@cases.command("open")
@click.option("--entity", default=None, metavar="FIELD=VALUE", help="Of this one.")
@click.option("--alert", "alerts", multiple=True, help="With this alert, and of its entities.")
@click.option("--title", default="", help="By default that of the first alert, or the entity.")
@by_option
@bootstrap_option
@output_option
def open_case(
    entity: str | None,
    alerts: Sequence[str],
    title: str,
    by: str | None,
    bootstrap_servers: str,
    output: str | None,
) -> None:
    """Open a case of an entity, or of alerts."""
    from summit.alerts.entries import OpenCase

    entry = OpenCase(by=who_is(by), title=title, entity=entity, alerts=tuple(alerts))
    write_entries(bootstrap_servers, lambda: [entry], output)


@cases.command("close")
@click.argument("id_")
@click.option("--reason", default="", help="How it ended.")
@by_option
@bootstrap_option
@output_option
def close_case(
    id_: str, reason: str, by: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """Close a case; the risk of its entities is settled."""
    from summit.alerts.entries import CloseCase

    entry = CloseCase(by=who_is(by), id=id_, reason=reason)
    write_entries(bootstrap_servers, lambda: [entry], output)
