"""`summit alerts`: list alerts or follow them live."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from summit.cli.output import bootstrap_option, output_option, print_json, print_list, talk

_COLUMNS = ["time", "severity", "title", "pattern", "id"]


@click.group()
def alerts() -> None:
    """List alerts or follow them live."""


@alerts.command("list")
@bootstrap_option
@click.option("--severity", default=None, help="Only this one.")
@click.option("--pattern", default=None, help="Only of this rule.")
@click.option("--key", default=None, help="Only of this key value.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@output_option
def list_alerts(
    bootstrap_servers: str,
    severity: str | None,
    pattern: str | None,
    key: str | None,
    limit: int,
    output: str | None,
) -> None:
    """List alerts, newest first."""
    from summit.alerts.view import AlertQuery

    severity = severity.lower() if severity else None
    query = AlertQuery(severity=severity, pattern=pattern, key=key, limit=limit)

    async def run() -> list[dict[str, Any]]:
        follower = _follower(bootstrap_servers)
        try:
            await follower.start()
            return [alert_row(alert) for alert in follower.view.query(query).alerts]
        finally:
            await follower.stop()

    print_list(asyncio.run(run()), _COLUMNS, output)


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
    if output == "json":
        print_json(row)
        return
    severity = click.style(f"{row['severity']:<9}", fg=_COLOURS.get(row["severity"]))
    click.echo(f"{row['time']}  {severity} {row['title']}")
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
