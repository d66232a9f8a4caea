"""`summit collector`: collectors of a running streaming service, from adding to removing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.completion import collectors
from summit.cli.output import (
    confirm,
    output_option,
    print_document,
    print_item,
    print_list,
    service_options,
    talk,
)
from summit.cli.rest import dialled

_service = service_options("streaming")

_COLUMNS = ["name", "type", "topic", "state", "address", "accepted", "rejected"]


@click.group()
def collector() -> None:
    """Add, watch, stop and remove collectors."""


@collector.command("add")
@click.argument("places", nargs=-1, metavar="[FILE|DIR...]")
@click.option("--name", default=None, help="Instead of a document: the collector's name,")
@click.option("--type", "kind", help="its type: http, websocket, file …,")
@click.option("--topic", default=None, help="its topic,")
@click.option("--path", default=None, help="its file or glob, or the path of its URL,")
@click.option("--port", type=click.IntRange(0, 65_535), default=None, help="its port,")
@click.option(
    "--format",
    "form",
    default=None,
    type=click.Choice(["line", "jsonl", "syslog", "sshd", "csv", "parquet"]),
    help="the form of its lines,",
)
@click.option("--key-field", default=None, help="the field that becomes the record key.")
@_service
@output_option
def add(
    places: tuple[str, ...],
    name: str | None,
    kind: str | None,
    topic: str | None,
    path: str | None,
    port: int | None,
    form: str | None,
    key_field: str | None,
    url: str,
    output: str | None,
) -> None:
    """Start the collectors of the documents, or one by options."""
    if places and (name or kind or topic):
        raise click.UsageError("name documents or describe one collector by options, not both")
    if places:
        bodies = _bodies(places)
    else:
        if not (name and kind and topic):
            raise click.UsageError("--name, --type and --topic are needed (or a document)")
        # The service may run in another directory than this command.
        place = os.path.abspath(path) if path and kind == "file" else path
        options: dict[str, Any] = {
            "name": name, "type": kind, "topic": topic, "path": place, "port": port,
            "keyField": key_field,
        }  # fmt: skip
        if form is not None:
            options["file"] = {"format": form}
        bodies = [{key: value for key, value in options.items() if value is not None}]
    rest = dialled(url)
    for body in bodies:
        answer = rest.post("/api/collectors", body)
        if print_item(answer, output):
            continue
        where = f" on {answer['address']}" if answer.get("address") else ""
        click.echo(f"{answer['collector']} {answer['state']}{where}")


def _bodies(places: Sequence[str]) -> list[dict[str, Any]]:
    """The collectors of the documents; all are checked before the first is started."""
    from summit.cli.rule_files import load_documents
    from summit.services.definition_kinds import check_definition

    documents = [parsed for parsed in load_documents(places) if parsed.kind == "collector"]
    if not documents:
        raise click.UsageError("these documents hold no collector")
    return [check_definition(parsed).document for parsed in documents]


@collector.command("list")
@_service
@output_option
def list_collectors(url: str, output: str | None) -> None:
    """List collectors and what they do."""
    print_list(dialled(url).get("/api/collectors")["collectors"], _COLUMNS, output)


@collector.command("remove")
@click.argument("name", shell_complete=collectors)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_service
def remove(name: str, url: str, yes: bool) -> None:
    """Stop the collector NAME and forget it; what it wrote stays."""
    confirm(f"Stop and forget {name}?", f"removing {name}", yes=yes)
    dialled(url).delete(f"/api/collectors/{name}")
    talk(f"removed {name}")


@collector.command("status")
@click.argument("name", shell_complete=collectors)
@_service
@output_option
def status(name: str, url: str, output: str | None) -> None:
    """Show what the collector NAME does: counts, rates, its last error."""
    found = dialled(url).get(f"/api/collectors/{name}")
    if print_document(found, output):
        return
    for field, value in found.items():
        for inner, each in value.items() if isinstance(value, dict) else [("", value)]:
            click.echo(f"{field}{'.' + inner if inner else ''}: {'-' if each is None else each}")


def _acting(word: str, text: str) -> None:
    """A command that has the service do something with one collector."""

    @collector.command(word, help=text)
    @click.argument("name", shell_complete=collectors)
    @_service
    def act(name: str, url: str) -> None:
        answer = dialled(url).post(f"/api/collectors/{name}/{word}", {})
        where = f" on {answer['address']}" if answer.get("address") else ""
        click.echo(f"{name} {answer['state']}{where}")


for _word, _text in (
    ("start", "Start the collector NAME, which was stopped or has failed."),
    ("stop", "Stop the collector NAME; it stays defined, and stopped after a restart too."),
    ("pause", "Have the collector NAME take nothing until it is resumed."),
    ("resume", "Have the collector NAME go on."),
    ("restart", "Stop the collector NAME and start it again."),
):
    _acting(_word, _text)
