"""`summit rules explain`: why a rule did not match."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from summit.base.errors import Invalid
from summit.cli.completion import rules
from summit.cli.output import (
    bootstrap_option,
    counted,
    output_option,
    print_document,
    talk,
    time_text,
)
from summit.cli.replay import When
from summit.cli.rule_source import ALL_KINDS, find_rule

_OPEN_SHOWN = 5


@click.command("explain")
@click.argument("rule", shell_complete=rules)
@click.argument("events", nargs=-1, metavar="[EVENT...]")
@click.option("--test", "test_name", metavar="NAME", help="The events of this test of the rule.")
@click.option("--topic", "-t", "topics", multiple=True, help="Events of topics; names or globs.")
@click.option("--since", type=When(), help="Begin there: a time, or so long ago (2h, 7d).")
@click.option("--until", type=When(), help="End there; by default at the end of now.")
@click.option(
    "--key", "keys", multiple=True, metavar="VALUE",
    help="Only this key: a value of groupBy, once for each, or field=value; or a JSON list.",
)  # fmt: skip
@bootstrap_option
@output_option
def explain(
    rule: str,
    events: Sequence[str],
    test_name: str | None,
    topics: Sequence[str],
    since: int | None,
    until: int | None,
    keys: Sequence[str],
    bootstrap_servers: str,
    output: str | None,
) -> None:
    """Say why RULE does not match EVENT...: what each partial match waits for, what kept it.

    RULE is a file (FILE#ID for one of several), the id of a rule in force, or ID@REVISION; a
    pattern, a correlation or a query (correlation:ID and query:ID where several have the id). An
    EVENT is a JSON object, a file of them, or - for standard input. Without any, --topic, --since
    and --until say which events of the log are looked at.
    """
    from summit.flow.explaining import explain_range, try_any
    from summit.flow.key_texts import parse_keys
    from summit.flow.spans import Range

    servers = bootstrap_servers.split(",")
    named = asyncio.run(find_rule(servers, rule, kinds=ALL_KINDS))
    plan = named.document.plan
    only = parse_keys(plan, keys) if keys else []
    if test_name is not None or events:
        given = _test_events(named.document, test_name) if test_name else _events(events)
        found = try_any(plan, given, keys=only)
    elif topics or since is not None or until is not None:
        wanted = Range(topics=topics or plan.topics, since_ms=since, until_ms=until)
        found = asyncio.run(explain_range(servers, plan, wanted, keys=only))
    else:
        raise click.UsageError("name events, or --topic, --since or --test")
    if print_document({"rule": named.label, **found}, output):
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    if "records" in found:
        talk(f"{counted(found['records'], 'record')} looked at")
    for noun, one in (("matches", "match"), ("groups", "group"), ("results", "result")):
        if noun in found:
            count = len(found[noun])
            click.echo(f"1 {one}" if count == 1 else f"{count} {noun}")
    for each in found.get("suppressed", ()):
        key = ", ".join(map(str, each["key"])) or "all events"
        at = time_text(each["endTime"])
        click.echo(f"suppressed for {key}: a match at {at}; alert {each['alertId']} stands for it")
    for number, near in enumerate(found["nearMisses"], 1):
        key = "" if not near["key"] else " for " + ", ".join(map(str, near["key"]))
        click.echo(f"{number}. {near['kind']}{key}: {near['text']}")
        for event in near["taken"]:
            click.echo(f"     has   {_event(event)}" + _as_step(event))
        if near["event"] is not None:
            click.echo(f"     event {_event(near['event'])}")
        if near["open"] and near["expiresMs"] is not None:
            click.echo(f"     waits until {time_text(near['expiresMs'])} (event time)")
    if not found["nearMisses"]:
        click.echo("no near-misses")
    for one in found["unfinished"][:_OPEN_SHOWN]:
        key = ", ".join(map(str, one["key"])) or "all events"
        over = f", over at {time_text(one['expiresAt'])}" if one["expiresAt"] is not None else ""
        click.echo(f"unfinished for {key}: {one['text']}{over}")
    if len(found["unfinished"]) > _OPEN_SHOWN:
        click.echo(f"and {len(found['unfinished']) - _OPEN_SHOWN} more unfinished; -o json has all")
    for bad in found.get("rejected", []):
        click.echo(f"event {bad['offset']} cannot be used: {bad['message']}")


def _as_step(event: dict[str, Any]) -> str:
    """Which step took it; windows and groups have only events."""
    return "" if event["step"] == "event" else f" as '{event['step']}'"


def _event(event: dict[str, Any]) -> str:
    name = event.get("eventId") or f"{event['topic']}-{event['partition']}@{event['offset']}"
    return f"{name} {event.get('eventType') or ''} {time_text(event['timestamp'])}"


def _test_events(document: Any, name: str) -> list[Any]:
    from summit.documents import expand_test_events

    for test in document.tests:
        if test.name == name:
            return list(expand_test_events(test))
    known = ", ".join(test.name for test in document.tests) or "none"
    raise Invalid("rules.no_test", name=name, known=known)


def _events(places: Sequence[str]) -> list[Any]:
    """The events of texts, files and standard input, as they stand there."""
    found: list[Any] = []
    for place in places:
        if place.lstrip().startswith("{"):
            found.append(place.encode())
        elif place == "-":
            found += _of_text(sys.stdin.buffer.read(), "standard input")
        else:
            try:
                found += _of_text(Path(place).read_bytes(), place)
            except OSError as error:
                raise Invalid(
                    "file.unreadable", path=place, reason=error.strerror or str(error)
                ) from error
    return found


def _of_text(text: bytes, source: str) -> list[Any]:
    """JSON objects one a line, or one JSON array of them."""
    import msgspec

    try:
        if text.lstrip().startswith(b"["):
            return [bytes(one) for one in msgspec.json.decode(text, type=list[msgspec.Raw])]
        return [line for line in text.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("file.unreadable", path=source, reason=str(error)) from error
