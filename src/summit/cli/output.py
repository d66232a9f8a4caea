"""What commands print: tables or lines for people, JSON for programs.

Standard output is data, standard error is talk. `-o json` prints one object a line where a command
streams, one array where it lists.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])

_ENCODER = msgspec.json.Encoder(enc_hook=str)

output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default=None,
    help="Form of the output; tables or plain lines by default.",
)  # fmt: skip


def bootstrap_option(function: F) -> F:
    """Add `--bootstrap-servers` (also `--bootstrap-server`) with its environment names."""
    return click.option(
        "--bootstrap-servers", "--bootstrap-server", "-b", "bootstrap_servers",
        envvar=["SUMMIT_BOOTSTRAP_SERVERS", "BOOTSTRAP_SERVERS"], default="localhost:9092",
        show_default=True, help="Kafka addresses, host:port, several by commas.",
    )(function)  # fmt: skip


def print_json(value: Any) -> None:
    """Print one JSON value on one line, at once."""
    sys.stdout.write(_ENCODER.encode(value).decode() + "\n")
    sys.stdout.flush()


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def time_text(ms: int | None) -> str:
    """A time as people read it, in UTC.

    >>> time_text(1_700_000_000_500), time_text(None)
    ('2023-11-14T22:13:20.500Z', '-')
    """
    if ms is None:
        return "-"
    try:
        text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(ms)
    return text.replace("+00:00", "Z")


def talk(text: str) -> None:
    """Say something to the person, on standard error."""
    click.echo(text, err=True)


def print_list(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str | None
) -> None:
    """Print rows as a table of `columns`, or all their members as one JSON array."""
    listed = list(rows)
    if output == "json":
        print_json(listed)
        return
    if not sys.stdout.isatty() and output != "table":
        for row in listed:
            click.echo("\t".join(cell_text(row.get(column)) for column in columns))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    for row in listed:
        table.add_row(*(cell_text(row.get(column)) for column in columns))
    Console().print(table)


def cell_text(value: Any) -> str:
    """A value as people read it in a table or a line."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    if isinstance(value, dict):  # what is not said is not shown
        shown = ((name, part) for name, part in value.items() if part not in (None, [], {}, ""))
        return " ".join(f"{name}={cell_text(part)}" for name, part in shown) or "-"
    return str(value)
