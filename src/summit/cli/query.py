"""`summit query`: the analytics queries in force, and their results, now or as they come."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from summit.cli.definitions import following
from summit.cli.output import (
    bootstrap_option,
    cell_text,
    counted,
    output_option,
    print_document,
    print_item,
    print_list,
    service_options,
    talk,
    time_text,
)


@click.group()
def query() -> None:
    """List analytics queries, show their results or follow them live."""


@query.command("list")
@bootstrap_option
@output_option
def list_queries(bootstrap_servers: str, output: str | None) -> None:
    """List the queries in force."""

    async def run() -> list[dict[str, Any]]:
        async with following(bootstrap_servers.split(",")) as definitions:
            return [_row(each) for each in definitions.log.registered("query")]

    columns = ["id", "revision", "enabled", "window", "groupBy", "metrics", "name"]
    print_list(asyncio.run(run()), columns, output)


@query.command("results")
@click.argument("query_id", metavar="QUERY")
@bootstrap_option
@click.option("-n", "--history", type=click.IntRange(1, 1000), default=1, show_default=True,
              help="So many windows, the newest first.")  # fmt: skip
@output_option
def results(query_id: str, bootstrap_servers: str, history: int, output: str | None) -> None:
    """Show the last windows of the query with id QUERY."""
    found = _read_results(query_id, bootstrap_servers, history)
    if print_document(found, output):
        return
    rows = [row for result in found for row in result_rows(result)]
    print_list(rows, _columns(rows), output)


@query.command("watch")
@click.argument("query_id", metavar="QUERY")
@service_options("correlation")
@click.option("-n", "--count", type=click.IntRange(1), default=None, help="End after so many.")
@click.option("--history", type=click.IntRange(0, 1000), default=None,
              help="So many of the last windows first; 200 for a chart, else none.")  # fmt: skip
@click.option("--early", is_flag=True, help="Windows as they stand, too; a chart has them always.")
@click.option("--chart/--lines", default=None, help="A chart; by default on a terminal.")
@click.option("--metric", default=None, help="What the chart shows; by default one with anomalies.")
@click.option("--group", default=None, help="Only groups whose name holds this, in the chart.")
@output_option
def watch(
    query_id: str, url: str, count: int | None, history: int | None, early: bool,
    chart: bool | None, metric: str | None, group: str | None, output: str | None,
) -> None:  # fmt: skip
    """Show the results of the query with id QUERY as they come, until Ctrl-C.

    On a terminal as a chart, with anomalies marked, else as lines; `-o json` for programs.
    """
    from summit.cli.event_stream import EventSource
    from summit.cli.query_chart import show_chart

    if chart is None:
        chart = output is None and sys.stdout.isatty()
    if history is None:
        history = 200 if chart else 0
    shows_early = str(early or chart).lower()
    path = f"/api/analytics/queries/{quote(query_id)}/live?history={history}&early={shows_early}"
    events = EventSource(url, path)
    with suppress(KeyboardInterrupt):
        if chart:
            show_chart(events, query_id, metric=metric, group=group, count=count)
            return
        talk(f"waiting for results of {query_id}; Ctrl-C ends it")
        seen = 0
        for event in events:
            if event.name not in ("result", "early"):
                talk(f"{event.name}: {event.data}")
                continue
            show_result(event.data, output)
            seen += 1
            if seen == count:
                return


@query.command("chart")
@click.argument("query_id", metavar="QUERY")
@bootstrap_option
@click.option("-n", "--history", type=click.IntRange(1, 1000), default=200, show_default=True,
              help="So many of the last windows.")  # fmt: skip
@click.option("--metric", default=None, help="By default one with anomalies, else the first.")
@click.option("--group", default=None, help="Only groups whose name holds this.")
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False), default=None,
              help="An SVG file, - for standard output; else characters.")  # fmt: skip
@click.option("--width", type=click.IntRange(20, 8000), default=None)
@click.option("--height", type=click.IntRange(3, 8000), default=None)
def chart(
    query_id: str, bootstrap_servers: str, history: int, metric: str | None, group: str | None,
    path: str | None, width: int | None, height: int | None,
) -> None:  # fmt: skip
    """Draw the last windows of the query with id QUERY, with their anomalies marked."""
    from summit.cli.query_chart import draw

    found = _read_results(query_id, bootstrap_servers, history)
    text = draw(found, query_id, (metric, group), (width, height), as_svg=path is not None)
    if path in (None, "-"):
        click.echo(text)
    else:
        Path(str(path)).write_text(text, encoding="utf-8")
        talk(f"{path}: {counted(len(found), 'window')}")


def _read_results(query_id: str, bootstrap_servers: str, history: int) -> list[dict[str, Any]]:
    """The last windows, the newest first. Raises Invalid("definition.unknown")."""

    async def run() -> list[dict[str, Any]]:
        servers = bootstrap_servers.split(",")
        async with following(servers) as definitions:
            definitions.get("query", query_id)
        follower = _follower(servers)
        try:
            await follower.start()
            found: list[dict[str, Any]] = follower.view.results(query_id, history)
            return found
        finally:
            await follower.stop()

    return asyncio.run(run())


def show_result(result: dict[str, Any], output: str | None) -> None:
    """Print one record's result: a JSON line, or a line for each group."""
    if print_item(result, output):
        return
    mark = "" if result.get("final", True) else "  (so far)"
    for row, group in zip(result_rows(result), result["groups"], strict=True):
        fields = " ".join(
            f"{name}={cell_text(value)}" for name, value in row.items() if name != "window"
        )
        click.echo(f"{row['window']}  {fields}{mark}")
        for name, said in group.get("watched", {}).items():
            if (anomaly := said.get("anomaly")) is not None and anomaly["flagged"]:
                click.echo(f"  ! {anomaly['severity']}: {name}: {anomaly['explanation']}")


def result_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each group of a result."""
    window = result["window"]
    when = f"{time_text(window['start'])}/{time_text(window['end'])}"
    return [
        {"window": when, **group["keys"], **group["metrics"], "count": group["count"]}
        for group in result["groups"]
    ]


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row)) or ["window", "count"]


def _row(definition: Any) -> dict[str, Any]:
    document = definition.document
    window = {name: value for name, value in document["window"].items() if name != "type"}
    text = " ".join([str(document["window"]["type"]), *map(str, window.values())])
    return {
        "id": definition.id, "revision": definition.version,
        "enabled": document.get("enabled", True), "window": text,
        "groupBy": ",".join(document.get("groupBy") or ()),
        "metrics": ",".join(metric["name"] for metric in document["metrics"]),
        "name": document.get("name", ""),
    }  # fmt: skip


def _follower(servers: list[str]) -> Any:
    from summit.journal.result_follower import ResultFollower

    return ResultFollower(servers, name="summit-cli-results")
