"""`summit rules`: apply, list, remove and test rules."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.definitions import following, wait_acting
from summit.cli.output import (
    bootstrap_option,
    counted,
    output_option,
    print_json,
    print_list,
    talk,
)


@click.group()
def rules() -> None:
    """Apply, list, remove and test rules."""


@rules.command("apply")
@click.argument("places", nargs=-1, required=True, metavar="FILE|DIR...")
@bootstrap_option
@click.option("--dry-run", is_flag=True, help="Check the documents and change nothing.")
@output_option
def apply(places: Sequence[str], bootstrap_servers: str, dry_run: bool, output: str | None) -> None:
    """Put the documents of FILE or DIR in force.

    All are checked before the first is applied. Where a worker runs, returns when it goes by
    them: every event written after that is seen by them.
    """
    from summit.cli.rule_files import load_documents
    from summit.services.definition_kinds import check_definition

    documents = load_documents(places)
    for parsed in documents:
        check_definition(parsed)
    if dry_run:
        talk(f"{counted(len(documents), 'document')} checked, nothing changed")
        return
    rows = asyncio.run(_publish(bootstrap_servers.split(","), documents))
    print_list(rows, ["kind", "id", "revision"], output)
    for row in rows:
        for warning in row["warnings"]:
            talk(f"warning: {row['id']}: {warning}")


@rules.command("list")
@bootstrap_option
@output_option
def list_rules(bootstrap_servers: str, output: str | None) -> None:
    """List the rules in force."""

    async def run() -> list[dict[str, Any]]:
        async with following(bootstrap_servers.split(",")) as definitions:
            return [_row(definition) for definition in definitions.current("pattern")]

    print_list(asyncio.run(run()), ["id", "revision", "enabled", "severity", "name"], output)


@rules.command("remove")
@click.argument("rule")
@bootstrap_option
def remove(rule: str, bootstrap_servers: str) -> None:
    """Put the rule with id RULE out of force."""

    async def run() -> None:
        async with following(servers) as definitions:
            offset = await definitions.delete("pattern", rule)
        await wait_acting(servers, offset)

    servers = bootstrap_servers.split(",")
    asyncio.run(run())
    talk(f"removed {rule}")


@rules.command("test")
@click.argument("places", nargs=-1, required=True, metavar="FILE|DIR...")
@output_option
def test(places: Sequence[str], output: str | None) -> None:
    """Run the tests that the documents of FILE or DIR bring along; needs no broker."""
    from summit.cli.rule_files import load_documents
    from summit.event_processing import run_document_tests
    from summit.services.definition_kinds import check_definition

    failed = total = 0
    untested = []
    documents = load_documents(places)
    for parsed in documents:
        check_definition(parsed)
    for parsed in documents:
        if parsed.kind != "pattern":
            continue
        results = run_document_tests(_document(parsed))
        if not results:
            untested.append(parsed.id)
        for result in results:
            total += 1
            failed += not result.passed
            if output == "json":
                print_json({"rule": parsed.id, "test": result.name, "passed": result.passed,
                            "failures": list(result.failures)})  # fmt: skip
            else:
                click.echo(f"{'ok  ' if result.passed else 'FAIL'} {parsed.id}: {result.name}")
                for failure in result.failures:
                    click.echo(f"     {failure}")
    if untested:
        talk(f"without tests: {', '.join(untested)}")
    talk(f"{total - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


async def _publish(servers: list[str], documents: list[Any]) -> list[dict[str, Any]]:
    rows = []
    last = -1
    async with following(servers) as definitions:
        for parsed in documents:
            published = await definitions.publish(_document(parsed))
            rows.append({
                "kind": published.definition.kind, "id": published.definition.id,
                "revision": published.definition.version, "warnings": published.warnings,
            })  # fmt: skip
            last = published.definition.offset
    await wait_acting(servers, last)
    return rows


def _document(parsed: Any) -> dict[str, Any]:
    return {"kind": parsed.kind, "id": parsed.id, **parsed.values}


def _row(definition: Any) -> dict[str, Any]:
    document = definition.document
    config = (document.get("action") or {}).get("config") or {}
    return {
        "id": definition.id, "revision": definition.version,
        "enabled": document.get("enabled", True), "severity": config.get("severity"),
        "name": document.get("name"), "tags": document.get("tags", []),
    }  # fmt: skip
