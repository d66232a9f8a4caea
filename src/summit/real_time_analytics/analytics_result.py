"""`AnalyticsResult`: what a query has found in one window, group by group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from summit.analytics.found import Found
from summit.base.emitter import Payload
from summit.documents.query_plan import QueryPlan
from summit.keyed.keys import key_values


class GroupKeys(Payload):
    """The values of `groupBy` by their paths, with their types; missing = None.

    As attributes they are found under their name or, `device_type` for `deviceType`, Python's.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            first, *rest = name.split("_")
            name = first + "".join(word.title() for word in rest)
        return super().__getattr__(name)


class ResultGroup:
    """One group: read as attributes (`group.keys.country`) or by name (`group["metrics"]`).

    It has no method `keys`, so it is no `Mapping`; `to_dict` makes one.
    """

    __slots__ = ("_values",)

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        if name == "_values" or name not in self._values:
            raise AttributeError(name)
        return self._values[name]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __repr__(self) -> str:
        return f"ResultGroup({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"

    def to_dict(self) -> dict[str, Any]:
        """The group with the names of the wire."""
        return {**self._values, "keys": dict(self._values["keys"])}


class AnalyticsResult(Payload):
    """The groups of one window; read as attributes or as a mapping.

    Attributes (of the payload):
        query_id: Of the query.
        timestamp: The end of the window, ms since 1970 UTC.
        window: `start`, `end`; half-open.
        groups: In order of their keys: `keys`, `metrics` by name, `count`; and, where there is
            something to say, `approximate`, `revision`, `replaces`, `watched`.
        final: Whether the window is over.
        late: Whether it was told before and an event within the allowed lateness changed it.
        partial: Told before its end: a group had to go, or the stream is over.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The same with the names of the wire."""
        window = self["window"]
        return {
            "queryId": self["query_id"], "timestamp": self["timestamp"],
            "window": {"start": window.start, "end": window.end},
            "groups": [group.to_dict() for group in self["groups"]],
            "final": self["final"], "late": self["late"], "partial": self["partial"],
        }  # fmt: skip


def results_of(plan: QueryPlan, found: Iterable[Found]) -> list[AnalyticsResult]:
    """What was told, put together by window, in order."""
    windows: dict[tuple[Any, ...], list[Found]] = {}
    for one in found:
        name = (one.start_ms, one.end_ms, one.final, one.revision > 0, one.partial)
        windows.setdefault(name, []).append(one)
    paths = [".".join(path) for path in plan.group_by]
    return [
        AnalyticsResult(
            query_id=plan.id, timestamp=end, window=Payload(start=start, end=end),
            groups=[_group(paths, one) for one in groups],
            final=final, late=late, partial=partial,
        )
        for (start, end, final, late, partial), groups in windows.items()
    ]  # fmt: skip


def _group(paths: list[str], one: Found) -> ResultGroup:
    keys = GroupKeys(**dict(zip(paths, key_values(one.key), strict=True)))
    more: dict[str, Any] = {}
    if one.approximate:
        more["approximate"] = one.approximate
    if one.revision:
        more["revision"] = one.revision
    if one.replaces:
        more["replaces"] = [{"start": start, "end": end} for start, end in one.replaces]
    if one.watched:
        more["watched"] = one.watched
    return ResultGroup(keys=keys, metrics=one.metrics, count=one.count, **more)
