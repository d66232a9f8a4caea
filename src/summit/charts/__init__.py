"""Pictures of series as text: an SVG, or characters for a terminal. Pure; needs no package.

Lines with marks in, text out; no clock, no disk, no terminal: who calls knows the width.
"""

from summit.charts.lines import Ahead, Line, Mark, lines_of
from summit.charts.results import lines_of_results
from summit.charts.svg import svg
from summit.charts.terminal import sparkline, terminal

__all__ = [
    "Ahead",
    "Line",
    "Mark",
    "lines_of",
    "lines_of_results",
    "sparkline",
    "svg",
    "terminal",
]
