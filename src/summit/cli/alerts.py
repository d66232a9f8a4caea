"""`summit alerts`: list alerts, show one, or follow them live."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from summit.cli.alert_cases import cases, print_history
from summit.cli.alert_work import add_work, desk_follower
from summit.cli.completion import alerts as complete_alerts
from summit.cli.output import (
    bootstrap_option,
    output_option,
    plain,
    print_document,
    print_item,
    print_list,
    say,
    talk,
)

_COLUMNS = ["time", "severity", "status", "title", "pattern", "id"]


@click.group()
def alerts() -> None:
    """List alerts, follow them live, and say what is done about them."""


add_work(alerts)
alerts.add_command(cases)


@alerts.command("list")
@bootstrap_option
@click.option("--severity", default=None, help="Only this one.")
@click.option("--pattern", default=None, help="Only of this rule.")
@click.option("--key", default=None, help="Only of this key value.")
@click.option(
    "--status",
    default=None,
    help="Only those that are firing, acknowledged, resolved, silenced, inhibited, duplicate; "
    "active means the first two.",
)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@output_option
def list_alerts(
    bootstrap_servers: str,
    severity: str | None,
    pattern: str | None,
    key: str | None,
    status: str | None,
    limit: int,
    output: str | None,
) -> None:
    """List alerts, newest first."""
    from summit.alerts.desk_state import read_status
    from summit.alerts.view import AlertQuery

    severity = severity.lower() if severity else None
    wanted = read_status(status) if status else ()
    query = AlertQuery(severity=severity, pattern=pattern, key=key, limit=limit)

    async def run() -> list[dict[str, Any]]:
        follower, desk = _follower(bootstrap_servers), desk_follower(bootstrap_servers)
        try:
            await asyncio.gather(follower.start(), desk.start())
            now_ms = desk.clock.now_ms()

            def passes(name: str) -> bool:
                return desk.desk.status_of(name, now_ms) in wanted

            found = follower.view.query(query, passes if wanted else None).alerts
            return [{**alert_row(alert), **desk.desk.describe(alert.id, now_ms)} for alert in found]
        finally:
            await asyncio.gather(follower.stop(), desk.stop())

    print_list(asyncio.run(run()), _COLUMNS, output)


@alerts.command("show")
@click.argument("id_", shell_complete=complete_alerts)
@bootstrap_option
@output_option
def show(id_: str, bootstrap_servers: str, output: str | None) -> None:
    """Show an alert, what has become of it, and what was done."""

    async def run() -> tuple[dict[str, Any], list[Any]]:
        from summit.base.errors import Invalid

        follower, desk = _follower(bootstrap_servers), desk_follower(bootstrap_servers)
        try:
            await asyncio.gather(follower.start(), desk.start())
            alert = follower.view.get(id_)
            if alert is None:
                raise Invalid("alert.unknown")
            became = desk.desk.describe(id_, desk.clock.now_ms())
            return {**alert_row(alert), **became}, desk.desk.history(id_)
        finally:
            await asyncio.gather(follower.stop(), desk.stop())

    row, history = asyncio.run(run())
    if print_document({**row, "history": history}, output):
        return
    show_alert(row, output)
    for name in ("status", "duplicateOf", "occurrences", "suppressed", "assignee", "case"):
        if row.get(name) is not None:
            say(f"{name}: {row[name]}")
    for each in row["evidence"]:
        place = f"{each['topic']}/{each['partition']}@{each['offset']}"
        say(f"{each['timestamp']}  {each['step']}  {place}")
    for each in row.get("comments", ()):
        say(f"{each['by']}: {each['text']}")
    print_history(history)


@alerts.command("tail")
@bootstrap_option
@click.option("-n", "--count", type=click.IntRange(1), default=None, help="End after so many.")
@output_option
def tail(bootstrap_servers: str, count: int | None, output: str | None) -> None:
    """Print alerts as they come, until Ctrl-C."""

    async def run() -> None:
        waiting: asyncio.Queue[Any] = asyncio.Queue()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, waiting.put_nowait, None)
        follower = _follower(bootstrap_servers)
        try:
            await follower.start()
            follower.on("alert", waiting.put_nowait)
            talk("waiting for alerts; Ctrl-C ends it")
            seen = 0
            while seen != count and (alert := await waiting.get()) is not None:
                show_alert(alert_row(alert), output)
                seen += 1
        finally:
            await follower.stop()

    asyncio.run(run())


def show_alert(row: dict[str, Any], output: str | None) -> None:
    """Print one alert: a JSON line, or a line for people."""
    if print_item(row, output):
        return
    severity = click.style(f"{row['severity']:<9}", fg=_COLOURS.get(row["severity"]))
    click.echo(f"{row['time']}  {severity} {plain(row['title'])}")
    sys.stdout.flush()


_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan"}


def alert_row(alert: Any) -> dict[str, Any]:
    """An alert as it is shown, with its time in words."""
    from summit.alerts.alert import alert_dict

    row = alert_dict(alert)
    row["time"] = datetime.fromtimestamp(row["timestamp"] / 1000, UTC).isoformat(
        timespec="milliseconds"
    )
    return row


def _follower(bootstrap_servers: str) -> Any:
    from summit.journal.alert_follower import AlertFollower

    return AlertFollower(bootstrap_servers.split(","), name="summit-cli-alerts")
