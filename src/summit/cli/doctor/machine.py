"""The machine: Python and packages, files, memory, clock, ports, the disk under the data."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Final

from summit import __version__
from summit.cli.doctor.finding import Finding, fail, ok, warn

FILES_MIN: Final = 1_024
FILES_WANTED: Final = 8_192  # partitions hold three files each, connections one
FREE_SHARE_WANTED: Final = 0.15
FREE_BYTES_MIN: Final = 256 << 20  # two files of the write-ahead log and some segments
SYNCS: Final = 20
SYNC_MS_WANTED: Final = 20.0
MEMORY_WANTED: Final = 256 << 20
_DISTRIBUTION: Final = "summit-streams"
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:>=\s*([0-9.]+))?")
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([a-z0-9-]+)['\"]")
_CLOCK_UNSYNCHRONIZED: Final = 5  # of adjtimex
_INTERNAL_EXTRAS: Final = ("dev",)


def machine_findings(data_dir: str) -> Iterator[Finding]:
    """Everything about the machine but its ports.

    Args:
        data_dir: Where a broker's data is or would be.
    """
    yield ok("python", f"{platform.python_version()} at {sys.executable}; Summit {__version__}")
    yield from packages()
    yield open_files()
    yield memory()
    yield clock()
    yield from disk(data_dir)


def packages() -> Iterator[Finding]:
    """What the installed distribution needs, and which extras are there."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield warn("packages", "Summit is not installed as a package here",
                   "Install it with pip; extras cannot be told without.")  # fmt: skip
        return
    wrong: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in lines:
        text, _, marker = line.partition(";")
        extra = _EXTRA.search(marker)
        if extra is None:
            wrong += _missing(text)
        elif extra[1] not in _INTERNAL_EXTRAS:
            extras.setdefault(extra[1], []).extend(_missing(text))
    if wrong:
        yield fail("packages", ", ".join(wrong), f"pip install --upgrade {_DISTRIBUTION}")
    else:
        yield ok("packages", "all that is needed is installed")
    there = sorted(name for name, lacks in extras.items() if not lacks)
    lacking = sorted(name for name, lacks in extras.items() if lacks)
    text = f"installed: {', '.join(there) or 'none'}"
    if lacking:
        text += f"; not: {', '.join(lacking)} (pip install '{_DISTRIBUTION}[NAME]' adds one)"
    yield ok("extras", text)


def _missing(requirement: str) -> list[str]:
    """Why a requirement is not met; empty when it is."""
    found = _REQUIREMENT.match(requirement.strip())
    if found is None:
        return []
    name, least = found.groups()
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return [f"{name} is missing"]
    if least and _numbers(version) < _numbers(least):
        return [f"{name} is {version}, {least} is needed"]
    return []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def open_files() -> Finding:
    """How many files a process may hold open."""
    try:
        import resource
    except ImportError:
        return ok("open files", "the system sets no limit that matters")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES_WANTED:
        return ok("open files", f"{soft} for each process")
    text = f"only {soft} for each process (at most {hard})"
    advice = f"Raise it: ulimit -n {FILES_WANTED}, or LimitNOFILE= of the service."
    return fail("open files", text, advice) if soft < FILES_MIN else warn(
        "open files", text, advice
    )  # fmt: skip


def memory() -> Finding:
    """What is left of the memory."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return ok("memory", "the system does not tell")
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    free = int(found[1]) * 1024 if found else 0
    if found and free < MEMORY_WANTED:
        return warn(
            "memory", f"{size_text(free)} available",
            "Stop something, or give the machine more: the least system takes 150 MB.",
        )  # fmt: skip
    return ok("memory", f"{size_text(free)} available")


def clock() -> Finding:
    """Whether the kernel thinks its clock is right: event time and leases go by it."""
    if not sys.platform.startswith("linux"):
        return ok("clock", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError, AttributeError):
        buffer = ctypes.create_string_buffer(512)  # struct timex, modes 0: only read
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
        if state == _CLOCK_UNSYNCHRONIZED:
            return warn(
                "clock", f"{now}, not synchronized as far as the kernel knows",
                "Run chrony or systemd-timesyncd, unless the host keeps the time.",
            )  # fmt: skip
        if state >= 0:
            return ok("clock", f"{now}, synchronized")
    return ok("clock", now)


def disk(data_dir: str) -> Iterator[Finding]:
    """Space under the data, and how long a sync takes there."""
    place = Path(data_dir).absolute()
    while not place.exists():
        place = place.parent
    total, _, free = shutil.disk_usage(place)
    text = f"{size_text(free)} of {size_text(total)} free under {place}"
    if free < FREE_BYTES_MIN:
        yield fail("disk space", text, "Free space: a broker refuses writes on a full disk.")
    elif total and free / total < FREE_SHARE_WANTED:
        yield warn("disk space", text, "Free space, or lower retentionMs of large topics.")
    else:
        yield ok("disk space", text)
    try:
        each_ms = sync_ms(place)
    except OSError as error:
        reason = error.strerror or str(error)
        yield fail("disk sync", f"{place}: {reason}", "Name a data directory that can be written.")
        return
    text = f"{each_ms:.2f} ms for each fdatasync of 4 KiB (median of {SYNCS})"
    if each_ms > SYNC_MS_WANTED:
        yield warn("disk sync", text, "Each acknowledged write waits so long: use a local SSD, or"
                   " durability interval where some loss is allowed.")  # fmt: skip
    else:
        yield ok("disk sync", text)


def sync_ms(directory: Path) -> float:
    """The median time of a small write that reaches the disk."""
    times: list[float] = []
    sync = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(dir=directory, prefix=".summit-doctor-") as file:
        for _ in range(SYNCS):
            begin = time.perf_counter()
            os.write(file.fileno(), b"\0" * 4_096)
            sync(file.fileno())
            times.append(1_000 * (time.perf_counter() - begin))
    return sorted(times)[SYNCS // 2]


def ports(wanted: Sequence[tuple[str, str, int, bool]]) -> Iterator[Finding]:
    """Whether the ports are free, or ours.

    Args:
        wanted: For each a name, host, port, and whether what listens there is ours.
    """
    for name, host, port, ours in wanted:
        check = f"port {port}"
        if port == 0:
            continue
        if ours:
            yield ok(check, f"the {name} listens there")
            continue
        try:
            with socket.create_server((host, port), reuse_port=False):
                yield ok(check, f"free for the {name}")
        except OSError as error:
            yield fail(check, f"{host}:{port} cannot be taken for the {name}: {error.strerror}",
                       f"Stop what listens there, or give the {name} another port.")  # fmt: skip


def size_text(count: float) -> str:
    """Bytes for people.

    >>> size_text(5 << 30)
    '5.0 GiB'
    """
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
