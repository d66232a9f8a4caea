"""`summit broker backup`, `verify` and `restore`: a data directory copied whole, and made anew."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from summit.cli.output import counted, output_option, print_document, print_list, talk, time_text

_EXIT_DAMAGED = 1

_DATA_DIR = click.option(
    "--data-dir", default="./summit-data", envvar=["SUMMIT_DATA_DIR", "DATA_DIR"],
    show_default=True, help="The data directory.",
)  # fmt: skip


@click.command("backup")
@click.argument("target", metavar="DIR")
@_DATA_DIR
@click.option(
    "--log-dir", "log_dirs", multiple=True,
    help="Where a broker that does not run keeps partitions elsewhere; may be repeated.",
)  # fmt: skip
@output_option
def backup(target: str, data_dir: str, log_dirs: Sequence[str], output: str | None) -> None:
    """Copy a broker's data to DIR, which is empty or not there yet; the broker may be running.

    The copy is of one moment: whole transactions, and no group's offset ahead of the records. A
    running broker makes it itself; that of a stopped one is made here.
    """
    from summit.base.clock import SystemClock
    from summit.base.errors import Conflict
    from summit.base.files import OsFiles
    from summit.base.rand import Rand
    from summit.broker.backing_up import back_up_stopped
    from summit.broker.backup_request import ask

    target, data_dir = os.path.abspath(target), os.path.abspath(data_dir)
    try:
        made = back_up_stopped(data_dir, log_dirs, target, SystemClock(), lambda size: None)
        count, size = len(made.files), made.size_bytes
    except Conflict as error:
        if error.code != "disk.locked":
            raise
        answer = asyncio.run(ask(OsFiles(), data_dir, target, Rand()))
        count, size = answer.files, answer.done_bytes
    _say({"backup": target, "files": count, "bytes": size}, "backed up to", target, output)


@click.command("verify")
@click.argument("source", metavar="BACKUP")
@output_option
def verify(source: str, output: str | None) -> None:
    """Compare every file of BACKUP with its checksum and tell what it holds; nothing is written.

    Ends with 1 where something is damaged or missing.
    """
    from summit.base.files import ReadOnlyFiles
    from summit.log.backup_report import report_backup

    source = os.path.abspath(source)
    manifest, topics, problems = report_backup(ReadOnlyFiles(), source, lambda size: None)
    held = [
        {"topic": each.topic, "partitions": each.partitions, "offsets": each.offsets,
         "bytes": each.size_bytes}
        for each in topics
    ]  # fmt: skip
    figures = {"backup": source, "takenMs": manifest.taken_ms, "files": len(manifest.files),
               "bytes": manifest.size_bytes}  # fmt: skip
    whole = {**figures, "topics": held, "problems": problems}
    if output == "csv" or not print_document(whole, output):
        print_list(held, ("topic", "partitions", "offsets", "bytes"), output)
    for problem in problems:
        talk(problem)
    if problems:
        talk(f"{counted(len(problems), 'problem')} found: {source} cannot be restored")
        sys.exit(_EXIT_DAMAGED)
    size = f"{counted(len(manifest.files), 'file')}, {manifest.size_bytes} bytes"
    talk(f"sound: {size}, taken {time_text(manifest.taken_ms)}")


@click.command("restore")
@click.argument("source", metavar="BACKUP")
@_DATA_DIR
@output_option
def restore(source: str, data_dir: str, output: str | None) -> None:
    """Make a data directory, empty or not there yet, of BACKUP; then start a broker over it.

    Every file's checksum is compared before anything is written.
    """
    from summit.base.files import OsFiles, ReadOnlyFiles
    from summit.log.backup import restore_backup

    data_dir = os.path.abspath(data_dir)
    made = restore_backup(
        ReadOnlyFiles(), os.path.abspath(source), OsFiles(), data_dir, lambda size: None
    )
    figures = {"dataDir": data_dir, "files": len(made.files), "bytes": made.size_bytes}
    _say(figures, "restored to", data_dir, output)


def _say(figures: dict[str, Any], verb: str, where: str, output: str | None) -> None:
    if print_document(figures, output):
        return
    talk(f"{verb} {where}: {counted(figures['files'], 'file')}, {figures['bytes']} bytes")


COMMANDS = (backup, verify, restore)
