"""`summit config`: the settings that hold, where each came from, and whether files can be used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import click

from summit.base.config import Config, Origin, environment, nearest, origins
from summit.base.config_files import CLIENT, Layer, config_path, current_profile, layers, user_path
from summit.base.errors import Invalid
from summit.cli.output import output_option, print_list, talk

_SECRET: Final = ("token", "password", "secret")


class Section(NamedTuple):
    """One section of the files: what holds it, and the guide's names for its fields."""

    kind: type[Config]
    aliases: Mapping[str, str]


def sections() -> dict[str, Section]:
    """Every section that there is."""
    from summit.broker.settings import BrokerSettings
    from summit.cli.profiles import ALIASES, ClientSettings
    from summit.flow.settings import WorkerSettings
    from summit.services.settings import ServiceSettings

    return {
        CLIENT: Section(ClientSettings, ALIASES),
        "broker": Section(BrokerSettings, {"DATA_DIR": "data_dir", "BROKER_PORT": "port"}),
        "streaming": Section(ServiceSettings, {"PORT": "port"}),
        "correlation": Section(ServiceSettings, {}),
        "worker": Section(WorkerSettings, {}),
    }


@click.group()
def config() -> None:
    """Show the settings that hold and where they came from; check them."""


@config.command("show")
@click.option("--origin", "with_origin", is_flag=True, help="Also where each came from.")
@click.option("--section", "only", default=None, help="Only this section.")
@click.option("--all", "with_defaults", is_flag=True, help="Also what nobody has set.")
@output_option
def show(with_origin: bool, only: str | None, with_defaults: bool, output: str | None) -> None:
    """Show what is set: by the environment, the profile, ./summit.toml and your own file.

    A flag of a command goes before all of them. Secrets are not shown.
    """
    from summit.cli.config_security import security_rows
    from summit.services.security import SECTION

    found = layers(environment())
    known = sections()
    names = [*known, SECTION]
    if only is not None and only not in names:
        raise click.UsageError(f"no section '{only}'; there are {', '.join(names)}")
    rows = [
        row
        for name, section in known.items() if only in (None, name)
        for row in _rows(name, section, found, with_defaults=with_defaults)
    ]  # fmt: skip
    if only in (None, SECTION):
        rows += security_rows(found, environment(), with_defaults=with_defaults)
    columns = ["section", "setting", "value", *(["origin"] if with_origin else [])]
    print_list([{each: row[each] for each in columns} for row in rows], columns, output)
    if output is None and sys.stdout.isatty():
        profile = current_profile(environment()) or "none"
        talk(f"profile: {profile}; files: {', '.join(_files_read(found)) or 'none'}")


@config.command("validate")
@output_option
def validate(output: str | None) -> None:
    """Check the files and the environment; ends with 1 where something is wrong."""
    problems = config_problems()
    print_list(
        [{"problem": str(problem), "advice": problem.advice} for problem in problems],
        ["problem", "advice"], output,
    )  # fmt: skip
    if problems:
        sys.exit(1)
    env = environment()
    read = _files_read(layers(env))
    talk(f"sound: {', '.join(read) if read else 'no file; looked for '}"
         + ("" if read else f"{user_path(env)} and {config_path(env)}"))  # fmt: skip


def config_problems() -> list[Invalid]:
    """Everything that keeps the settings from being used."""
    try:
        found = layers(environment())
    except Invalid as error:
        return [error]
    from summit.services.security import SECTION, security_settings

    known = sections()
    names = {*known, SECTION}  # which has blocks of its own
    problems = [
        Invalid(
            "config.unknown_key", key=name, where=layer.name, pointer=f"/{name}",
            hint=f" (did you mean '{near}'?)" if (near := nearest(name, names)) else "",
        )
        for layer in found for name in layer.tables if name not in names
    ]  # fmt: skip
    for name, section in known.items():
        try:
            given = _origins(name, section, found)
            section.kind.from_dict({field: each.value for field, each in given.items()})
        except Invalid as error:
            problems.append(error)
    try:
        security_settings()
    except Invalid as error:
        problems.append(error)
    return problems


def _rows(
    name: str, section: Section, found: list[Layer], *, with_defaults: bool
) -> list[dict[str, Any]]:
    given = _origins(name, section, found)
    values = section.kind.from_dict({field: each.value for field, each in given.items()})
    rows = []
    for field, wire in _fields(section.kind).items():
        origin = given.get(field)
        if origin is None and not with_defaults:
            continue
        value = getattr(values, field)
        secret = value is not None and any(word in field for word in _SECRET)
        rows.append(
            {
                "section": name, "setting": wire, "value": "***" if secret else value,
                "origin": origin.origin if origin else "default",
            }
        )  # fmt: skip
    return rows


def _fields(kind: type[Config]) -> dict[str, str]:
    import msgspec

    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def _origins(name: str, section: Section, found: list[Layer]) -> dict[str, Origin]:
    env = environment()
    if name == "broker" and env.get("BROKER_ID"):
        from summit.services.broker_options import broker_id

        env["SUMMIT_BROKER__BROKER_ID"] = str(broker_id(env["BROKER_ID"]))
    files = {layer.name: layer.tables for layer in found}
    return origins(section.kind, name, flags={}, env=env, files=files, aliases=section.aliases)


def _files_read(found: list[Layer]) -> list[str]:
    return [layer.name for layer in found if not layer.name.startswith("profile ")]
