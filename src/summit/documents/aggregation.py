"""`aggregations`: figures over events, `{field, function, percentile, name}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from summit.documents.plan import AggregateFunction, Aggregation
from summit.documents.section import Section, kind_name

FUNCTIONS: Final[tuple[AggregateFunction, ...]] = (
    "count", "sum", "avg", "min", "max", "stddev", "variance", "percentile", "distinct",
)  # fmt: skip
_FIELDS: Final = ("field", "function", "percentile", "name")


def read_aggregations(config: Section) -> tuple[Aggregation, ...]:
    """The list `aggregations`; those with problems, which are noted, are left out."""
    found: list[Aggregation] = []
    if not config.has("aggregations") or config.values["aggregations"] == []:
        config.note("aggregations", "needs at least one {field, function}")
    for value, pointer in config.items("aggregations"):
        if not isinstance(value, Mapping):
            config.problems.add(pointer, f"must be a map, not {kind_name(value)}")
            continue
        one = Section(value, pointer, config.problems, names=_FIELDS, noun="aggregation")
        made = _read_one(one)
        if made is None:
            continue
        if any(made.name == other.name for other in found):
            one.note("name", f"the name '{made.name}' stands here twice")
        found.append(made)
    return tuple(found)


def _read_one(section: Section) -> Aggregation | None:
    before = len(section.problems)
    if not section.has("function"):
        section.note("function", f"needs one of {', '.join(FUNCTIONS)}")
    function = section.choice("function", FUNCTIONS)
    path = section.path("field", required=function not in (None, "count"))
    percent = section.values.get("percentile")
    if percent is not None and function != "percentile":
        section.note("percentile", "is for the function 'percentile' only")
    elif function == "percentile" and (
        isinstance(percent, bool)
        or not isinstance(percent, (int, float))
        or not 0 <= percent <= 100
    ):
        section.note("percentile", "must be a number from 0 to 100")
    name = section.text("name")
    if function is None or len(section.problems) > before:
        return None
    shown = ".".join(path or ())
    if percent is not None:
        shown += f", {percent:g}"
    return Aggregation(
        name or f"{function}({shown})", function, path, None if percent is None else float(percent)
    )
