"""Work on alerts: the commands that acknowledge, resolve, comment on, assign and silence them.

Written to the alert log itself, so it needs a broker and no service.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from summit.base.errors import Invalid
from summit.cli.completion import alerts
from summit.cli.output import (
    bootstrap_option,
    output_option,
    print_document,
    print_list,
    talk,
    time_text,
)

F = TypeVar("F", bound=Callable[..., Any])


def by_option(function: F) -> F:
    """Add `--by`."""
    return click.option(
        "--by", default=None, help="Who does it; by default who is logged in here."
    )(function)


def write_entries(
    bootstrap_servers: str, make: Callable[[], Sequence[Any]], output: str | None
) -> None:
    """Write entries to the alert log and show what has become of what they are about."""

    async def run() -> list[dict[str, Any]]:
        follower = desk_follower(bootstrap_servers)
        try:
            await follower.start()
            entries = make()
            try:
                decisions = await follower.write_all(entries)
            except Invalid as error:
                if error.code != "alert.unknown":
                    raise
                ids = [getattr(each, "id", None) or ", ".join(each.alerts) for each in entries]
                raise Invalid("alert.not_here", ids=", ".join(ids)) from error
            return [shown(follower, decision.id) for decision in decisions]
        finally:
            await follower.stop()

    rows = asyncio.run(run())
    if print_document(rows, output):
        return
    for row in rows:
        talk(f"{row['id']}: {row['status']}")


def desk_follower(bootstrap_servers: str) -> Any:
    """What follows the alert log and writes to it."""
    from summit.journal.desk_follower import DeskFollower

    return DeskFollower(bootstrap_servers.split(","), name="summit-cli-desk")


def shown(follower: Any, name: str) -> dict[str, Any]:
    """An alert, a case or a silence, as it is now."""
    import msgspec

    state = follower.desk.state
    case = state.cases.get(name)
    if case is not None:
        return {**msgspec.to_builtins(case), "status": case.state}
    silence = state.silences.get(name)
    if silence is not None:
        until = time_text(silence.until)
        return {**msgspec.to_builtins(silence), "status": f"in force until {until}"}
    if name.startswith("silence-"):
        return {"id": name, "status": "lifted"}
    return {"id": name, **follower.desk.describe(name, follower.clock.now_ms())}


def add_work(group: click.Group) -> None:
    """Put the commands into the group of alerts."""
    for command in (acknowledge, resolve, comment, assign, silence, unsilence, silences):
        group.add_command(command)


@click.command("ack")
@click.argument("ids", nargs=-1, required=True, shell_complete=alerts)
@click.option("--note", default="", help="Why, or what is done about it.")
@by_option
@bootstrap_option
@output_option
def acknowledge(
    ids: Sequence[str], note: str, by: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """Say that somebody has taken note of alerts."""
    from summit.alerts.entries import Acknowledge

    who = who_is(by)
    write_entries(
        bootstrap_servers, lambda: [Acknowledge(by=who, id=each, note=note) for each in ids], output
    )


@click.command("resolve")
@click.argument("ids", nargs=-1, required=True, shell_complete=alerts)
@click.option("--note", default="", help="How it ended.")
@by_option
@bootstrap_option
@output_option
def resolve(
    ids: Sequence[str], note: str, by: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """Say that alerts are over."""
    from summit.alerts.entries import Resolve

    who = who_is(by)
    write_entries(
        bootstrap_servers, lambda: [Resolve(by=who, id=each, note=note) for each in ids], output
    )


@click.command("comment")
@click.argument("id_")
@click.argument("text")
@by_option
@bootstrap_option
@output_option
def comment(
    id_: str, text: str, by: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """Add words to an alert or a case."""
    from summit.alerts.entries import AddComment

    who = who_is(by)
    write_entries(bootstrap_servers, lambda: [AddComment(by=who, id=id_, text=text)], output)


@click.command("assign")
@click.argument("id_")
@click.argument("to", required=False)
@by_option
@bootstrap_option
@output_option
def assign(
    id_: str, to: str | None, by: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """Give an alert or a case to somebody; to nobody without a name."""
    from summit.alerts.entries import Assign

    who = who_is(by)
    write_entries(bootstrap_servers, lambda: [Assign(by=who, id=id_, to=to)], output)


@click.command("silence")
@click.option("--severity", "severities", multiple=True, help="Of this severity.")
@click.option("--rule", "rules", multiple=True, help="Of this rule.")
@click.option("--tag", "tags", multiple=True, help="With this tag.")
@click.option("--key", "keys", multiple=True, metavar="FIELD=VALUE", help="With this key value.")
@click.option("--entity", "entities", multiple=True, metavar="FIELD=VALUE", help="About this one.")
@click.option("--for", "duration", required=True, help="How long: 30m, 8h, 7d.")
@click.option("--reason", default="", help="Why.")
@by_option
@bootstrap_option
@output_option
def silence(
    severities: Sequence[str],
    rules: Sequence[str],
    tags: Sequence[str],
    keys: Sequence[str],
    entities: Sequence[str],
    duration: str,
    reason: str,
    by: str | None,
    bootstrap_servers: str,
    output: str | None,
) -> None:
    """Mute alerts for a time; all that is given must hold."""
    from summit.alerts.entries import AddSilence
    from summit.alerts.matchers import read_matchers
    from summit.base.clock import SystemClock
    from summit.base.units import parse_duration_ms

    matchers = read_matchers(
        {
            "severity": list(severities), "rule": list(rules), "tags": list(tags),
            "key": dict(map(_field_value, keys)), "entity": list(entities),
        }
    )  # fmt: skip
    until = SystemClock().now_ms() + parse_duration_ms(duration)
    who = who_is(by)
    entry = AddSilence(by=who, matchers=matchers, until=until, reason=reason)
    write_entries(bootstrap_servers, lambda: [entry], output)


@click.command("unsilence")
@click.argument("ids", nargs=-1, required=True, shell_complete=alerts)
@by_option
@bootstrap_option
@output_option
def unsilence(
    ids: Sequence[str], by: str | None, bootstrap_servers: str, output: str | None
) -> None:
    """End silences before their time."""
    from summit.alerts.entries import LiftSilence

    who = who_is(by)
    write_entries(bootstrap_servers, lambda: [LiftSilence(by=who, id=each) for each in ids], output)


@click.command("silences")
@bootstrap_option
@output_option
def silences(bootstrap_servers: str, output: str | None) -> None:
    """List the silences in force."""
    import msgspec

    async def run() -> list[dict[str, Any]]:
        follower = desk_follower(bootstrap_servers)
        try:
            await follower.start()
            now_ms = follower.clock.now_ms()
            found = [s for s in follower.desk.state.silences.values() if now_ms < s.until]
            return [
                {**msgspec.to_builtins(each), "untilTime": time_text(each.until)} for each in found
            ]
        finally:
            await follower.stop()

    print_list(asyncio.run(run()), ["id", "untilTime", "matchers", "by", "reason"], output)


def who_is(by: str | None) -> str:
    """Who does it: the name given, else who is logged in here."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise click.UsageError(
            "nobody is known to be logged in here: name somebody by --by"
        ) from None


def _field_value(text: str) -> tuple[str, Any]:
    """`field=value`; the value is JSON where it is a number, true, false, null or quoted."""
    import msgspec

    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"'{text}' is not FIELD=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
