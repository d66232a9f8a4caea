"""What `summit detect` says: alerts on standard output, the rest on standard error."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from summit.cli.output import counted, plain, print_json, talk

_PROGRESS_BYTES_MIN = 8 << 20  # below this a bar would only flicker


class Report:
    """Shows one run.

    Args:
        output: `text` or `json`.

    Attributes:
        severities: How many alerts of each were shown.
        paths: The name of each file by its identity in `summit.src`.
    """

    def __init__(self, output: str) -> None:
        self._output = output
        self.severities: Counter[str] = Counter()
        self.paths: dict[str, str] = {}

    def alert(self, row: dict[str, Any]) -> None:
        """Show one alert, given as its JSON form."""
        self.severities[row["severity"]] += 1
        for evidence in row.get("evidence", ()):
            evidence.update(self._place(evidence.get("src")))
        row["first"], row["last"] = row.get("firstSeen"), row.get("lastSeen")
        row["rule"] = row.get("pattern")
        if self._output == "json":
            print_json(row)
            return
        severity = click.style(f"{row['severity']:<9}", bold=row["severity"] == "critical")
        click.echo(f"{severity} {plain(row['title'])}")
        click.echo(f"          rule {row['rule']}, key {plain(_key_text(row.get('key')))}, "
                   f"{_time(row['first'])} to {_time(row['last'])}")  # fmt: skip
        for evidence in row.get("evidence", ()):
            where = f"{evidence.get('file', '')} at byte {evidence.get('fileOffset', '?')}"
            click.echo(f"          {evidence['step']:<10} {where}")

    def unreadable(self, name: str, lines: int, reason: str) -> None:
        """Say that lines of a file are no events."""
        were = "line is not an event" if lines == 1 else "lines are not events; the last"
        talk(f"{name}: {lines} {were}: {plain(reason)}")

    def left_out(self, kinds: Mapping[str, int]) -> None:
        """Say which documents do not act here."""
        if kinds:
            named = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(kinds.items()))
            talk(f"left out, as they do nothing for files: {named}")

    def not_used(self, reasons: Mapping[str, int], faulty: Mapping[str, str]) -> None:
        """Say which rules could not act, and why events reached none of those they concern."""
        for name, reason in sorted(faulty.items()):
            talk(f"{name} cannot act: {reason}")
        for code, count in sorted(reasons.items()):
            talk(f"{counted(count, 'event')} not used: {code}")

    def summary(self, events: int, files: int, rejected: int, seconds: float) -> None:
        """Show the end."""
        counts = ", ".join(f"{n} {name}" for name, n in self.severities.most_common()) or "none"
        talk(
            f"{counted(events, 'event')} from {counted(files, 'file')} in {seconds:.1f} s; "
            f"alerts: {counts}"
            + (f"; {counted(rejected, 'line')} could not be read" if rejected else "")
        )

    async def progress(self, done: Awaitable[Any], name: str, collector: Any) -> None:
        """Wait until a collector is done, with a bar for a large file on a terminal."""
        waiting = asyncio.ensure_future(done)
        total = collector.progress().bytes_total
        if total < _PROGRESS_BYTES_MIN or not sys.stderr.isatty():
            await waiting
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name.rpartition("/")[2], total=total)
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.1)
                bar.update(task, completed=collector.progress().bytes_read)
        await waiting

    def _place(self, src: str | None) -> dict[str, Any]:
        parts = (src or "").split(":")
        if len(parts) != 4 or parts[1] not in self.paths:
            return {}
        return {"file": self.paths[parts[1]], "fileOffset": int(parts[2])}


def _key_text(key: Any) -> str:
    if isinstance(key, Mapping):
        return ", ".join(f"{name}={value}" for name, value in key.items()) or "none"
    return str(key)


def _time(ms: Any) -> str:
    if not isinstance(ms, int):
        return "?"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
