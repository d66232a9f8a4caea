"""`summit rules`: apply, list and remove rules; the other commands have files of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from summit.base.errors import Invalid
from summit.cli.completion import rules as complete_rules
from summit.cli.definitions import following, wait_acting
from summit.cli.output import bootstrap_option, confirm, counted, output_option, print_list, talk
from summit.cli.replay import When
from summit.cli.rule_backtesting import backtest
from summit.cli.rule_explaining import explain
from summit.cli.rule_importing import import_sigma
from summit.cli.rule_testing import test

_KINDS = (
    "pattern", "correlation", "filter", "transformation", "enrichment", "route", "query",
    "notification",
)  # fmt: skip


class Since(When):
    """A moment, or `earliest`."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if value == "earliest" else super().convert(value, param, ctx)


@click.group()
def rules() -> None:
    """Apply, list, remove, test and explain rules; try them on the past."""


for _command in (test, explain, backtest, import_sigma):
    rules.add_command(_command)


@rules.command("apply")
@click.argument("places", nargs=-1, required=True, metavar="FILE|DIR...")
@bootstrap_option
@click.option("--dry-run", is_flag=True, help="Check the documents and change nothing.")
@click.option(
    "--since", type=Since(), metavar="TIME",
    help="Let the rules begin with the past: at a time, so long ago (7d), or 'earliest'.",
)  # fmt: skip
@output_option
def apply(
    places: Sequence[str],
    bootstrap_servers: str,
    dry_run: bool,
    since: int | str | None,
    output: str | None,
) -> None:
    """Put the documents of FILE or DIR in force.

    All are checked before the first is applied. Where a worker runs, returns when it goes by
    them: every event written after that is seen by them. With --since a worker first reads the
    past for patterns, correlations and queries, at full speed, while the other rules go on; then
    they go on live, without a gap. One that has acted before begins anew, and what it has found
    then is not told again.
    """
    from summit.cli.rule_files import load_documents
    from summit.services.definition_kinds import check_definition

    documents = load_documents(places)
    for parsed in documents:
        check_definition(parsed)
    if dry_run:
        talk(f"{counted(len(documents), 'document')} checked, nothing changed")
        return
    rows = asyncio.run(_publish(bootstrap_servers.split(","), documents, since))
    print_list(rows, ["kind", "id", "revision"], output)
    for row in rows:
        for warning in row["warnings"]:
            talk(f"warning: {row['id']}: {warning}")


@rules.command("list")
@bootstrap_option
@output_option
def list_rules(bootstrap_servers: str, output: str | None) -> None:
    """List the rules in force: patterns, queries, and what is done to events before."""

    async def run() -> list[dict[str, Any]]:
        from summit.flow.watching import FlowWatch

        servers = bootstrap_servers.split(",")
        async with following(servers) as definitions, FlowWatch(servers) as looking:
            flow = await looking.describe()
            told = {(row["kind"], row["id"]): row for row in (*flow["stage"], *flow["rules"])}
            log = definitions.log
            return [
                _row(each, told.get((kind, each.id), {}))
                for kind in _KINDS for each in log.registered(kind)
            ]  # fmt: skip

    rows = asyncio.run(run())
    print_list(rows, ["kind", "id", "revision", "state", "severity", "name"], output)
    for row in rows:
        if row["reason"] is not None:
            talk(f"warning: {row['kind']} {row['id']} cannot work: {row['reason']}")


@rules.command("remove")
@click.argument("rule", shell_complete=complete_rules)
@click.option("--kind", type=click.Choice(_KINDS), help="Where rules of several kinds have the id.")
@bootstrap_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(rule: str, kind: str | None, bootstrap_servers: str, yes: bool) -> None:
    """Put the rule with id RULE out of force; what it had begun is lost."""
    confirm(f"Remove {rule} and what it has begun?", f"removing {rule}", yes=yes)

    async def run() -> None:
        async with following(servers) as definitions:
            found = [each for each in _KINDS if definitions.log.get(each, rule) is not None]
            if kind is None and len(found) > 1:
                raise Invalid("rules.kind_needed", rule=rule, kinds=", ".join(found))
            offset = await definitions.delete(kind or (found or ["pattern"])[0], rule)
        await wait_acting(servers, offset)

    servers = bootstrap_servers.split(",")
    asyncio.run(run())
    talk(f"removed {rule}")


async def _publish(
    servers: list[str], documents: list[Any], since: int | str | None
) -> list[dict[str, Any]]:
    from summit.base.clock import SystemClock
    from summit.flow.kinds import RULE_KINDS, rule_id
    from summit.flow.registering import doubts_of
    from summit.flow.stage_plans import check_circles

    rows: list[dict[str, Any]] = []
    last = -1
    begin: list[str] = []
    async with following(servers) as definitions:
        for parsed in documents:
            check_circles(_document(parsed), definitions.log)
            if since is not None and parsed.kind in RULE_KINDS:
                name = rule_id(parsed.kind, parsed.id)
                await definitions.publish({"kind": "backfill", "id": name, "since": since})
                begin.append(name)
            published = await definitions.publish(_document(parsed))
            rows.append({
                "kind": published.definition.kind, "id": published.definition.id,
                "revision": published.definition.version, "warnings": published.warnings,
            })  # fmt: skip
            last = published.definition.offset
        # All are there now: one may name another that comes behind it.
        for row, parsed in zip(rows, documents, strict=True):
            doubts = await doubts_of(_document(parsed), definitions.log, servers, SystemClock())
            row["warnings"] = [*row["warnings"], *doubts]
    await wait_acting(servers, last)
    if begin:
        talk(f"{', '.join(begin)}: the past is read first; 'summit flow describe' shows how far")
    return rows


def _document(parsed: Any) -> dict[str, Any]:
    return {"kind": parsed.kind, "id": parsed.id, **parsed.values}


def _row(definition: Any, told: dict[str, Any]) -> dict[str, Any]:
    document = definition.document
    action = document.get("action")  # a filter's is a word
    config = (action.get("config") or {}) if isinstance(action, dict) else {}
    return {
        "kind": definition.kind, "id": definition.id, "revision": definition.version,
        "enabled": document.get("enabled", True), "state": told.get("state"),
        "reason": told.get("reason"), "severity": config.get("severity"),
        "name": document.get("name"), "tags": document.get("tags", []),
    }  # fmt: skip
