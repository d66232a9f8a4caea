"""`summit notify`: notifications and what became of their notices; a test; telling again.

Asked for in the alert log itself, so it needs a broker, and the notifier of a running system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.alert_work import by_option, desk_follower, who_is
from summit.cli.definitions import following
from summit.cli.output import bootstrap_option, counted, output_option, print_list, talk, time_text

_TIMEOUT_S = 60
_COLUMNS = ["id", "type", "enabled", "sent", "failed", "lastError"]


@click.group()
def notify() -> None:
    """List notifications, test one, and tell alerts again that nobody heard of."""


@notify.command("list")
@bootstrap_option
@output_option
def list_notifications(bootstrap_servers: str, output: str | None) -> None:
    """List notifications, with how many notices were sent and how many failed."""
    from summit.alerts.desk_state import Tally

    async def run() -> list[dict[str, Any]]:
        desk = desk_follower(bootstrap_servers)
        try:
            await desk.start()
            async with following(bootstrap_servers.split(",")) as definitions:
                registered = definitions.log.registered("notification")
        finally:
            await desk.stop()
        rows = []
        for definition in registered:
            tally = desk.desk.state.channels.get(definition.id, Tally())
            at = tally.last_error_at
            rows.append({
                "id": definition.id, "type": definition.document.get("type"),
                "enabled": definition.document.get("enabled", True), "sent": tally.sent,
                "failed": tally.failed,
                "lastError": "" if at is None else f"{time_text(at)} {tally.last_error}",
            })  # fmt: skip
        return rows

    print_list(asyncio.run(run()), _COLUMNS, output)


@notify.command("test")
@click.argument("name")
@by_option
@bootstrap_option
def test(name: str, by: str | None, bootstrap_servers: str) -> None:
    """Send a test by the notification NAME, and say what became of it."""
    from summit.alerts.entries import Tell

    _tell_all(bootstrap_servers, [Tell(by=who_is(by), channel=name)])


@notify.command("send")
@click.argument("alerts", nargs=-1)
@click.option("--to", "name", required=True, help="The notification.")
@click.option("--failed", is_flag=True, help="All alerts of which it could not tell, too.")
@by_option
@bootstrap_option
def send(
    alerts: Sequence[str], name: str, failed: bool, by: str | None, bootstrap_servers: str
) -> None:
    """Tell of ALERTS by a notification, also those that it has told already."""
    from summit.alerts.entries import Tell

    who = who_is(by)
    if not alerts and not failed:
        raise click.UsageError("name alerts, or give --failed")

    def entries(desk: Any) -> list[Any]:
        found = list(alerts)
        if failed:
            place = f"{name}/fired"
            for alert in desk.state.alerts.values():
                if alert.told.get(place, "delivered") != "delivered":
                    found.append(alert.id)
        return [Tell(by=who, id=each, channel=name) for each in dict.fromkeys(found)]

    _tell_all(bootstrap_servers, entries)


def _tell_all(bootstrap_servers: str, wanted: Any) -> None:
    """Write entries that ask for notices, and wait for what becomes of each. Raises Unavailable."""
    from summit.base.errors import Unavailable
    from summit.notify import ask_to_tell

    async def run() -> int:
        follower = desk_follower(bootstrap_servers)
        try:
            await follower.start()
            entries = wanted(follower.desk) if callable(wanted) else wanted
            answers = await ask_to_tell(follower, entries, _TIMEOUT_S)
        finally:
            await follower.stop()
        silent = answers.count(None)
        if silent:
            reason = f"{counted(silent, 'notice')} without an answer within {_TIMEOUT_S} s"
            raise Unavailable(
                "notify.unavailable",
                reason=f"{reason}; is `summit up` or `summit correlation` running?",
            )
        failures = [each.note for each in answers if each and not each.after["delivered"]]
        if failures:
            raise Unavailable("notify.unavailable", reason=failures[0])
        return len(answers)

    talk(f"{counted(asyncio.run(run()), 'notice')} delivered")
