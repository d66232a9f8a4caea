"""The root of `summit`: the table of commands, and what every command's failure looks like.

Commands are imported when they are called, so that `summit --help` needs nothing but click.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from summit import __version__

if TYPE_CHECKING:
    from summit.base.errors import SummitError

# name -> (module, short help); the function is named like the command, dashes as underscores
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Start everything: broker, services, collectors and workers."),
    "demo": ("demo.command", "Show planted attacks found in realistic traffic."),
    "detect": ("detect.command", "Run rules over files once and print the alerts."),
    "broker": ("broker", "Run the Kafka-protocol broker alone; describe and alter brokers."),
    "streaming": ("streaming", "Run the streaming service (REST, collectors) on port 3000."),
    "correlation": ("correlation", "Run the event correlation service on port 3001."),
    "worker": ("worker", "Run a worker, which matches events against the rules."),
    "topic": ("topic", "Create, list, describe, alter, purge and delete topics."),
    "group": ("group", "List, describe and delete consumer groups; lag; reset their offsets."),
    "log": ("log", "Show what log files hold, and check that they are sound."),
    "dlq": ("dlq", "List, show and replay dead letters."),
    "produce": ("produce", "Send records, one per line of standard input."),
    "consume": ("consume", "Print the records of topics."),
    "rules": ("rules", "Apply, list, remove, test and explain rules; try them on the past."),
    "flow": ("flow", "Show inputs, workers, rules and outputs live; pause, resume, drain."),
    "state": ("state", "Show what rules have begun for keys: unfinished matches."),
    "query": ("query", "List analytics queries, show their results or follow them live."),
    "alerts": ("alerts", "List, follow, acknowledge, resolve and silence alerts; cases."),
    "notify": ("notify", "List notifications, test one, tell alerts again."),
    "correlations": ("correlations", "List groups of events that belong together, and why."),
    "user": ("user", "Create, list and delete the users of brokers."),
    "acl": ("acl", "Create, list and delete what users may do."),
    "cluster": ("cluster", "Run an Apache Kafka cluster on this machine, for development."),
    "migrate": ("migrate", "Move topics, groups and alerts from one cluster to another."),
    "key": ("key", "Make, list and revoke API keys of the services."),
    "collector": ("collector", "Add, list, start, pause, stop and remove collectors."),
    "top": ("top", "Show rates, lags, alerts and collectors live."),
    "doctor": ("doctor.command", "Look at this machine, the settings and the services for faults."),
    "config": ("config", "Show the settings that hold and where they came from; check them."),
    "completion": ("completion", "Print the completion script of bash, zsh or fish."),
}
HIDDEN = {"node": "node"}  # run by `summit up`

# How the process ends, by what the caller must do.
EXIT_FAILURE, EXIT_USAGE, EXIT_NOT_FOUND, EXIT_AUTH, EXIT_UNAVAILABLE = 1, 2, 3, 4, 5
EXIT_INTERRUPTED = 130

_CODES = """\b
Exit codes:
  0 done   1 failed   2 used wrongly   3 not found
  4 not authenticated or not allowed   5 nobody answers   130 interrupted
"""


def _profiles(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from summit.cli.completion import profiles

    return profiles(incomplete)


class _ReaderGoneError(Exception):
    """Whoever read standard output has closed it."""


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Under its own name: click would end with 1 and the documented code is 0.
            raise _ReaderGoneError from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else HIDDEN.get(cmd_name)
        if place is None:
            return None
        module = importlib.import_module(f"summit.cli.{place}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Commands by the table alone: nothing is imported."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        options = click.Command.shell_complete(self, ctx, incomplete) if not found else []
        return [*found, *options]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in (*COMMANDS, *HIDDEN):
            from summit.base.config import suggestion

            ctx.fail(f"no command '{name}'{suggestion(name, COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_CODES)
@click.version_option(__version__, prog_name="summit")
@click.option("--profile", default=None, metavar="NAME", shell_complete=_profiles,
              help="Settings of this profile of summit.toml or of your own file; SUMMIT_PROFILE.",
)  # fmt: skip
def root(profile: str | None) -> None:
    """Real-time stream processing and event intelligence.

    Start with `summit demo`, then `summit up`.
    """
    if profile is not None:  # the processes that a command starts go by it, too
        from summit.base.config import extend_environment

        extend_environment({"SUMMIT_PROFILE": profile})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with the documented exit code.

    Args:
        arguments: By default those of the process.
    """
    try:
        given = None if arguments is None else list(arguments)
        code = root.main(given, prog_name="summit", standalone_mode=False)
    except click.exceptions.Abort:
        code = EXIT_INTERRUPTED
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except _ReaderGoneError:
        # The reader has gone (`summit consume | head`): end quietly, and keep the interpreter
        # from writing to the closed pipe once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # noqa: BLE001 - the last edge: told apart below, else raised
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    from summit.base.errors import Internal, SummitError, Unavailable

    if not isinstance(error, SummitError):
        raise error
    click.echo(f"error: {error}{_near(error)}", err=True)
    for problem in error.details.get("problems", ()):
        line = _problem_line(problem)
        if not str(error).endswith(line):  # a single problem is the error's text
            click.echo(f"  {line}", err=True)
    click.echo(f"hint: {error.advice}", err=True)
    if isinstance(error, Internal):
        raise error
    if isinstance(error, Unavailable):
        return EXIT_UNAVAILABLE
    if error.http_status in (401, 403):
        return EXIT_AUTH
    return EXIT_NOT_FOUND if error.http_status == 404 else EXIT_FAILURE


def _near(error: SummitError) -> str:
    """What was probably meant, of what whoever was asked knows."""
    if error.code not in ("topic.unknown", "group.unknown"):
        return ""
    from summit.base.config import suggestion
    from summit.cli.completion import known_groups, known_topics

    kind = error.code.partition(".")[0]
    known = known_topics() if kind == "topic" else known_groups()
    return suggestion(str(error.details.get(kind, "")), known)


def _problem_line(problem: Any) -> str:
    if not isinstance(problem, dict):
        problem = {name: getattr(problem, name, None) for name in ("pointer", "message")}
    pointer, message = problem.get("pointer"), problem.get("message") or ""
    return f"{pointer}: {message}" if pointer else str(message)
