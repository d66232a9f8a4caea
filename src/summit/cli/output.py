"""What commands print: tables or lines for people; JSON, YAML and CSV for programs.

Standard output is data, standard error is talk. `print_list` writes lists, `print_document` one
thing, `print_item` what comes one after the other. In every form but the table all members are
written; `-o json` of a list is one array, `-o jsonl` an object a line.
"""

from __future__ import annotations

import csv
import io
import re
import select
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from summit.cli.profiles import bootstrap_option, output_option, service_options

__all__ = [
    "bootstrap_option", "cell_text", "confirm", "counted", "end_without_reader",
    "output_option", "plain", "print_document", "print_item", "print_json", "print_list", "say",
    "service_options", "talk", "time_text",
]  # fmt: skip

# What would act on a terminal, or turn the order of what it shows: controls, lines, directions.
_ACTING: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_ENCODER = msgspec.json.Encoder(enc_hook=str)


def print_json(value: Any) -> None:
    """Print one JSON value on one line, at once."""
    _write(_ENCODER.encode(value).decode() + "\n")


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


def plain(text: str) -> str:
    """A text of events or of others' rules, on one line; what would act on a terminal is escaped.

    >>> plain("eve\\x1b[2Jadmin")
    'eve\\\\x1b[2Jadmin'
    """
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(text: str) -> None:
    """Print a line that holds texts of events or of others' rules; see `plain`."""
    click.echo(plain(text))


def talk(text: str) -> None:
    """Say something to the person, on standard error."""
    click.echo(text, err=True)


def confirm(question: str, deed: str, *, yes: bool) -> None:
    """Ask before what cannot be undone, unless `--yes` was given.

    Args:
        deed: What needs `--yes` where nobody can be asked: "deleting NAME".
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{deed} needs --yes without a terminal")
    click.confirm(question, abort=True, err=True)


def print_document(value: Any, output: str | None) -> bool:
    """Print one thing in a form for programs; False, and nothing printed, for `table` or none."""
    if output in (None, "table"):
        return False
    if output == "yaml":
        _write(_yaml(value))
    elif output == "csv":
        plain = msgspec.to_builtins(value, enc_hook=str)
        rows = plain if isinstance(plain, list) else [plain]
        _write(_csv(rows, list(dict.fromkeys(name for row in rows for name in row))))
    elif output == "jsonl" and isinstance(value, list | tuple):
        for each in value:
            print_json(each)
    else:
        print_json(value)
    return True


def print_item(value: Any, output: str | None) -> bool:
    """Print one of several things that come one after the other; False for `table` or none."""
    if output in (None, "table"):
        return False
    if output == "csv":
        raise click.UsageError("-o csv is for lists; -o jsonl has an object a line")
    if output == "yaml":
        _write("---\n" + _yaml(value))
    else:
        print_json(value)
    return True


def print_list(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str | None
) -> None:
    """Print rows as a table of `columns`, or all their members in the other forms."""
    listed = list(rows)
    if output == "csv":
        names = dict.fromkeys((*columns, *(name for row in listed for name in row)))
        _write(_csv(msgspec.to_builtins(listed, enc_hook=str), list(names)))
        return
    if print_document(listed, output):
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
        table.add_row(*(_escaped(cell_text(row.get(column))) for column in columns))
    Console(highlight=False).print(table)
    if not listed:
        talk("(none)")


def cell_text(value: Any) -> str:
    """A value as people read it in a table or a line."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    if isinstance(value, dict):  # what is not said is not shown
        shown = ((name, part) for name, part in value.items() if part not in (None, [], {}, ""))
        return " ".join(f"{plain(str(name))}={cell_text(part)}" for name, part in shown) or "-"
    return plain(str(value))


def end_without_reader() -> None:
    """End the command, as a write would, where whoever read standard output has gone.

    For what waits long between two writes: `summit consume quiet | head -2`.
    """
    if not hasattr(select, "poll"):
        return
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # it is no file
    poll = select.poll()
    poll.register(descriptor, 0)
    if any(seen & select.POLLERR for _, seen in poll.poll(0)):
        raise BrokenPipeError


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _yaml(value: Any) -> str:
    from summit.documents import yaml_text

    return yaml_text(msgspec.to_builtins(value, enc_hook=str))


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(column)) for column in columns])
    return out.getvalue()


def _csv_cell(value: Any) -> str:
    """As JSON has it, but text without quotes and nothing for null."""
    if value is None or isinstance(value, str):
        return value or ""
    return _ENCODER.encode(value).decode()


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
