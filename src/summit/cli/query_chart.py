"""Charts of a query's results: once, and on a terminal as they come."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from summit.cli.event_stream import ServerEvent

_WINDOWS_MAX: Final = 500
_EVERY_S: Final = 0.2
_HEIGHT: Final = 16

Choice = tuple[str | None, str | None]
Size = tuple[int | None, int | None]


def draw(
    results: Iterable[Mapping[str, Any]], query_id: str, choice: Choice, size: Size,
    *, as_svg: bool = False,
) -> str:  # fmt: skip
    """A picture of results.

    Args:
        choice: The metric, and what the names of groups hold; None = see `lines_of_results`.
        size: Width and height, in pixels or characters; None = as it fits.
    """
    from summit.charts import lines_of_results, svg, terminal

    metric, group = choice
    picture = lines_of_results(results, metric=metric, group=group)
    title = f"{query_id}: {picture.title}"
    width, height = size
    if as_svg:
        return svg(picture.lines, title=title, width=width or 800, height=height or 280)
    columns, rows = shutil.get_terminal_size((100, 24))
    return terminal(
        picture.lines, title=title, width=width or columns - 1,
        height=height or min(_HEIGHT, max(rows - 6, 3)), color=sys.stdout.isatty(),
    )  # fmt: skip


def show_chart(
    events: Iterable[ServerEvent], query_id: str, *, metric: str | None, group: str | None,
    count: int | None,
) -> None:  # fmt: skip
    """Draw results as they come; on a terminal in place, elsewhere one chart for each window.

    Args:
        count: End after so many windows that are over.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    windows = Windows()
    seen, drawn_s = 0, 0.0
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for event in events:
            if event.name not in ("result", "early"):
                continue
            windows.take(event.data)
            final = event.name == "result"
            seen += final
            now_s = time.monotonic()
            if not console.is_terminal:
                if final:
                    click.echo(draw(windows.all(), query_id, (metric, group), (None, None)))
            elif now_s - drawn_s >= _EVERY_S or seen == count:
                drawn_s = now_s
                text = draw(windows.all(), query_id, (metric, group), (None, None))
                live.update(Text.from_ansi(f"{text}\n{windows.last_anomaly}"), refresh=True)
            if seen == count:
                return


class Windows:
    """The last windows that were told, each as it was told last."""

    def __init__(self) -> None:
        self._windows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.last_anomaly = ""

    def take(self, result: dict[str, Any]) -> None:
        """Take one; what is over takes the place of what was told before."""
        window = result["window"]
        place = (window["start"], window["end"], result.get("keyGroup"))
        before = self._windows.get(place)
        if before is not None and before["final"] > result["final"]:
            return
        if before is not None and result["final"] > before["final"]:
            before = None
        groups = {str(each["keys"]): each for each in (before or {"groups": ()})["groups"]}
        groups |= {str(each["keys"]): each for each in result["groups"]}
        self._windows[place] = {**result, "groups": list(groups.values())}
        while len(self._windows) > _WINDOWS_MAX:
            self._windows.pop(next(iter(self._windows)))
        for each in result["groups"]:
            for name, said in each.get("watched", {}).items():
                anomaly = said.get("anomaly")
                if anomaly is not None and anomaly["flagged"]:
                    keys = ", ".join(map(str, each["keys"].values()))
                    self.last_anomaly = (
                        f"! {anomaly['severity']}: {name} {keys}: {anomaly['explanation']}"
                    )

    def all(self) -> list[dict[str, Any]]:
        """All of them, in the order in which they were told first."""
        return list(self._windows.values())
