"""The metrics of a query: functions, their options, and what is watched of their results."""

from __future__ import annotations

from typing import Final

from summit.documents.anomaly import read_anomaly, read_number
from summit.documents.query_plan import (
    FUNCTIONS,
    Function,
    MetricPlan,
    TrendPlan,
)
from summit.documents.section import Section, kind_name

_METRICS_MAX: Final = 200
_COLLECT_DEFAULT: Final = 1_000
_FIELDS: Final = (
    "name", "field", "function", "percentile", "interpolation", "exact", "limit", "ddof", "per",
    "of", "anomaly", "trend",
)  # fmt: skip
_ALIASES: Final[dict[str, Function]] = {"countDistinct": "distinct"}
_WITHOUT_FIELD: Final = ("count", "rate", "ratio")
# Which functions an option belongs to.
_BELONGS: Final = {
    "percentile": ("percentile",),
    "interpolation": ("percentile", "median"),
    "exact": ("percentile", "median", "distinct", "topK", "mode"),
    "limit": ("topK", "collect"),
    "ddof": ("stddev", "variance"),
    "per": ("rate",),
    "of": ("ratio",),
}
_NO_NUMBERS: Final = ("first", "last", "topK", "mode", "collect")


def read_metrics(section: Section) -> tuple[MetricPlan, ...]:
    """The metrics, in order."""
    found: list[MetricPlan] = []
    before = len(section.problems)
    for value, pointer in section.items("metrics"):
        if not isinstance(value, dict) and not hasattr(value, "items"):
            section.problems.add(pointer, f"must be a map, not {kind_name(value)}")
            continue
        inner = Section(value, pointer, section.problems, names=_FIELDS, noun="metric")
        metric = _metric(inner)
        if metric is None:
            continue
        if any(metric.name == other.name for other in found):
            inner.note("name", f"'{metric.name}' is the name of another metric")
        found.append(metric)
    if not found and len(section.problems) == before:
        section.note("metrics", "a query needs a metric, such as {name: n, function: count}")
    if len(found) > _METRICS_MAX:
        section.note("metrics", f"a query has at most {_METRICS_MAX} metrics")
    if len(section.problems) == before:
        _check_ratios(section, found)
    return tuple(found)


def _metric(inner: Section) -> MetricPlan | None:
    before = len(inner.problems)
    name = inner.text("name", required=True, chars_max=200)
    function = _function(inner)
    if function is None or name is None:
        return None
    for option, functions in _BELONGS.items():
        if inner.has(option) and function not in functions:
            inner.note(option, f"belongs to {', '.join(functions)}, not to {function}")
    path = inner.path("field", required=function not in _WITHOUT_FIELD)
    if function == "ratio" and inner.has("field"):
        inner.note("field", "a ratio is of two metrics; name them in 'of'")
    percent = read_number(inner, "percentile", 0, 100)
    per = inner.duration_ms("per")
    limit = inner.whole("limit", least=1, most=10_000)
    made = MetricPlan(
        name=name,
        function=function,
        path=None if function in _WITHOUT_FIELD else path,
        percent=50 if percent is None else percent,
        nearest=inner.choice("interpolation", ("linear", "nearest")) == "nearest",
        exact=inner.flag("exact", default=False),
        limit=limit or (_COLLECT_DEFAULT if function == "collect" else 10),
        sample=inner.whole("ddof", least=0, most=1) == 1,
        per_ms=per or 1_000,
        of=_of(inner) if function == "ratio" else None,
        anomaly=read_anomaly(inner),
        trend=_trend(inner),
    )
    if function in _NO_NUMBERS and (made.anomaly or made.trend):
        inner.note("anomaly" if made.anomaly else "trend", f"'{function}' gives no numbers")
    return made if len(inner.problems) == before else None


def _function(inner: Section) -> Function | None:
    given = inner.values.get("function")
    if isinstance(given, str) and given in _ALIASES:
        return _ALIASES[given]
    if given is None:
        inner.note("function", f"a metric needs 'function': {', '.join(FUNCTIONS)}")
        return None
    return inner.choice("function", FUNCTIONS)


def _of(inner: Section) -> tuple[str, str] | None:
    names = [value for value, _ in inner.items("of") if isinstance(value, str)]
    if len(names) != 2:
        inner.note("of", "a ratio needs two names of metrics: of: [errors, all]")
        return None
    return names[0], names[1]


def _check_ratios(section: Section, metrics: list[MetricPlan]) -> None:
    by_name = {metric.name: metric.function for metric in metrics}
    for place, metric in enumerate(metrics):
        for name in metric.of or ():
            function = by_name.get(name)
            pointer = f"{section.at('metrics')}/{place}/of"
            if function is None:
                section.problems.add(pointer, f"there is no metric '{name}'")
            elif function in (*_NO_NUMBERS, "ratio"):
                section.problems.add(pointer, f"'{name}' is a {function}, which is no number here")


def _trend(inner: Section) -> TrendPlan | None:
    value = inner.values.get("trend")
    if value is None or value is False:
        return None
    if value is True:
        return TrendPlan()
    if not hasattr(value, "items"):
        inner.note("trend", f"must be true or a map, not {kind_name(value)}")
        return None
    names = ("results", "alpha")
    mine = Section(value, inner.at("trend"), inner.problems, names=names, noun="trend")
    alpha = read_number(mine, "alpha", 0, 1, above=True)
    return TrendPlan(mine.whole("results", least=3, most=10_000) or 30, alpha or 0.05)
