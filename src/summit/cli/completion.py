"""`summit completion`, and what completes names: commands by the table, ids by whoever knows them.

A shell waits while it asks, so whatever does not answer within a second and a half (or
SUMMIT_COMPLETION_TIMEOUT_MS) completes nothing, and nothing is ever printed but the names.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import click

from summit.base.config import environment

TIMEOUT: Final = "SUMMIT_COMPLETION_TIMEOUT_MS"
_TIMEOUT_MS: Final = 1_500

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; topics, groups and rules complete too.

    \b
    bash:  eval "$(summit completion bash)"                 in ~/.bashrc
    zsh:   eval "$(summit completion zsh)"                  in ~/.zshrc, after compinit
    fish:  summit completion fish > ~/.config/fish/completions/summit.fish
    """
    from click.shell_completion import get_completion_class

    from summit.cli.main import root

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(root, {}, "summit", "_SUMMIT_COMPLETE")
    # click's source() of bash asks for its version by running it; this needs no shell.
    click.echo(script.source_template % script.source_vars())


def profiles(incomplete: str) -> list[str]:
    """Profiles of the configuration files."""
    from summit.base.config import environment
    from summit.base.config_files import profile_names
    from summit.base.errors import SummitError

    with contextlib.suppress(SummitError):
        return _starting(profile_names(environment()), incomplete)
    return []


def topics(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Topics of the broker; those of the system only where their name is begun."""
    names = known_topics(ctx.params.get("bootstrap_servers"))
    return [
        name
        for name in _starting(names, incomplete)
        if incomplete.startswith("_") or not name.startswith("_")
    ]


def groups(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Consumer groups of the broker."""
    return _starting(known_groups(ctx.params.get("bootstrap_servers")), incomplete)


def known_topics(servers: str | None = None) -> list[str]:
    """Every topic of the broker that the command asks; none where it does not answer in time."""
    return _of_broker(servers, lambda admin: admin.list_topics())


def known_groups(servers: str | None = None) -> list[str]:
    """Every consumer group, likewise."""
    return _of_broker(servers, lambda admin: admin.list_groups())


def of_service(name: str, path: str, member: str, field: str = "id") -> Complete:
    """What completes by a list that a service gives.

    Args:
        name: `streaming` or `correlation`.
        path: Of the list.
        member: Of the answer that holds it.
        field: Of each entry that is the name.
    """

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        def ask() -> Iterable[str]:
            from summit.cli.profiles import client_settings
            from summit.cli.rest import dialled

            url = ctx.params.get("url") or getattr(client_settings(), f"{name}_url")
            return [str(each[field]) for each in dialled(url).get(path)[member]]

        return _starting(_bounded(ask), incomplete)

    return complete


rules = of_service("correlation", "/api/patterns", "patterns")
collectors = of_service("streaming", "/api/collectors", "collectors", "name")
alerts = of_service("correlation", "/api/alerts?limit=100", "alerts")


def _of_broker(servers: str | None, ask: Callable[[Any], Awaitable[Iterable[str]]]) -> list[str]:
    async def run() -> Iterable[str]:
        from summit.cli.profiles import client_settings
        from summit.client.admin import Admin

        asked = servers or client_settings().bootstrap_servers
        config = {"clientId": "summit-completion", "bootstrapServers": asked.split(","),
                  "connectTimeoutMs": _timeout_ms()}  # fmt: skip
        async with Admin(config) as admin:
            return await ask(admin)

    return _bounded(lambda: asyncio.run(run()))


def _bounded(ask: Callable[[], Iterable[str]]) -> list[str]:
    """What `ask` finds in time; nothing where it fails or takes too long."""
    found: list[str] = []

    def run() -> None:
        with contextlib.suppress(Exception):  # whatever is wrong, a shell is no place to say it
            found.extend(ask())

    from summit.base.logs import configure

    configure("error")
    talk = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # what the Kafka client says in C, too
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(_timeout_ms() / 1000)
        return sorted(found)
    finally:
        sys.stderr.flush()
        os.dup2(talk, 2)
        os.close(talk)
        os.close(silent)


def _timeout_ms() -> int:
    text = environment().get(TIMEOUT, "")
    return int(text) if text.isdecimal() and int(text) else _TIMEOUT_MS


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
