"""Moving a group's committed offsets: what would change, before anything does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.client.types import TopicPartition

_SHIFT: Final = re.compile(r"[+-]\d{1,18}")
_OFFSET: Final = re.compile(r"\d{1,18}")


class OffsetReset(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One partition of a reset: the committed offset before (None = none) and after."""

    topic: str
    partition: int
    before: int | None
    after: int


async def plan_reset(
    admin: Admin, group_id: str, to: str, topics: Iterable[str] = ()
) -> list[OffsetReset]:
    """What a group's offsets would become; nothing is changed.

    Args:
        to: `earliest`, `latest`, an offset (`120`), a shift (`+10`, `-10`), or an ISO time with
            which the first record at or after it is meant. Never outside what a partition holds.
        topics: Whose partitions; all those that the group has committed to when none is named.
    Raises: Invalid("group.unknown") for a group without commits when no topic is named;
        Invalid("client.refused") for a `to` that is none of these; Invalid("topic.unknown").
    """
    _check(to)
    committed = await admin.group_offsets(group_id)
    names = sorted(set(topics)) or sorted({where.topic for where in committed})
    if not names:
        raise Invalid("group.unknown", group=group_id)
    plan = []
    for name in names:
        ends = await admin.offsets(name)
        by_time: dict[int, int | None] = {}
        if _is_time(to):
            by_time = await admin.offsets_for_time(name, _time_ms(to))
        for index, (first, last) in ends.items():
            before = committed.get(TopicPartition(name, index))
            found = by_time.get(index)
            after = _target(to, before, first, last) if not by_time else found
            plan.append(
                OffsetReset(
                    topic=name, partition=index, before=before,
                    after=last if after is None else min(max(after, first), last),
                )
            )  # fmt: skip
    return plan


def _target(to: str, before: int | None, first: int, last: int) -> int:
    if to == "earliest":
        return first
    if to == "latest":
        return last
    if _SHIFT.fullmatch(to):
        return (first if before is None else before) + int(to)
    return int(to)


def _is_time(to: str) -> bool:
    return to not in ("earliest", "latest") and not (_SHIFT.fullmatch(to) or _OFFSET.fullmatch(to))


def _check(to: str) -> None:
    if _is_time(to):
        _time_ms(to)


def _time_ms(to: str) -> int:
    try:
        time = datetime.fromisoformat(to)
    except ValueError as error:
        reason = f"'{to}' is not earliest, latest, an offset, +N, -N or an ISO time"
        raise Invalid("client.refused", reason=reason) from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return int(time.timestamp() * 1000)
