"""`summit key`: API keys, made and revoked in the log itself; so it needs a broker and no service.

Whoever reaches the broker may do that, as with everything that is in the log. The same is
`/api/keys` of the services, for admins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from summit.cli.alert_work import by_option, who_is
from summit.cli.output import (
    bootstrap_option,
    output_option,
    print_json,
    print_list,
    talk,
    time_text,
)

_COLUMNS = ["id", "name", "role", "grants", "state", "createdAt", "expiresAt"]


@click.group()
def key() -> None:
    """Make, list and revoke API keys of the services (docs/security.md)."""


@key.command("create")
@click.argument("name")
@click.option(
    "--role", type=click.Choice(["none", "viewer", "analyst", "operator", "admin"]),
    default=None, help="viewer by default; none where --grant is given.",
)  # fmt: skip
@click.option(
    "--grant", "grants", multiple=True, metavar="ACTION:PREFIX",
    help="read, produce or admin on topics with this prefix, e.g. produce:orders.; repeatable."
    " Without one the role says what is allowed.",
)  # fmt: skip
@click.option("--expires", default=None, metavar="TIME", help="After so long (90d), or never.")
@by_option
@bootstrap_option
@output_option
def create_key(
    name: str, role: str | None, grants: Sequence[str], expires: str | None, by: str | None,
    bootstrap_servers: str, output: str | None,
) -> None:  # fmt: skip
    """Make a key and print it, once: only a hash of it is kept.

    For example: summit key create ci --grant produce:builds. --expires 90d
    """
    from summit.base.clock import SystemClock
    from summit.base.units import parse_duration_ms

    now_ms = SystemClock().now_ms()
    expires_ms = None if expires is None else now_ms + parse_duration_ms(expires)
    role = role or ("none" if grants else "viewer")

    async def work(keys: Any) -> tuple[str, Any]:
        made: tuple[str, Any] = await keys.create(
            name=name, role=role, grants=list(grants) or None, by=who_is(by),
            expires_ms=expires_ms,
        )  # fmt: skip
        return made

    text, kept = _with_keys(bootstrap_servers, work)
    if output is not None and output != "table":
        print_json({"key": text, **kept.shown(now_ms)})
        return
    click.echo(text)
    talk(f"key {kept.id} of the role {kept.role}; keep it now, it is not shown again")


@key.command("list")
@bootstrap_option
@output_option
def list_keys(bootstrap_servers: str, output: str | None) -> None:
    """List keys: whose they are, what they may do, whether they hold."""
    from summit.base.clock import SystemClock

    async def work(keys: Any) -> list[Any]:
        listed: list[Any] = keys.ring.listed()
        return listed

    now_ms = SystemClock().now_ms()
    rows = [each.shown(now_ms) for each in _with_keys(bootstrap_servers, work)]
    if output in (None, "table"):
        for row in rows:
            row["createdAt"] = time_text(row["createdAt"])
            row["expiresAt"] = time_text(row["expiresAt"])
    print_list(rows, _COLUMNS, output)


@key.command("revoke")
@click.argument("key_id")
@by_option
@bootstrap_option
@output_option
def revoke_key(key_id: str, by: str | None, bootstrap_servers: str, output: str | None) -> None:
    """Let a key hold no more, on every service at once; by its id."""
    from summit.base.clock import SystemClock
    from summit.identity import KEY_PREFIX

    # Whoever has the key at hand may give it too.
    key_id = key_id.removeprefix(KEY_PREFIX).partition("_")[0]

    async def work(keys: Any) -> Any:
        return await keys.revoke(key_id, who_is(by))

    kept = _with_keys(bootstrap_servers, work)
    if output is not None and output != "table":
        print_json(kept.shown(SystemClock().now_ms()))
        return
    click.echo(f"revoked {kept.id} ({kept.name})")


def _with_keys(bootstrap_servers: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What `work` gives with the keys of the log at hand."""
    from summit.journal.key_log import KeyLog

    async def run() -> Any:
        keys = KeyLog(bootstrap_servers.split(","), name="summit-cli")
        try:
            await keys.start()
            return await work(keys)
        finally:
            await keys.stop()

    return asyncio.run(run())
