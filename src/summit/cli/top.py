"""`summit top`: rates, lags, alerts and collectors, live on a terminal, once elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import click

from summit.cli.output import (
    bootstrap_option,
    cell_text,
    output_option,
    print_item,
    service_options,
    talk,
    time_text,
)

_GROUPS_MAX: Final = 12
_TIMEOUT_S: Final = 5.0
_SEVERITIES: Final = ("critical", "high", "medium", "low", "info")
_COLOURS: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
_WELL: Final = ("running", "paused", "stopped")


@click.command()
@bootstrap_option
@service_options("streaming")
@click.option("--correlation-url", default=None, help="The event correlation service.")
@click.option("--once", is_flag=True, help="Show it once; so it is without a terminal.")
@click.option("--every", type=click.FloatRange(0.2), default=1.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@output_option
def top(
    bootstrap_servers: str, url: str, correlation_url: str | None, once: bool, every: float,
    output: str | None,
) -> None:  # fmt: skip
    """Show rates, lags, alerts and collectors live, until Ctrl-C.

    What does not answer is named; the rest is shown all the same. With -o jsonl an object each
    time.
    """
    from summit.base.logs import configure
    from summit.cli.profiles import client_settings

    configure("error")
    urls = {"streaming": url, "correlation": correlation_url or client_settings().correlation_url}
    machine = output not in (None, "table")
    streams = output == "jsonl"
    alone = once or (not streams and (machine or not sys.stdout.isatty()))
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(bootstrap_servers, urls, output, every, once=alone))


async def _run(
    servers: str, urls: Mapping[str, str], output: str | None, every: float, *, once: bool
) -> None:
    from rich.console import Console
    from rich.live import Live

    looking = _Looking(servers, urls)
    try:
        if once or output == "jsonl":
            while True:
                seen = await looking.look()
                if not print_item(seen, output):
                    Console(highlight=False).print(picture(seen))
                    for problem in seen["problems"]:
                        talk(problem)
                if once:
                    return
                await asyncio.sleep(every)
        with Live(screen=True, auto_refresh=False) as live:
            while True:
                live.update(picture(await looking.look(), live=True), refresh=True)
                await asyncio.sleep(every)
    finally:
        await looking.close()


class _Looking:
    """Asks the broker and both services; what fails is a line of `problems`."""

    def __init__(self, servers: str, urls: Mapping[str, str]) -> None:
        self._servers = servers
        self._urls = urls
        self._admin: Any = None

    async def look(self) -> dict[str, Any]:
        """One snapshot, in the names of the wire."""
        problems: list[str] = []
        metrics, stats, groups = await asyncio.gather(
            self._service("streaming", "/api/metrics", problems),
            self._service("correlation", "/api/stats", problems),
            self._groups(problems),
        )
        rates = {name: value for name, value in metrics.items() if not isinstance(value, dict)}
        collectors = metrics.get("collectors") or {}
        return {
            "time": time_text(_now_ms()),
            "broker": {name: value for name, value in rates.items() if name != "groups"},
            "worker": metrics.get("worker"),
            "groups": groups,
            "alerts": stats,
            "collectors": [{"name": name, **each} for name, each in collectors.items()],
            "problems": problems,
        }

    async def close(self) -> None:
        """Let go of the broker."""
        if self._admin is not None:
            await self._admin.close()

    async def _service(self, name: str, path: str, problems: list[str]) -> dict[str, Any]:
        from summit.base.errors import SummitError
        from summit.cli.rest import dialled

        def ask() -> Any:
            rest = dialled(self._urls[name], timeout_s=_TIMEOUT_S)
            try:
                return rest.get(path)
            finally:
                rest.close()

        try:
            answer = await asyncio.to_thread(ask)
        except SummitError as error:
            problems.append(str(error))
            return {}
        return answer if isinstance(answer, dict) else {}

    async def _groups(self, problems: list[str]) -> list[dict[str, Any]]:
        from summit.base.errors import SummitError
        from summit.cli.group import committed_rows
        from summit.client.admin import Admin

        try:
            if self._admin is None:
                config = {"clientId": "summit-top", "bootstrapServers": self._servers.split(","),
                          "connectTimeoutMs": 3_000, "requestTimeoutMs": 5_000}  # fmt: skip
                admin = Admin(config)
                await admin.connect()
                self._admin = admin
            rows = []
            for name in await self._admin.list_groups():
                lags = [row["lag"] or 0 for row in await committed_rows(self._admin, name)]
                rows.append({"group": name, "lag": sum(lags), "partitions": len(lags)})
        except SummitError as error:
            problems.append(str(error))
            return []
        return sorted(rows, key=lambda row: (-int(row["lag"]), str(row["group"])))


def picture(seen: Mapping[str, Any], *, live: bool = False) -> Any:
    """A snapshot for people."""
    from rich.columns import Columns
    from rich.console import Group
    from rich.text import Text

    broker, worker, alerts = seen["broker"], seen["worker"] or {}, seen["alerts"]
    rates = [
        ("in", _rate(broker.get("messagesInPerSec")), "records/s"),
        ("", _rate(broker.get("bytesInPerSec")), "bytes/s"),
        ("out", _rate(broker.get("messagesOutPerSec")), "records/s"),
        ("", _rate(broker.get("bytesOutPerSec")), "bytes/s"),
        ("short of copies", cell_text(broker.get("underReplicatedPartitions")), "partitions"),
    ]
    work = [("workers", cell_text(worker.get("members")), ""),
            ("behind", cell_text(worker.get("lagRecords")), "records")]  # fmt: skip
    by_severity = alerts.get("alertsBySeverity") or {}
    told = [(name, str(by_severity.get(name, 0)), "") for name in _SEVERITIES
            if name in by_severity or name in _SEVERITIES[:3]]  # fmt: skip
    told += [("open", cell_text(alerts.get("openAlerts")), ""),
             ("sequences", cell_text(alerts.get("activeSequences")), "")]  # fmt: skip
    parts: list[Any] = [
        Text.assemble(("summit top", "bold"), f"  {seen['time']}"
                      + ("  Ctrl-C ends it" if live else "")),
        Columns([_table("broker", rates), _table("workers", work), _table("alerts", told)],
                padding=(0, 4)),
    ]  # fmt: skip
    groups = seen["groups"]
    parts.append(_rows("groups", ["group", "lag", "partitions"], groups[:_GROUPS_MAX]))
    if len(groups) > _GROUPS_MAX:
        parts.append(Text(f"and {len(groups) - _GROUPS_MAX} more groups", style="dim"))
    if seen["collectors"]:
        columns = ["name", "state", "acceptedPerSec", "accepted", "rejected", "deadLetters"]
        parts.append(_rows("collectors", columns, seen["collectors"]))
    if live:
        parts += [Text(problem, style="red") for problem in seen["problems"]]
    return Group(*parts)


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, title=title, title_justify="left",
                  title_style="bold")  # fmt: skip
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, value, unit in rows:
        style = _COLOURS.get(name, "") if value not in ("0", "-") else ""
        table.add_row(Text(name, style=style), Text(value, style=style), Text(unit, style="dim"))
    return table


def _rows(title: str, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, title=title, title_justify="left",
                  title_style="bold", header_style="dim")  # fmt: skip
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number > 1 or column == "lag" else "left")
    for row in rows:
        bad = row.get("state") not in (None, *_WELL)
        cells = [Text(_number(row.get(column)), style="red" if bad else "") for column in columns]
        table.add_row(*cells)
    return table


def _rate(value: Any) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _number(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else cell_text(value)


def _now_ms() -> int:
    from summit.base.clock import SystemClock

    return SystemClock().now_ms()
