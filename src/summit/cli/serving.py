"""What the long-running commands share: log options, the ready line, the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import click

from summit.cli.output import print_json, talk

F = TypeVar("F", bound=Callable[..., Any])

LOG_FORMAT = "SUMMIT_LOG_FORMAT"
TRACING = "SUMMIT_TRACING"
_LEVELS = ["debug", "info", "warning", "error"]
PORT = click.IntRange(0, 65_535)

insecure_option = click.option(
    "--insecure", is_flag=True,
    help="Listen where others reach it without asking anybody who they are (docs/security.md).",
)  # fmt: skip


def _keep(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """For this process and those that it starts."""
    if value is not None:
        from summit.base.config import extend_environment

        extend_environment({TRACING if parameter.name == "tracing" else LOG_FORMAT: value})


def serving_options(function: F) -> F:
    """Add `--log-level`, `--log-format`, `--tracing` and `-o`."""
    for option in (
        click.option(
            "--log-level", type=click.Choice(_LEVELS, case_sensitive=False),
            default="info", envvar=["SUMMIT_LOG_LEVEL", "LOG_LEVEL"], show_default=True,
            help="On standard error.",
        ),
        click.option(
            "--log-format", type=click.Choice(["text", "json"]), default=None, callback=_keep,
            expose_value=False, help="JSON unless standard error is a terminal; SUMMIT_LOG_FORMAT.",
        ),
        click.option(
            "--tracing", type=click.Choice(["off", "otlp"]), default=None, callback=_keep,
            expose_value=False, envvar=TRACING,
            help="otlp: send traces to OTEL_EXPORTER_OTLP_ENDPOINT (docs/tracing.md); off by"
            " default, SUMMIT_TRACING.",
        ),
        click.option(
            "-o", "--output", type=click.Choice(["text", "json"]), default=None,
            help="Form of the ready line: JSON unless standard output is a terminal.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def serve(component: Any, *, log_level: str, output: str | None) -> NoReturn:
    """Run a component until a signal ends it; never returns."""
    from summit.base.config import environment
    from summit.base.logs import configure
    from summit.services.process import run_process

    env = environment()
    form = env.get(LOG_FORMAT)
    configure(log_level, json=None if form is None else form == "json")
    command = click.get_current_context().info_name
    if env.get(TRACING, "off") == "otlp" and command != "up":  # which starts the others
        from summit.base.tracing import start_tracing

        start_tracing(f"summit-{command}")

    def ready(addresses: Mapping[str, Any]) -> None:
        if output == "json" or (output is None and not sys.stdout.isatty()):
            print_json(addresses)
            return
        for name, value in addresses.items():
            if name not in ("ready", "pid", "pids"):
                click.echo(f"{name:>12}  {value}")
        talk("ready; Ctrl-C stops it")

    code = run_process(component, ready)
    if TRACING in env:
        from summit.base.tracing import stop_tracing

        stop_tracing()
    sys.exit(code)
