"""Results of queries as records: of a window the groups of one key group, or one group alone.

`_summit.results` has a record for each window and key group that told something, so it is the same
however many workers there are. Its value is the guide's result (JSON):

    {queryId, timestamp, window: {start, end}, groups: [{keys, metrics, count, ...}], final: true,
     late, partial, keyGroup}

`_summit.live` has the same of windows that are not over, as they stood: `final: false`.

A query's own topic has a record for each group, keyed by the group's values (JSON):

    {queryId, timestamp, window: {start, end}, keys, metrics, count, final: true, late, partial,
     ...}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from summit.client.transactor import Outgoing
from summit.journal.topics import LIVE_TOPIC, RESULTS_TOPIC
from summit.keyed.keygroups import key_group
from summit.keyed.keys import Key, key_text, key_values

GROUPS_MAX: Final = 500
"""Groups in one record; a window of more has several."""

_encode = msgspec.json.Encoder().encode


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One group's result, and the query's names."""

    query_id: str
    paths: Sequence[str]
    topic: str | None
    key: Key
    start_ms: int
    end_ms: int
    count: int
    metrics: dict[str, Any]
    more: dict[str, Any]
    late: bool
    partial: bool
    final: bool = True


def result_records(results: Sequence[Result]) -> list[Outgoing]:
    """The records of `_summit.results` or `_summit.live`, and those of the queries' own topics."""
    told: dict[tuple[Any, ...], list[Result]] = {}
    own: list[Outgoing] = []
    for one in results:
        group = key_group(one.key)
        name = (one.query_id, one.start_ms, one.end_ms, one.late, one.partial, one.final, group)
        told.setdefault(name, []).append(one)
        if one.topic is not None and one.final:
            value = _encode({**_window(one), **_group(one)})
            own.append(Outgoing(one.topic, key_text(one.key).encode(), value))
    records = []
    for name, groups in told.items():
        for first in range(0, len(groups), GROUPS_MAX):
            some = groups[first : first + GROUPS_MAX]
            value = _encode(
                {**_window(some[0]), "groups": list(map(_group, some)), "keyGroup": name[-1]}
            )
            topic = RESULTS_TOPIC if some[0].final else LIVE_TOPIC
            records.append(Outgoing(topic, name[0].encode(), value))
    return [*records, *own]


def _window(one: Result) -> dict[str, Any]:
    return {
        "queryId": one.query_id, "timestamp": one.end_ms,
        "window": {"start": one.start_ms, "end": one.end_ms},
        "final": one.final, "late": one.late, "partial": one.partial,
    }  # fmt: skip


def _group(one: Result) -> dict[str, Any]:
    keys = dict(zip(one.paths, key_values(one.key), strict=True))
    return {"keys": keys, "metrics": one.metrics, "count": one.count, **one.more}
