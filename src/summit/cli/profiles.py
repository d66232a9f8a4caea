"""Whom commands ask and how: flag > environment > profile > ./summit.toml > user's file > default.

The section is `[client]`; its settings may stand at the top of a profile too
(`base/config_files.py`). Commands that serve have sections of their own and take nothing from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from summit.base.client_section import OF_COMMANDS, SecurityFields
from summit.base.config import Origin, environment, extend_environment, origins
from summit.base.config_files import CLIENT, Layer, layers
from summit.base.errors import Invalid
from summit.base.secrets import is_secret_reference, read_secret

F = TypeVar("F", bound=Callable[..., Any])

FORMS: Final = ("table", "json", "jsonl", "yaml", "csv")
# Environment names with another form than SUMMIT_CLIENT__FIELD; a later one wins.
ALIASES: Final[dict[str, str]] = {
    "BOOTSTRAP_SERVERS": "bootstrap_servers",
    "SUMMIT_BOOTSTRAP_SERVERS": "bootstrap_servers",
    "SUMMIT_STREAMING_URL": "streaming_url",
    "SUMMIT_CORRELATION_URL": "correlation_url",
    "SUMMIT_TOKEN": "token",
    "SUMMIT_CA_FILE": "ca_file",
    "SUMMIT_OUTPUT": "output",
}


class ClientSettings(SecurityFields, frozen=True, kw_only=True):
    """What commands go by, beside how they make themselves known to brokers.

    Attributes:
        bootstrap_servers: Kafka addresses, several by commas.
        streaming_url, correlation_url: The services.
        token: An API key or a token for them; in files a reference, `${NAME}` or `file:PATH`.
        ca_file: PEM certificates to trust for their TLS; None = those of the system.
        output: The form of what is printed; None = tables on a terminal, tabs elsewhere.
    """

    bootstrap_servers: str = "localhost:9092"
    streaming_url: str = "http://localhost:3000"
    correlation_url: str = "http://localhost:3001"
    token: str | None = None
    ca_file: str | None = None
    output: str | None = None

    def check(self) -> None:
        """Refuse what types alone cannot."""
        super().check()
        if self.output is not None and self.output not in FORMS:
            reason = f"ClientSettings.output: '{self.output}' is not one of {', '.join(FORMS)}"
            raise Invalid("config.invalid", reason=reason, pointer="/output")


_SERVE: Final = ("worker", "node")  # they are known as their environment says, and `summit up`
_given: dict[str, str] = {}  # what the command line of this process says


def _keep(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and parameter.name is not None:
        _given[parameter.name] = value
    return value


def client_origins(found: list[Layer] | None = None) -> dict[str, Origin]:
    """What is set, and where it came from."""
    env = environment()
    files = {layer.name: layer.tables for layer in (layers(env) if found is None else found)}
    return origins(
        ClientSettings, CLIENT, flags=_given, env=env, files=files, aliases=ALIASES
    )  # fmt: skip


def client_settings() -> ClientSettings:
    """What holds now. Raises Invalid for files that cannot be used."""
    return ClientSettings.from_dict({name: each.value for name, each in client_origins().items()})


def token() -> str | None:
    """The secret itself. Raises Invalid("secret.missing")."""
    text = client_settings().token
    if text is None or not is_secret_reference(text):
        return text
    return read_secret(text).decode("utf-8", "replace")


def _setting(name: str) -> Callable[[], Any]:
    return lambda: getattr(client_settings(), name)


def _dial(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Keep the address, and let connections of this command know themselves as files say."""
    if ctx.command.name not in _SERVE and not ctx.resilient_parsing:
        known = {
            f"SUMMIT_CLIENT__{field.upper()}": _as_text(origin.value)
            for field, origin in client_origins().items()
            if field not in OF_COMMANDS and not origin.origin.startswith("SUMMIT_")
        }
        extend_environment(known)
    return _keep(ctx, parameter, value)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def bootstrap_option(function: F) -> F:
    """Add `--bootstrap-servers` (also `--bootstrap-server`)."""
    return click.option(
        "--bootstrap-servers", "--bootstrap-server", "-b", "bootstrap_servers",
        default=_setting("bootstrap_servers"), show_default="localhost:9092, or the profile's",
        help="Kafka addresses, host:port, several by commas.", callback=_dial,
    )(function)  # fmt: skip


def _output() -> str | None:
    try:
        return client_settings().output
    except Invalid:  # whatever is wrong there is told in a form that people read
        return None


def output_option(function: F) -> F:
    """Add `-o`: the form of the output."""
    return click.option(
        "-o", "--output", type=click.Choice(FORMS), default=_output,
        help="Form of the output; tables on a terminal, else lines with tabs, by default.",
    )(function)  # fmt: skip


def service_options(name: str) -> Callable[[F], F]:
    """Add `--url` of the service `streaming` or `correlation`, `--token` and `--ca-file`."""

    def add(function: F) -> F:
        port = {"streaming": 3000, "correlation": 3001}[name]
        options = (
            click.option(
                "--url", default=_setting(f"{name}_url"),
                show_default=f"http://localhost:{port}, or the profile's",
                help=f"The {'event ' if name == 'correlation' else ''}{name} service.",
            ),
            click.option(
                "--token", default=None, expose_value=False, callback=_keep, metavar="TEXT",
                help="An API key or a token for it; better in SUMMIT_TOKEN or in a profile.",
            ),
            click.option(
                "--ca-file", default=None, expose_value=False, callback=_keep, metavar="FILE",
                help="Certificates to trust for https, in PEM.",
            ),
        )  # fmt: skip
        for option in options:
            function = option(function)
        return function

    return add
