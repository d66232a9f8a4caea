"""What becomes of a file when all of it is written: moved away, or deleted."""

from __future__ import annotations

import os
import shutil

from summit.base.errors import Invalid
from summit.ingest.files.settings import FileOptions
from summit.ingest.files.source import SourceFile, place_of


def finish_file(file: SourceFile, stamp: tuple[int, int], options: FileOptions) -> None:
    """Move or delete a file, unless it has changed since `stamp` or another one has its name.

    Raises: Invalid("collector.file_unfinished").
    """
    path = file.path
    if file.stamp() != stamp or place_of(path) != file.place:
        return
    try:
        if options.after == "delete":
            os.unlink(path)
            return
        target = os.path.abspath(options.move_to or "")
        if os.path.dirname(os.path.abspath(path)) == target:
            return  # it was moved before
        os.makedirs(target, exist_ok=True)
        shutil.move(path, _free_name(os.path.join(target, os.path.basename(path))))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Invalid("collector.file_unfinished", path=path, reason=reason) from error


def _free_name(path: str) -> str:
    """The name, or with a number behind it where it is taken."""
    name, number = path, 0
    while os.path.lexists(name):
        number += 1
        name = f"{path}.{number}"
    return name
