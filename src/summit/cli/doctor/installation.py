"""What is set and what is stored: configuration files, the data directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from summit.base.config import environment
from summit.base.config_files import config_path, current_profile, layers, user_path
from summit.base.errors import Conflict, SummitError
from summit.cli.doctor.finding import Finding, fail, ok, warn


def configuration_findings() -> Iterator[Finding]:
    """Which files were read, and what is wrong with them."""
    from summit.cli.config import config_problems

    problems = config_problems()
    for problem in problems:
        yield fail("configuration", str(problem), problem.advice)
    if problems:
        return
    env = environment()
    read = [layer.name for layer in layers(env)]
    profile = current_profile(env)
    if read:
        yield ok("configuration", f"read {', '.join(read)}; profile {profile or 'none'}")
    else:
        yield ok("configuration", f"no files ({config_path(env)}, {user_path(env)}); defaults")


def data_findings(data_dir: str) -> Iterator[Finding]:
    """The state of a broker's data directory."""
    from summit.base.files import OsFiles
    from summit.log import layout

    check, place = "data directory", Path(data_dir).absolute()
    if not place.exists():
        yield ok(check, f"{place} is not there yet; a broker makes it")
        return
    if not place.is_dir():
        yield fail(check, f"{place} is not a directory", "Name another with --data-dir.")
        return
    if not os.access(place, os.W_OK):
        yield fail(check, f"{place} cannot be written", "Give it to the user that runs Summit.")
        return
    if not (place / layout.META).exists():
        if any(place.iterdir()):
            yield warn(check, f"{place} holds files and is no broker's data",
                       "Name an empty directory, or that of a broker.")  # fmt: skip
        else:
            yield ok(check, f"{place} is empty")
        return
    try:
        OsFiles().lock(str(place / ".lock")).release()
    except Conflict as error:
        yield ok(check, f"{place}: in use by process {error.details.get('pid')}")
        return
    except (OSError, SummitError) as error:
        yield warn(check, f"{place}: {error}", "See to the file .lock in it.")
        return
    if (place / layout.CLEAN_SHUTDOWN).exists():
        yield ok(check, f"{place}: closed cleanly")
    else:
        yield warn(
            check, f"{place} was not closed cleanly",
            "Nothing: the next start recovers it; `summit log verify` looks through it.",
        )  # fmt: skip
