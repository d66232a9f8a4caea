"""`summit user`: who may connect to brokers that ask."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from summit.cli.output import bootstrap_option, output_option, print_list, talk

_PASSWORD = "SUMMIT_USER_PASSWORD"  # noqa: S105 - a name


@click.group()
def user() -> None:
    """Create, list and delete the users of brokers.

    Commands make themselves known as SUMMIT_CLIENT__SECURITY_PROTOCOL, __SASL_USERNAME,
    __SASL_PASSWORD and __SSL_CAFILE say.
    """


@user.command("create")
@click.argument("name")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the password; without it it is asked for, or read from standard input.",
)  # fmt: skip
@click.option(
    "--data-dir", default=None,
    help="Make the user without the network: the broker over this directory does so when it "
    "starts, or within a second.",
)  # fmt: skip
@bootstrap_option
def create(
    name: str, password_file: Path | None, data_dir: str | None, bootstrap_servers: str
) -> None:
    """Make the user NAME, or give it another password.

    The first user of a broker is made with --data-dir, or by SUMMIT_BROKER__INITIAL_USER and
    SUMMIT_BROKER__INITIAL_PASSWORD of the broker's environment.
    """
    password = _password(password_file)
    if data_dir is not None:
        from summit.base.files import OsFiles
        from summit.broker.security.first_users import lay_down

        lay_down(OsFiles(), os.path.abspath(data_dir), name, password)
        talk(f"the broker over {data_dir} makes user {name} at its next look")
        return

    async def run() -> None:
        async with _admin(bootstrap_servers) as admin:
            await admin.set_user(name, password)

    asyncio.run(run())
    talk(f"user {name} is set")


@user.command("list")
@bootstrap_option
@output_option
def list_users(bootstrap_servers: str, output: str | None) -> None:
    """List the users, and how each may authenticate."""

    async def run() -> list[Any]:
        async with _admin(bootstrap_servers) as admin:
            return list(await admin.list_users())

    rows = [
        {
            "user": each.name,
            "mechanisms": each.mechanisms if output == "json" else ", ".join(each.mechanisms),
        }
        for each in asyncio.run(run())
    ]
    print_list(rows, ["user", "mechanisms"], output)


@user.command("delete")
@click.argument("name")
@bootstrap_option
def delete(name: str, bootstrap_servers: str) -> None:
    """Delete the user NAME; connections that are open go on until they end."""

    async def run() -> None:
        async with _admin(bootstrap_servers) as admin:
            await admin.delete_user(name)

    asyncio.run(run())
    talk(f"user {name} is deleted")


def _password(file: Path | None) -> str:
    from summit.base.config import environment

    if file is not None:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    elif environment().get(_PASSWORD):
        password = environment()[_PASSWORD]
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("the password is empty")
    return password


def _admin(bootstrap_servers: str) -> Any:
    from summit.client.admin import Admin
    from summit.client.settings import AdminConfig

    return Admin(AdminConfig(client_id="summit-user", bootstrap_servers=bootstrap_servers))
