"""Lines of a query's results: one for each group, with its anomalies as marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from summit.charts.lines import Line, Mark, known

LINES_MAX: Final = 8


class Picture(NamedTuple):
    """What is drawn of results.

    Attributes:
        metric: Whose values these are.
        lines: Of the groups with the most events, in order of their names.
        more: How many groups are not among them.
    """

    metric: str
    lines: list[Line]
    more: int

    @property
    def title(self) -> str:
        """What the picture shows, in a few words."""
        rest = f" (and {self.more} more groups)" if self.more else ""
        return f"{self.metric}{rest}"


def lines_of_results(
    results: Iterable[Mapping[str, Any]], *, metric: str | None = None,
    group: str | None = None, most: int = LINES_MAX,
) -> Picture:  # fmt: skip
    """The values of a metric at the ends of the windows, by group.

    Args:
        results: As `GET .../results` and `AnalyticsResult.to_dict` give them, in any order; of a
            window told more than once the last one counts.
        metric: By default the first one that has an anomaly, else the first one of numbers.
        group: Only groups whose name holds this text; names are the values of `groupBy`.
    """
    told: dict[tuple[str, int, int], Mapping[str, Any]] = {}
    for result in results:
        window = result["window"]
        for each in result["groups"]:
            name = _group_name(each["keys"])
            told[name, window["end"], window["start"]] = each
            for gone in each.get("replaces", ()):
                told.pop((name, gone["end"], gone["start"]), None)
    if metric is None:
        metric = _metric(told.values())
    counts: dict[str, int] = {}
    points: dict[str, list[tuple[float, float | None]]] = {}
    marks: dict[str, list[Mark]] = {}
    for (name, end, _), each in sorted(told.items(), key=lambda item: item[0]):
        if metric not in each["metrics"] or (group is not None and group not in name):
            continue
        value = known(each["metrics"][metric])
        counts[name] = counts.get(name, 0) + each["count"]
        points.setdefault(name, []).append((end, value))
        said = each.get("watched", {}).get(metric, {}).get("anomaly")
        if said is not None and said["flagged"] and value is not None:
            mark = Mark(end, value, said["severity"], said.get("explanation", ""))
            marks.setdefault(name, []).append(mark)
    shown = sorted(sorted(counts, key=lambda name: -counts[name])[:most])
    lines = [Line(name, points[name], marks.get(name, ())) for name in shown]
    return Picture(metric, lines, len(counts) - len(lines))


def _group_name(keys: Mapping[str, Any]) -> str:
    """How a group is called: the values of its keys."""
    return ", ".join("-" if value is None else str(value) for value in keys.values())


def _metric(groups: Iterable[Mapping[str, Any]]) -> str:
    first: str | None = None
    for each in groups:
        for name, value in each["metrics"].items():
            if each.get("watched", {}).get(name, {}).get("anomaly") is not None:
                return str(name)
            if first is None and known(value) is not None:
                first = str(name)
    return first or ""
