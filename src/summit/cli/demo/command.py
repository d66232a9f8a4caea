"""`summit demo`: starts everything, plays traffic with planted attacks, shows them found."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from summit.base.clock import Clock, SystemClock
from summit.cli.demo.feeder import Feeder
from summit.cli.demo.stage import Stage
from summit.cli.demo.traffic import Scenario
from summit.cli.demo.verdict import Verdict
from summit.cli.demo.view import PlainView, make_view

ROUND_S = 12.0  # wall time of a round; its event time is ten minutes
MATCH_TIMEOUT_S = 45.0
ROUNDS_MAX = 100
_DAY_MS = 86_400_000


@click.command()
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Every choice follows from it; 0 is a day without attacks.",
)
@click.option(
    "--once",
    is_flag=True,
    help="End after one round; the exit code says whether exactly the planted attacks "
    "were found. So it is without a terminal.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Keep the log and the broker's data in this directory, which must be empty.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default=None,
    help="json: one line per alert and a last one with the summary.",
)
def demo(seed: int, once: bool, data_dir: Path | None, output: str | None) -> None:
    """Show planted attacks found in realistic traffic."""
    from summit.base.logs import configure

    configure("warning")
    once = once or not sys.stdout.isatty() or output == "json"
    if data_dir is not None and data_dir.exists() and any(data_dir.iterdir()):
        raise click.BadParameter(f"{data_dir} is not empty", param_hint="--data-dir")
    with tempfile.TemporaryDirectory(prefix="summit-demo-") as temporary:
        directory = data_dir or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        exact = asyncio.run(_run(directory, seed, once=once, view=make_view(output)))
    sys.exit(0 if exact else 1)


async def _run(directory: Path, seed: int, *, once: bool, view: PlainView) -> bool:
    clock = SystemClock()
    stage = Stage(directory)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    base_ms = (clock.now_ms() - _DAY_MS) // 1000 * 1000
    first = asyncio.ensure_future(asyncio.to_thread(_scenario, seed, base_ms, 0))
    try:
        await stage.start()
        show = _Show(stage, view, clock, stopping)
        return await show.run(seed, base_ms, first, rounds=1 if once else ROUNDS_MAX)
    finally:
        await asyncio.wait([first])
        view.close()
        await stage.stop()


class _Show:
    """Plays round after round and keeps the view up to date."""

    def __init__(
        self, stage: Stage, view: PlainView, clock: Clock, stopping: asyncio.Event
    ) -> None:
        self._stage = stage
        self._view = view
        self._clock = clock
        self._stopping = stopping
        self._feeder = Feeder(stage.log_path, stage.urls, clock)
        self._shown: set[str] = set()
        self._start_ms = clock.monotonic_ms()

    async def run(
        self, seed: int, base_ms: int, first: asyncio.Future[Scenario], rounds: int
    ) -> bool:
        """Play; True when every completed round found exactly what was planted.

        Args:
            first: The scenario of the first round, which is made while the system starts.
        """
        planted = []
        decoys = 0
        exact = True
        for label in range(rounds):
            scenario = await (first if label == 0 else asyncio.to_thread(
                _scenario, seed, base_ms, label
            ))  # fmt: skip
            if label == 0:
                self._view.welcome(self._stage.addresses, scenario.decoys)
            planted += scenario.planted
            decoys += scenario.decoys
            if not await self._play(scenario):
                break
            await self._stage.wait_matched(
                self._feeder.sent, self._feeder.log_bytes, MATCH_TIMEOUT_S
            )
            alerts = await self._show_new()
            verdict = Verdict(planted, alerts)
            exact = exact and verdict.exact
            summary = {
                "events": self._feeder.events, "alerts": verdict.alerts,
                "planted": verdict.planted, "found": verdict.found,
                "seconds": round((self._clock.monotonic_ms() - self._start_ms) / 1000, 1),
                "missed": verdict.missed, "unexpected": verdict.unexpected,
            }  # fmt: skip
            self._view.summary(summary, decoys)
        return exact

    async def _play(self, scenario: Scenario) -> bool:
        """Play one round; False when it was interrupted."""
        playing = asyncio.ensure_future(asyncio.to_thread(self._feeder.play, scenario, ROUND_S))
        while not playing.done():
            await asyncio.wait({playing}, timeout=0.3)
            if self._stopping.is_set():
                self._feeder.stop()
            await self._show_new()
        if self._feeder.error is not None:
            raise self._feeder.error
        return not self._stopping.is_set()

    async def _show_new(self) -> list[dict[str, object]]:
        alerts = await self._stage.alerts()
        for alert in alerts:
            if alert["id"] not in self._shown:
                self._shown.add(alert["id"])
                self._view.alert(alert)
        seconds = (self._clock.monotonic_ms() - self._start_ms) / 1000
        self._view.progress(self._feeder.events, seconds, len(alerts))
        return alerts


def _scenario(seed: int, base_ms: int, label: int) -> Scenario:
    return Scenario(seed, base_ms + label * 600_000, label=label)
