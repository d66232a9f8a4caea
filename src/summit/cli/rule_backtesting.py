"""`summit rules backtest`: what a rule, or two versions of it, would have found in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from summit.cli.findings import finding_row, found_text, show_finding
from summit.cli.output import bootstrap_option, counted, output_option, print_item, talk, time_text
from summit.cli.replay import Progress, When
from summit.cli.rule_source import ALL_KINDS, find_rule

if TYPE_CHECKING:
    from summit.flow.backtest import Backtested, Raised
    from summit.flow.comparing import Difference

_BAR = 40
_SIGNS = {"both": " ", "onlyA": "<", "onlyB": ">"}


@click.command("backtest")
@click.argument("rule")
@click.option(
    "--topic", "-t", "topics", multiple=True,
    help="Names or globs; read whatever the rule's own topics are. Default: those.",
)  # fmt: skip
@click.option("--since", type=When(), help="Begin there: a time, or so long ago (2h, 7d).")
@click.option("--until", type=When(), help="End there; by default at the end of now.")
@click.option(
    "--against", metavar="RULE|REVISION",
    help="Compare with another version: a file, an id, ID@REVISION, or a revision of RULE.",
)  # fmt: skip
@click.option("--show", type=click.Choice(["differences", "all", "none"]), default="differences",
              show_default=True, help="What to print; without --against all.")  # fmt: skip
@bootstrap_option
@output_option
def backtest(
    rule: str,
    topics: Sequence[str],
    since: int | None,
    until: int | None,
    against: str | None,
    show: str,
    bootstrap_servers: str,
    output: str | None,
) -> None:
    """Run RULE over the past and count what it finds; nothing is changed or written.

    RULE is a file (FILE#ID for one of several), the id of a rule in force, or ID@REVISION; a
    pattern, a correlation or a query (correlation:ID and query:ID where several kinds have the id).
    With --against, alerts and groups of two versions that share an event are the same, and results
    that share a group of a window: '<' marks what only RULE finds, '>' what only the other does.
    """
    from summit.flow.backtest import Backtest, BacktestSettings
    from summit.flow.spans import Range

    servers = bootstrap_servers.split(",")

    def told(found: Difference) -> None:
        if show == "none" or (show == "differences" and found.kind == "both"):
            return
        _show(found, output, compared=against is not None)

    async def run() -> tuple[list[str], Backtested]:
        one = await find_rule(servers, rule, kinds=ALL_KINDS)
        other = None
        if against is not None:
            other = await find_rule(servers, against, of=one, kinds=ALL_KINDS)
        settings = BacktestSettings(
            servers=servers, plan=one.document.plan,
            against=None if other is None else other.document.plan,
            range=Range(topics=topics, since_ms=since, until_ms=until),
        )  # fmt: skip
        labels = [one.label] if other is None else [one.label, other.label]
        progress = Progress()
        done = await Backtest(settings, told, lambda so_far: progress.tell(so_far, so_far.a)).run()
        return labels, done

    labels, done = asyncio.run(run())
    if print_item({"backtested": {"rules": labels, **msgspec.to_builtins(done)}}, output):
        return
    _summary(labels, done)


def _show(found: Difference, output: str | None, *, compared: bool) -> None:
    one = found.a if found.a is not None else found.b
    assert one is not None
    if output not in (None, "table"):
        sides = {"a": found.a, "b": found.b}
        rows = {name: finding_row(each) for name, each in sides.items() if each is not None}
        print_item({"difference": found.kind, **rows} if compared else rows["a"], output)
        return
    if compared:
        click.echo(f"{_SIGNS[found.kind]} ", nl=False)
    show_finding(one, output)


def _summary(labels: Sequence[str], done: Backtested) -> None:
    talk(counted(done.records, "record") + " read")
    if done.rejected or done.late:
        talk(f"{done.rejected} not processed, {done.late} late")
    for label, raised in zip(labels, (done.a, done.b), strict=False):
        if raised is not None:
            _over_time(label, raised)
    if done.both is not None:
        click.echo(
            f"both {done.both}, only {labels[0]} {done.only_a}, only {labels[1]} {done.only_b}"
        )


def _over_time(label: str, raised: Raised) -> None:
    severities = ", ".join(f"{count} {name}" for name, count in sorted(raised.severities.items()))
    click.echo(f"{label}: {found_text(raised)}" + f" ({severities})" * bool(severities))
    most = max((count for _, count in raised.over_time), default=1)
    for begin, count in raised.over_time:
        bar = "#" * max(1, round(_BAR * count / most))
        click.echo(f"  {time_text(begin)}  {bar} {count}")
