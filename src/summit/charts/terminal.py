"""Series for a terminal: Braille dots with axes and marks, or one row of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unicodedata import combining, east_asian_width

from summit.charts.lines import Line, columns, extent, known
from summit.charts.scales import time_text, value_text, value_ticks

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLOCKS = "▁▂▃▄▅▆▇█"
_ANSI = ("34", "33", "32", "35", "36", "92", "95", "37")
_ANSI_MARK = "1;31"
_WIDTH_MIN, _HEIGHT_MIN = 20, 3


def terminal(
    lines: Sequence[Line], *, width: int = 80, height: int = 12, title: str = "",
    color: bool = False, ascii_only: bool = False,
) -> str:  # fmt: skip
    """A chart of exactly `height` rows and a row of times, none wider than `width` characters.

    Every cell is two dots wide and four high; a mark is ● (critical, high) or ○, in the place of
    its value. With a title or names there is one more row, above.

    Args:
        width, height: In characters; at least 20 and 3.
        color: With ANSI colors, one for each line, marks red.
        ascii_only: For terminals without Unicode: one dot a cell, `*`, marks `O` and `o`.
    """
    width, height = max(width, _WIDTH_MIN), max(height, _HEIGHT_MIN)
    head = _head(lines, title, width, color)
    reach = extent(lines)
    if reach is None:
        rows = [""] * height
        rows[height // 2] = "no data".center(width).rstrip()
        return "\n".join([*head, *rows, ""])
    first, last, low, high = reach
    if high == low:
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    labels = _labels(low, high, height)
    gutter = max(len(label) for label in labels.values())
    inner = width - gutter - 1
    grid = _Grid(inner, height, (first, last, low, high), ascii_only)
    for number, line in enumerate(lines):
        grid.draw(line, number)
    for line in lines:
        grid.mark(line)
    bar = "|" if ascii_only else "┤"
    plain = "|" if ascii_only else "│"
    rows = [
        labels.get(row, "").rjust(gutter) + (bar if row in labels else plain) + grid.row(row, color)
        for row in range(height)
    ]
    return "\n".join([*head, *rows, _times(first, last, gutter + 1, inner)])


def sparkline(values: Sequence[Any], *, width: int = 40) -> str:
    """The newest `width` values as blocks of eight heights; a space where one is missing."""
    shown = [known(value) for value in values[-max(width, 1) :]]
    there = [value for value in shown if value is not None]
    if not there:
        return " " * len(shown)
    low, high = min(there), max(there)
    size = high - low
    return "".join(
        " " if value is None else _BLOCKS[round((value - low) / size * 7) if size else 3]
        for value in shown
    )


class _Grid:
    """Cells of Braille dots, and which line was drawn into each last."""

    def __init__(
        self, width: int, height: int, reach: tuple[float, float, float, float], ascii_only: bool
    ) -> None:
        self.width, self.height, self.reach = width, height, reach
        self.wide, self.high = (1, 1) if ascii_only else (2, 4)
        self.ascii_only = ascii_only
        self.dots = [[0] * width for _ in range(height)]
        self.owner = [[0] * width for _ in range(height)]
        self.marked: dict[tuple[int, int], str] = {}

    def place(self, at: float, value: float) -> tuple[int, int]:
        """The dot of a point, from the left and from above."""
        first, last, low, high = self.reach
        across, down = self.width * self.wide - 1, self.height * self.high - 1
        x = (at - first) / (last - first) if last > first else 0.5
        y = (value - low) / (high - low)
        return round(min(max(x, 0), 1) * across), round((1 - min(max(y, 0), 1)) * down)

    def draw(self, line: Line, number: int) -> None:
        """The line, joined from point to point, and its forecast dotted."""
        first, last = self.reach[:2]
        before: tuple[int, int] | None = None
        for at, value in columns(line.points, first, last, self.width * self.wide):
            if value is None:
                before = None
                continue
            here = self.place(at, value)
            for dot in _between(before or here, here):
                self._dot(*dot, number)
            before = here
        for step in line.ahead:
            value = known(step.value)
            if value is not None:
                self._dot(*self.place(step.timestamp, value), number)

    def mark(self, line: Line) -> None:
        """The marks, over everything."""
        strong, weak = ("O", "o") if self.ascii_only else ("●", "○")
        for mark in line.marks:
            value = known(mark.value)
            if value is not None:
                x, y = self.place(mark.timestamp, value)
                sign = strong if mark.severity in {"high", "critical"} else weak
                self.marked[y // self.high, x // self.wide] = sign

    def _dot(self, x: int, y: int, number: int) -> None:
        row, column = y // self.high, x // self.wide
        self.dots[row][column] |= 1 if self.ascii_only else _DOTS[x % 2][y % 4]
        self.owner[row][column] = number

    def row(self, row: int, color: bool) -> str:
        """A row of cells as text."""
        cells = []
        for column, dots in enumerate(self.dots[row]):
            sign = self.marked.get((row, column))
            if sign is not None:
                cells.append(_colored(sign, _ANSI_MARK) if color else sign)
            elif not dots:
                cells.append(" ")
            else:
                text = "*" if self.ascii_only else chr(0x2800 + dots)
                ansi = _ANSI[self.owner[row][column] % len(_ANSI)]
                cells.append(_colored(text, ansi) if color else text)
        return "".join(cells).rstrip(" ")


def _between(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line, both ends included."""
    (x0, y0), (x1, y1) = start, end
    steps = max(abs(x1 - x0), abs(y1 - y0))
    if not steps:
        return [end]
    return [
        (round(x0 + (x1 - x0) * n / steps), round(y0 + (y1 - y0) * n / steps))
        for n in range(steps + 1)
    ]


def _labels(low: float, high: float, height: int) -> dict[int, str]:
    """Which rows have which numbers: round ones, a few rows apart."""
    labels: dict[int, str] = {}
    for tick in value_ticks(low, high, max(1, height // 4)):
        row = round((high - tick) / (high - low) * (height - 1))
        labels.setdefault(row, value_text(tick))
    return labels or {0: value_text(high), height - 1: value_text(low)}


def _times(first: float, last: float, left: int, inner: int) -> str:
    start, end = time_text(first, last - first), time_text(last, last - first)
    if len(start) + len(end) + 2 > inner:
        return " " * left + start[:inner]
    return " " * left + start + end.rjust(inner - len(start))


def _head(lines: Sequence[Line], title: str, width: int, color: bool) -> list[str]:
    """The title and the names, as many characters of them as fit."""
    said = [(-1, title), *((number, line.name) for number, line in enumerate(lines))]
    parts, left = [], width
    for number, given in said:
        text = _fitting(given, left)
        if text:
            ansi = _ANSI[number % len(_ANSI)]
            parts.append(_colored(text, ansi) if color and number >= 0 else text)
            left -= _cells(text) + 2
    return ["  ".join(parts)] if parts else []


def _fitting(text: str, width: int) -> str:
    """The text on one row and in so many cells, cut off with …; empty where hardly any fit."""
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    if _cells(text) <= width:
        return text
    while text and _cells(text) > width - 1:
        text = text[:-1]
    return f"{text}…" if text else ""


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: ideographs two, combining signs none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _colored(text: str, ansi: str) -> str:
    return f"\x1b[{ansi}m{text}\x1b[0m"
