"""Charts: valid XML, exact sizes, nothing lost that matters, nothing let through that hurts."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.charts import Ahead, Line, Mark, lines_of, sparkline, svg, terminal
from summit.charts.lines import columns
from summit.charts.scales import time_text, time_ticks, value_text, value_ticks
from summit.real_time_analytics import analyze_points, find_anomalies

HOUR = 3_600_000
SVG = "{http://www.w3.org/2000/svg}"
LINES = st.lists(
    st.builds(
        Line,
        st.text(max_size=30),
        st.lists(
            st.tuples(
                st.integers(-(10**15), 10**15),
                st.one_of(st.none(), st.floats(), st.integers(-(10**400), 10**400)),
            ),
            max_size=30,
        ).map(lambda points: sorted(points, key=lambda point: point[0])),
        st.lists(
            st.builds(Mark, st.integers(0, 10**12), st.floats(), st.text(max_size=9)), max_size=3
        ),
        st.lists(
            st.builds(Ahead, st.integers(0, 10**12), st.floats(), st.floats(), st.floats()),
            max_size=3,
        ),
    ),
    max_size=4,
)


def wave() -> list[dict[str, Any]]:
    values = [100 + 10 * math.sin(n / 4) for n in range(200)]
    values[120] = 300
    return [{"timestamp": n * HOUR, "value": value} for n, value in enumerate(values)]


def test_a_picture_of_an_analysis_marks_its_anomalies() -> None:
    points = wave()
    analysis = analyze_points(points)
    line = lines_of(points, name="load", anomalies=find_anomalies(points, {"method": "zscore"}),
                    forecast=analysis.forecast)  # fmt: skip
    root = ElementTree.fromstring(svg([line], title="a < b"))
    [circle] = root.iter(f"{SVG}circle")
    said = circle.findtext(f"{SVG}title")
    assert said is not None
    assert "300" in said
    assert "critical" in said
    assert root.findtext(f"{SVG}title") == "a < b"
    assert len(list(root.iter(f"{SVG}polygon"))) == 1
    paths = [path.get("d") or "" for path in root.iter(f"{SVG}path")]
    heights = [float(y) for path in paths for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert min(heights) == pytest.approx(float(circle.get("cy") or 0), abs=0.2)


@settings(deadline=None, max_examples=80)
@given(LINES, st.text(max_size=20), st.integers(0, 300), st.integers(0, 40), st.booleans())
def test_whatever_comes_is_drawn_and_nothing_breaks_out(
    lines: list[Line], title: str, width: int, height: int, ascii_only: bool
) -> None:
    ElementTree.fromstring(svg(lines, title=title, width=width, height=height))
    text = terminal(lines, width=width, height=height, title=title, ascii_only=ascii_only)
    rows = text.split("\n")
    assert max(len(row) for row in rows) <= max(width, 20)
    assert "\x1b" not in text
    assert len(rows) in {max(height, 3) + 1, max(height, 3) + 2}
    colored = terminal(lines, width=width, height=height, title=title, color=True)
    plain = terminal(lines, width=width, height=height, title=title)
    assert re.sub(r"\x1b\[[\d;]+m", "", colored) == plain


def test_a_terminal_chart_as_it_looks() -> None:
    points = [(n * HOUR, float(n)) for n in range(9)]
    line = Line("", points, [Mark(8 * HOUR, 8.0, "critical")])
    assert terminal([line], width=20, height=4, ascii_only=True).split("\n") == [
        " |              ***O",
        " |          ****",
        " |   *******",
        "0|***",
        "  00:00        08:00",
    ]
    dots = terminal([line], width=20, height=4)
    assert "●" in dots.split("\n")[0]
    assert all(0x2800 <= ord(c) < 0x2900 for c in dots if c not in " \n│┤●:" and not c.isdigit())


def test_gaps_stay_gaps_and_lonely_points_are_seen() -> None:
    points = [(0.0, 1.0), (1.0, None), (2.0, 5.0), (3.0, math.nan), (4.0, 3.0), (5.0, 2.0)]
    path = next(ElementTree.fromstring(svg([Line("", points)])).iter(f"{SVG}path")).get("d") or ""
    assert path.count("L") == 1
    assert path.count("l.1 0") == 2
    assert terminal([Line("", points)], ascii_only=True).count("*") >= 4


def test_many_points_become_few_and_no_spike_is_lost() -> None:
    points: list[tuple[float, float | None]] = [(float(n), float(n % 7)) for n in range(100_000)]
    points[54_321] = (54_321.0, 999.0)
    points[70_000] = (70_000.0, None)
    kept = columns(points, 0, 99_999, 200)
    assert len(kept) <= 4 * 200 + 4
    assert (54_321.0, 999.0) in kept
    assert (70_000.0, None) in kept
    assert len(svg([Line("", points)])) < 60_000
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)


def test_nothing_is_said_to_be_nothing() -> None:
    for lines in ([], [Line("x", [])], [Line("x", [(1, None)])]):
        assert "no data" in svg(lines)
        assert "no data" in terminal(lines)


def test_sparklines() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5, None, 5]) == "▄▄ ▄"
    assert sparkline([0, 1, 2, 9], width=2) == "▁█"
    assert sparkline([]) == ""


def test_axes_are_round() -> None:
    assert value_ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert value_ticks(-37, 912, 4) == [0, 250, 500, 750]
    assert value_ticks(3, 3, 4) == [3]
    assert time_ticks(0, 24 * HOUR, 5) == [0, 6 * HOUR, 12 * HOUR, 18 * HOUR, 24 * HOUR]
    assert [value_text(v) for v in (0.25, 1500, 12_345, 2.5e6, 1e15)] == [
        "0.25", "1500", "12.35k", "2.5M", "1e+15",
    ]  # fmt: skip
    assert time_text(1_700_000_000_000, 2 * HOUR) == "22:13"
    assert time_text(1_700_000_000_000, 400 * 24 * HOUR) == "2023-11"
    assert time_text(1e300, 5) == "1e+300"
