"""How the demo shows itself: live on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from summit.cli.output import print_json, talk

_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


class PlainView:
    """One line an alert, then one line of summary."""

    def welcome(self, addresses: Mapping[str, Any], decoys: int) -> None:
        """Say where things are."""
        talk(
            f"broker {addresses['broker']}, streaming {addresses['streaming']}, "
            f"correlation {addresses['correlation']}; {decoys} decoys among the traffic"
        )

    def alert(self, alert: Mapping[str, Any]) -> None:
        """Show one alert."""
        click.echo(f"{alert['severity']:<9} {alert['title']}")

    def progress(self, events: int, seconds: float, alerts: int) -> None:
        """Show how far it is."""

    def summary(self, summary: Mapping[str, Any], decoys: int) -> None:
        """Show the end."""
        click.echo(
            f"{summary['found']} of {summary['planted']} planted attacks found, "
            f"{decoys} decoys left alone, {summary['events']} events in {summary['seconds']} s"
            if not summary["unexpected"] else
            f"{summary['found']} of {summary['planted']} planted attacks found, but also: "
            + ", ".join(f"{rule} {key}" for rule, key in summary["unexpected"])
        )  # fmt: skip
        for rule, key in summary["missed"]:
            click.echo(f"missed: {rule} {key}")

    def close(self) -> None:
        """End the view."""


class JsonView(PlainView):
    """One object an alert, and a last one for the summary."""

    def alert(self, alert: Mapping[str, Any]) -> None:
        print_json(alert)

    def summary(self, summary: Mapping[str, Any], decoys: int) -> None:
        print_json({**summary, "decoys": decoys})


class LiveView(PlainView):
    """A table of the latest alerts over a line of counters, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._rows: list[tuple[str, str, str]] = []
        self._status = "starting"
        self._live = Live(
            self._render(), console=self._console, refresh_per_second=8, transient=True
        )
        self._live.start()

    def alert(self, alert: Mapping[str, Any]) -> None:
        self._rows.append((alert["severity"], alert["title"], alert["pattern"]))
        del self._rows[:-12]
        self._live.update(self._render())

    def progress(self, events: int, seconds: float, alerts: int) -> None:
        rate = events / seconds if seconds else 0
        self._status = f"{events:,} events  {rate:,.0f}/s  {alerts} alerts  (Ctrl-C ends it)"
        self._live.update(self._render())

    def summary(self, summary: Mapping[str, Any], decoys: int) -> None:
        self._live.console.print(
            f"[green]{summary['found']} of {summary['planted']} planted attacks found, "
            f"{decoys} decoys left alone"
            if not summary["unexpected"] and not summary["missed"]
            else f"[red]missed {summary['missed']}, not planted {summary['unexpected']}"
        )

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        for severity, title, pattern in self._rows:
            table.add_row(Text(severity, style=_COLOURS.get(severity, "")), title,
                          Text(pattern, style="dim"))  # fmt: skip
        return Group(table, Text(self._status, style="bold"))


def make_view(output: str | None) -> PlainView:
    """The view that fits standard output."""
    if output == "json":
        return JsonView()
    return LiveView() if sys.stdout.isatty() else PlainView()
