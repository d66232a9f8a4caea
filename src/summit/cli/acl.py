"""`summit acl`: what the users of brokers may do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from summit.cli.output import bootstrap_option, counted, output_option, print_list, talk

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = ["principal", "permission", "operation", "resource", "name", "pattern", "host"]
_CLUSTER = "kafka-cluster"


def _rule_options(function: F) -> F:
    options = [
        click.option("--principal", help="Who: User:NAME, or User:* for everybody."),
        click.option("--topic", help="The topic, or * for all."),
        click.option("--group", help="The consumer group, or * for all."),
        click.option("--transactional-id", help="The transactional id, or * for all."),
        click.option("--cluster", is_flag=True, help="The cluster itself."),
        click.option("--prefixed", is_flag=True, help="All whose names begin so."),
        click.option("--host", help="Only from this address."),
        click.option("--deny", is_flag=True, help="What is denied instead of what is allowed."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group()
def acl() -> None:
    """Create, list and delete what users may do.

    Only a broker with authorizer=acl goes by it: there nothing is allowed that is not said here,
    but for super users.
    """


@acl.command("create")
@_rule_options
@click.option(
    "--operation", "operations", multiple=True, required=True,
    help="read, write, create, delete, alter, describe, all …; may be repeated.",
)  # fmt: skip
@bootstrap_option
def create(operations: Sequence[str], bootstrap_servers: str, **words: Any) -> None:
    """Allow something, or with --deny deny it.

    To produce takes write on a topic; to consume read on a topic and on a group; a transaction
    write on its transactional id as well.
    """
    rule = _words(words)
    if rule["principal"] is None or rule["resource"] is None:
        raise click.UsageError(
            "say who (--principal) and what (--topic, --group, --transactional-id or --cluster)"
        )

    async def run() -> None:
        from summit.client.admin.access import AccessRule

        async with _admin(bootstrap_servers) as admin:
            for operation in operations:
                await admin.create_access(AccessRule(**rule, operation=operation))

    asyncio.run(run())
    talk(f"{counted(len(operations), 'rule')} made")


@acl.command("list")
@_rule_options
@click.option("--operation", help="Only of this one.")
@bootstrap_option
@output_option
def list_rules(
    operation: str | None, bootstrap_servers: str, output: str | None, **words: Any
) -> None:
    """List rules; with a topic, group or id all that say anything about it."""
    rule = _words(words, finding=True)

    async def run() -> list[Any]:
        from summit.client.admin.access import AccessRule

        async with _admin(bootstrap_servers) as admin:
            return list(await admin.list_access(AccessRule(**rule, operation=operation)))

    _show(asyncio.run(run()), output)


@acl.command("delete")
@_rule_options
@click.option("--operation", help="Only of this one.")
@bootstrap_option
@output_option
def delete(operation: str | None, bootstrap_servers: str, output: str | None, **words: Any) -> None:
    """Delete the rules that all options fit; at least one is needed."""
    rule = _words(words)
    if not words["deny"]:
        rule["permission"] = None
    if not any(value for name, value in rule.items() if name != "pattern") and not operation:
        raise click.UsageError("say which: this would delete every rule")

    async def run() -> list[Any]:
        from summit.client.admin.access import AccessRule

        async with _admin(bootstrap_servers) as admin:
            return list(await admin.delete_access(AccessRule(**rule, operation=operation)))

    gone = asyncio.run(run())
    _show(gone, output)
    talk(f"{counted(len(gone), 'rule')} deleted")


def _words(words: dict[str, Any], *, finding: bool = False) -> dict[str, Any]:
    named = {
        "topic": words["topic"], "group": words["group"],
        "transactional-id": words["transactional_id"],
        "cluster": _CLUSTER if words["cluster"] else None,
    }  # fmt: skip
    given = [(kind, name) for kind, name in named.items() if name is not None]
    if len(given) > 1:
        raise click.UsageError("one of --topic, --group, --transactional-id and --cluster")
    kind, name = given[0] if given else (None, None)
    pattern = "prefixed" if words["prefixed"] else "literal" if given else None
    if finding:
        pattern = "prefixed" if words["prefixed"] else "match" if given else None
    allowed = None if finding else "allow"
    return {
        "resource": kind, "name": name, "pattern": pattern, "principal": words["principal"],
        "host": words["host"], "permission": "deny" if words["deny"] else allowed,
    }  # fmt: skip


def _show(rules: list[Any], output: str | None) -> None:
    print_list(
        [{name: getattr(each, name) for name in _COLUMNS} for each in rules], _COLUMNS, output
    )


def _admin(bootstrap_servers: str) -> Any:
    from summit.client.admin import Admin
    from summit.client.settings import AdminConfig

    return Admin(AdminConfig(client_id="summit-acl", bootstrap_servers=bootstrap_servers))
