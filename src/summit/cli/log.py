"""`summit log`: what log files hold, whether they are sound, indexes made anew; asks no broker."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.output import counted, output_option, print_item, talk

_EXIT_DAMAGED = 1


@click.group()
def log() -> None:
    """Show what log files hold, and check that they are sound.

    PATH is a file of a partition, its directory (orders-0), or a broker's data directory. The
    broker may be running, but for `repair`; only that one writes.
    """


@log.command("dump")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--records/--no-records", "with_records", default=True, help="Also what batches hold."
)
@output_option
def dump(paths: Sequence[str], with_records: bool, output: str | None) -> None:
    """Print batches, records, markers and index entries; with -o json an object a line."""
    from summit.base.files import ReadOnlyFiles
    from summit.inspection import dump_file, files_to_inspect

    files = ReadOnlyFiles()
    shown = ""
    for path in paths:
        for file in files_to_inspect(files, path):
            for entry in dump_file(files, file, with_records=with_records):
                if print_item(entry, output):
                    continue
                if shown != file:
                    click.echo(file)
                    shown = file
                click.echo(_line(entry))


@log.command("verify")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--records/--no-records", "with_records", default=True, help="Also what batches hold."
)
@output_option
def verify(paths: Sequence[str], with_records: bool, output: str | None) -> None:
    """Check checksums, offsets, records and indexes; ends with 1 where something is wrong."""
    from summit.base.files import ReadOnlyFiles
    from summit.inspection import verify as verify_path

    problems = partitions = batches = 0
    for path in paths:
        for found in verify_path(ReadOnlyFiles(), path, with_records=with_records):
            problems += found.what == "problem"
            partitions += found.what == "sound"
            batches += found.batches
            if print_item(found._asdict(), output):
                continue
            if found.what != "sound":
                where = found.file if found.position < 0 else f"{found.file}:{found.position}"
                click.echo(f"{where}: {found.what}: {found.text}")
    if problems:
        talk(f"{counted(problems, 'problem')} found")
        sys.exit(_EXIT_DAMAGED)
    talk(f"sound: {counted(partitions, 'partition')}, {batches} batches")


@log.command("repair")
@click.argument("data_dir", metavar="DATA_DIR")
@click.option(
    "--log-dir", "log_dirs", multiple=True,
    help="Where the broker keeps partitions elsewhere; may be repeated.",
)  # fmt: skip
@output_option
def repair(data_dir: str, log_dirs: Sequence[str], output: str | None) -> None:
    """Make indexes, epochs and snapshots anew where `verify` finds them wrong.

    The broker is stopped. They are read from the batches, of which none is changed. A partition
    with damaged batches is left as it is and told: restore it from a backup. Ends with 1 where
    something is still wrong.
    """
    from summit.base.clock import SystemClock
    from summit.base.files import OsFiles
    from summit.inspection import repair as repair_directory

    places = [os.path.abspath(place) for place in log_dirs]
    done = repair_directory(OsFiles(), os.path.abspath(data_dir), places, SystemClock())
    for each in done:
        if print_item(each._asdict(), output):
            continue
        for text in each.damage:
            click.echo(f"{each.directory}: problem: {text}")
        if each.removed and not each.damage:
            click.echo(f"{each.directory}: repaired: made anew from the batches")
        for name in each.removed:
            click.echo(f"{each.directory}: took away {name}")
    left = sum(bool(each.damage) for each in done)
    if left:
        talk(f"{counted(left, 'partition')} not sound; batches are never changed")
        sys.exit(_EXIT_DAMAGED)
    talk(f"sound; repaired {counted(len(done), 'partition')}")


def _line(entry: dict[str, Any]) -> str:
    """One entry in words: its kind, then its members; what lies in a batch is set in."""
    kind = entry["kind"]
    members = " ".join(
        f"{name}={_word(value)}" for name, value in entry.items() if name not in ("file", "kind")
    )
    return f"{'    ' if kind in ('record', 'marker') else '  '}{kind} {members}"


def _word(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(f"{each['name']}={_word(each['value'])}" for each in value) + "]"
    return repr(value) if isinstance(value, str) and (" " in value or not value) else str(value)
