"""`summit query`: the analytics queries in force, and their results, now or as they come."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

import click

from summit.cli.definitions import following
from summit.cli.output import (
    bootstrap_option,
    cell_text,
    output_option,
    print_json,
    print_list,
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

    found = asyncio.run(run())
    if output == "json":
        print_json(found)
        return
    rows = [row for result in found for row in result_rows(result)]
    print_list(rows, _columns(rows), output)


@query.command("watch")
@click.argument("query_id", metavar="QUERY")
@bootstrap_option
@click.option("-n", "--count", type=click.IntRange(1), default=None, help="End after so many.")
@output_option
def watch(query_id: str, bootstrap_servers: str, count: int | None, output: str | None) -> None:
    """Print the results of the query with id QUERY as its windows end, until Ctrl-C."""

    async def run() -> None:
        waiting: asyncio.Queue[Any] = asyncio.Queue()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, waiting.put_nowait, None)
        servers = bootstrap_servers.split(",")
        async with following(servers) as definitions:
            definitions.get("query", query_id)
        follower = _follower(servers)
        try:
            await follower.start()
            follower.on("result", waiting.put_nowait)
            talk(f"waiting for results of {query_id}; Ctrl-C ends it")
            seen = 0
            while seen != count and (result := await waiting.get()) is not None:
                if result["queryId"] == query_id:
                    show_result(result, output)
                    seen += 1
        finally:
            await follower.stop()

    asyncio.run(run())


def show_result(result: dict[str, Any], output: str | None) -> None:
    """Print one record's result: a JSON line, or a line for each group."""
    if output == "json":
        print_json(result)
        return
    for row in result_rows(result):
        fields = " ".join(
            f"{name}={cell_text(value)}" for name, value in row.items() if name != "window"
        )
        click.echo(f"{row['window']}  {fields}")


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
