"""`summit flow replay`: the past read again by rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import msgspec

from summit.cli.findings import found_text, show_finding
from summit.cli.output import bootstrap_option, counted, output_option, print_item, talk

if TYPE_CHECKING:
    from summit.flow.past_findings import Finding
    from summit.flow.replay import Replayed
    from summit.flow.replay_output import ReplayOutput

_TELL_S = 2.0


class When(click.ParamType[Any]):
    """A moment: RFC 3339, or so long ago."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from summit.base.clock import SystemClock
        from summit.base.errors import SummitError
        from summit.base.units import parse_duration_ms
        from summit.events.times import epoch_ms

        if isinstance(value, int):
            return value
        found = epoch_ms(value)
        if found is None:
            try:
                found = SystemClock().now_ms() - parse_duration_ms(value)
            except SummitError:
                self.fail(f"'{value}' is neither a time such as 2026-01-31T08:00:00Z nor a "
                          "duration such as 2h", param, ctx)  # fmt: skip
        return found


@click.command("replay")
@click.option("--topic", "-t", "topics", multiple=True, help="Only these topics; names or globs.")
@click.option(
    "--rule", "-r", "rule_ids", multiple=True, metavar="ID",
    help="Only these rules: an id; of others than patterns correlation:ID or query:ID.",
)  # fmt: skip
@click.option(
    "--rules", type=click.Choice(["recorded", "current"]), default="recorded", show_default=True,
    help="Those that acted in their day, or those in force now.",
)  # fmt: skip
@click.option("--since", type=When(), help="Begin there: a time, or so long ago (2h, 7d).")
@click.option("--until", type=When(), help="End there; by default at the end of now.")
@click.option(
    "--to", "target", metavar="TOPIC",
    help="Write what is found: with 'alerts' to the topics that workers write to, or beside them "
    "to a topic whose name begins with '_'.",
)  # fmt: skip
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True,
    help="Share the keys out among so many processes.",
)  # fmt: skip
@bootstrap_option
@output_option
def replay(
    topics: Sequence[str],
    rule_ids: Sequence[str],
    rules: Any,
    since: int | None,
    until: int | None,
    target: str | None,
    processes: int,
    bootstrap_servers: str,
    output: str | None,
) -> None:
    """Read the past again, as fast as it goes, and show what rules of any kind find in it.

    Nothing is changed: no group, no state. Alerts, correlated groups and results of queries are the
    same, with the same ids, as those that workers made of these records; --to writes those that are
    missing there.
    """
    from summit.flow.replay import Replay, ReplaySettings
    from summit.flow.replay_output import ReplayOutput as Output
    from summit.flow.replay_shards import ShardedReplay

    servers = bootstrap_servers.split(",")
    settings = ReplaySettings(
        servers=servers, topics=topics, rules=rules, rule_ids=rule_ids, since_ms=since,
        until_ms=until,
    )  # fmt: skip
    progress = Progress()

    def show(found: Sequence[Finding]) -> None:
        for one in found:
            show_finding(one, output)

    async def run() -> tuple[Replayed, ReplayOutput | None]:
        tell = partial(_tell, progress)
        replaying: Replay | ShardedReplay = Replay(settings, show, tell)
        if processes > 1:
            replaying = ShardedReplay(settings, processes, show, tell)
        async with AsyncExitStack() as stack:
            written = None
            if target is not None:
                written = await stack.enter_async_context(Output(servers, target))
            return await replaying.run(written), written

    done, written = asyncio.run(run())
    if output not in (None, "table"):
        summary = msgspec.to_builtins(done)
        if written is not None:
            summary |= {"written": written.written, "known": written.known}
        print_item({"replayed": summary}, output)
        return
    talk(f"{found_text(done)} in {counted(done.records, 'record')}, "
         f"{counted(done.phases, 'set')} of rules")  # fmt: skip
    if done.rejected or done.late:
        talk(f"{done.rejected} not processed, {done.late} late")
    if written is not None:
        where = "the workers' topics" if written.topic == "alerts" else written.topic
        talk(f"wrote {written.written} to {where}, where {written.known} were already")


def _tell(progress: Progress, done: Replayed) -> None:
    progress.tell(done, done)


class Progress:
    """Tells now and then how far a replay is."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def tell(self, done: Any, found: Any) -> None:
        """Say it, unless it was said a moment ago; `done` has `records` and `total`."""
        now = time.monotonic()
        if now - self._told >= _TELL_S and done.total:
            self._told = now
            part = min(100, 100 * done.records // done.total)
            talk(f"{part} %: {counted(done.records, 'record')}, {found_text(found)}")
