"""An SVG of series: lines with gaps, anomalies marked, forecasts with their band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from summit.charts.lines import Line, columns, extent, known
from summit.charts.scales import time_text, time_ticks, value_text, value_ticks

COLORS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#0891b2", "#65a30d", "#be185d", "#57534e")
SEVERITY_COLORS = {"low": "#eab308", "medium": "#f97316", "high": "#ef4444", "critical": "#b91c1c"}
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 30, 24
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#57534e}.title{font-size:13px;font-weight:600}"
    ".grid{stroke:#d6d3d1;stroke-width:.5}.line{fill:none;stroke-width:1.4}"
    "@media(prefers-color-scheme:dark){text{fill:#d6d3d1}.grid{stroke:#44403c}}"
)
_Place = Callable[[float], float]


def svg(lines: Sequence[Line], *, title: str = "", width: int = 800, height: int = 280) -> str:
    """A picture as one SVG element, UTF-8 text, that stands alone or in a page.

    A point's marks tell time, value and what was said of it when pointed at. Each line is drawn
    with at most four points for a column of pixels, so its size hangs on the width, not on the
    number of points. Without a point it says "no data".
    """
    width, height = max(width, 160), max(height, 90)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><title>{_text(title or "series")}</title>'
        f"<style>{_STYLE}</style>"
    )
    parts = [head, f'<text class="title" x="{_LEFT}" y="16">{_text(title)}</text>']
    reach = extent(lines)
    if reach is None:
        parts.append(f'<text x="{width / 2:.0f}" y="{height / 2:.0f}">no data</text></svg>')
        return "\n".join(parts)
    first, last, low, high = reach
    if high == low:
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    x = _scale(first, last, _LEFT, width - _RIGHT)
    y = _scale(low, high, height - _BOTTOM, _TOP)
    parts += _axes(reach, (low, high), (x, y), width, height)
    for number, line in enumerate(lines):
        color = COLORS[number % len(COLORS)]
        parts += _ahead(line, color, x, y)
        points = columns(line.points, first, last, width - _LEFT - _RIGHT)
        parts.append(f'<path class="line" stroke="{color}" d="{_path(points, x, y)}"/>')
    for line in lines:
        parts += _marks(line, last - first, x, y)
    parts += _legend(lines, width)
    parts.append("</svg>")
    return "\n".join(parts)


def _scale(low: float, high: float, start: float, end: float) -> _Place:
    size = high - low
    return lambda value: start + (end - start) * ((value - low) / size if size else 0.5)


def _axes(
    reach: tuple[float, float, float, float], values: tuple[float, float],
    scales: tuple[_Place, _Place], width: int, height: int,
) -> list[str]:  # fmt: skip
    (first, last, _, _), (x, y) = reach, scales
    parts = []
    for tick in value_ticks(*values, max(2, height // 50)):
        at = y(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value_text(tick)}</text>'
        )
    for tick in time_ticks(first, last, max(2, width // 110)):
        parts.append(
            f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">'
            f"{time_text(tick, last - first)}</text>"
        )
    return parts


def _path(points: Sequence[tuple[float, float | None]], x: _Place, y: _Place) -> str:
    """Moves and lines; a point between two gaps is a dot of no length, which is drawn as one."""
    steps, is_drawing = [], False
    for place, (at, value) in enumerate(points):
        if value is None:
            is_drawing = False
            continue
        here = f"{x(at):.1f} {y(value):.1f}"
        steps.append(f"{'L' if is_drawing else 'M'}{here}")
        if not is_drawing and (place + 1 == len(points) or points[place + 1][1] is None):
            steps.append(f"l.1 0M{here}")
        is_drawing = True
    return "".join(steps)


def _ahead(line: Line, color: str, x: _Place, y: _Place) -> list[str]:
    ahead = [s for s in line.ahead if None not in (known(s.lower), known(s.upper), known(s.value))]
    if not ahead:
        return []
    edge = [f"{x(s.timestamp):.1f},{y(s.upper):.1f}" for s in ahead]
    edge += [f"{x(s.timestamp):.1f},{y(s.lower):.1f}" for s in reversed(ahead)]
    path = _path([(s.timestamp, s.value) for s in ahead], x, y)
    return [
        f'<polygon class="band" fill="{color}" opacity=".15" points="{" ".join(edge)}"/>',
        f'<path class="line" stroke="{color}" stroke-dasharray="4 3" d="{path}"/>',
    ]


def _marks(line: Line, span: float, x: _Place, y: _Place) -> list[str]:
    parts = []
    for mark in line.marks:
        value = known(mark.value)
        if value is None:
            continue
        color = SEVERITY_COLORS.get(mark.severity, SEVERITY_COLORS["low"])
        said = f"{time_text(mark.timestamp, span)} {value_text(value)} {mark.severity} {mark.text}"
        parts.append(
            f'<circle class="anomaly" cx="{x(mark.timestamp):.1f}" cy="{y(value):.1f}" r="4" '
            f'fill="{color}" fill-opacity=".75" stroke="{color}"><title>{_text(said.strip())}'
            "</title></circle>"
        )
    return parts


def _legend(lines: Sequence[Line], width: int) -> list[str]:
    named = [(number, line.name) for number, line in enumerate(lines) if line.name]
    parts, at = [], float(width - _RIGHT)
    for number, name in reversed(named):
        shown = name if len(name) <= 24 else name[:23] + "…"
        color = COLORS[number % len(COLORS)]
        parts.append(
            f'<text x="{at:.0f}" y="16" text-anchor="end" style="fill:{color}">'
            f"{_text(shown)}</text>"
        )
        at -= 7 * len(shown) + 14
        if at < width / 2:
            break
    return parts


def _text(text: str) -> str:
    """Escaped, without the control characters that XML has no way to write."""
    return escape("".join(c if c.isprintable() else " " for c in text))
