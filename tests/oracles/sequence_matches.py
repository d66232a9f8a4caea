"""Slow and obvious: the matches of a pattern, by trying every labelling of the events.

A match gives some of the events, in order, to the steps, in order; step i gets between its minimum
and maximum of events (or none, when it is optional), and a group that many turns of its steps.
Between two consecutive events of a match lie the events that it leaves out, and what these may be
depends on how the later event relates to the earlier one:

    next, strict         none may be left out
    followedBy, relaxed  none that would satisfy the later event's step
    followedByAny, any   whatever they are

The first event of a group's first turn relates as the group does, that of a later turn as the
group's contiguity says. A forbidden step (notNext, notFollowedBy) takes no event and looks at those
between its neighbours: none of them (notFollowedBy), or not the first (notNext), may satisfy it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

Labelling = tuple[tuple[int, int], ...]  # (step, event) pairs


@dataclass(frozen=True)
class PlainStep:
    """A step without greed and stop condition."""

    relation: str = "followedBy"
    times_min: int = 1
    times_max: int | None = 1
    contiguity: str = "relaxed"
    optional: bool = False
    group: tuple[PlainStep, ...] = ()

    @property
    def negative(self) -> bool:
        return self.relation in ("notNext", "notFollowedBy")


class Item(NamedTuple):
    """An event that a match must give to a step: how it relates to the one before."""

    leaf: int
    link: str
    forbidden: tuple[tuple[str, int], ...] = ()  # (relation, leaf) of the steps in between


Row = tuple[Item, ...]


def leaves(steps: Sequence[PlainStep]) -> list[PlainStep]:
    """The steps that are no groups, in order: their places are the bits of masks."""
    return [leaf for step in steps for leaf in (leaves(step.group) if step.group else [step])]


def least_events(steps: Sequence[PlainStep]) -> int:
    """How many events a match has at least, the optional ones among them."""
    return sum(step.times_min * (least_events(step.group) if step.group else 1) for step in steps)


def rows(steps: Sequence[PlainStep], events: int) -> set[Row]:
    """Every row of items that the pattern stands for, at most so long."""
    return {row for row, _ in _rows(steps, events, 0, "strict") if row}


def _rows(
    steps: Sequence[PlainStep], events: int, leaf: int, head: str
) -> Iterator[tuple[Row, tuple[tuple[str, int], ...]]]:
    """Rows, each with the forbidden steps at its end.

    Args:
        leaf: Number of the first leaf.
        head: How the first of the steps relates to what is before.
    """
    if not steps:
        yield (), ()
        return
    step, width = steps[0], len(leaves(steps[:1]))
    for own, ending in _of_step(step, events, leaf, head):
        for rest, end in _rows(steps[1:], events - len(own), leaf + width, steps_link(steps[1:])):
            if not rest:
                yield own, ending + end
            else:
                first = rest[0]._replace(forbidden=ending + rest[0].forbidden)
                yield (*own, first, *rest[1:]), end


def steps_link(steps: Sequence[PlainStep]) -> str:
    return steps[0].relation if steps else ""


def _of_step(
    step: PlainStep, events: int, leaf: int, head: str
) -> Iterator[tuple[Row, tuple[tuple[str, int], ...]]]:
    if step.negative:
        yield (), ((step.relation, leaf),)
        return
    if step.optional:
        yield (), ()
    most = events if step.times_max is None else step.times_max
    for count in range(step.times_min, most + 1):
        yield from _turns(step, count, events, leaf, head)


def _turns(
    step: PlainStep, count: int, events: int, leaf: int, head: str
) -> Iterator[tuple[Row, tuple[tuple[str, int], ...]]]:
    if count == 0:
        yield (), ()
        return
    if events <= 0:
        return
    if not step.group:
        if count <= events:
            again = Item(leaf, step.contiguity)
            yield (Item(leaf, head), *[again] * (count - 1)), ()
        return
    for turn, ending in _rows(step.group, events, leaf, head):
        for rest, end in _turns(step, count - 1, events - len(turn), leaf, step.contiguity):
            if rest:
                first = rest[0]._replace(forbidden=ending + rest[0].forbidden)
                yield (*turn, first, *rest[1:]), end
            else:
                yield turn, ending + end


def all_matches(
    steps: Sequence[PlainStep],
    masks: Sequence[int],
    times_ms: Sequence[int],
    within_ms: int | None,
) -> set[Labelling]:
    """Every match of the pattern when nothing is skipped after a match.

    Args:
        masks: Per event, bit i = it satisfies leaf i.
    """
    found: set[Labelling] = set()
    for row in rows(steps, len(masks)):
        _extend(row, masks, (), found)
    return {
        match
        for match in found
        if within_ms is None or times_ms[match[-1][1]] - times_ms[match[0][1]] < within_ms
    }


def all_timeouts(
    steps: Sequence[PlainStep], masks: Sequence[int], times_ms: Sequence[int], within_ms: int
) -> set[Labelling]:
    """Every partial match that is alive when its time is over, and no match as it stands.

    No step is forbidden.
    """
    found: set[Labelling] = set()
    for row in rows(steps, len(masks) + least_events(steps)):
        for length in range(1, len(row)):
            begun: set[Labelling] = set()
            _extend(row[:length], masks, (), begun)
            for partial in begun:
                over_ms = times_ms[partial[0][1]] + within_ms
                inside = [n for n in range(len(masks)) if times_ms[n] < over_ms]
                if partial[-1][1] in inside and _may_leave_out(
                    row[length], [masks[n] for n in inside[partial[-1][1] + 1 :]]
                ):
                    found.add(partial)
    return found - all_matches(steps, masks, times_ms, within_ms)


def all_unordered(
    steps: Sequence[PlainStep],
    masks: Sequence[int],
    times_ms: Sequence[int],
    within_ms: int | None,
) -> set[Labelling]:
    """Every match of steps in any order: an event that a step still wants is not left out."""
    found: set[Labelling] = set()

    def go_on(match: Labelling, event: int) -> None:
        counts = [sum(step == n for step, _ in match) for n in range(len(steps))]
        if match and match[-1][1] == event - 1:
            least = zip(counts, steps, strict=True)
            if all(count >= step.times_min for count, step in least):
                found.add(match)
        if event == len(masks):
            return
        if match and within_ms is not None and times_ms[event] - times_ms[match[0][1]] >= within_ms:
            return
        wanting = [
            n
            for n, step in enumerate(steps)
            if (step.times_max is None or counts[n] < step.times_max) and masks[event] >> n & 1
        ]
        for n in wanting:
            go_on((*match, (n, event)), event + 1)
        if match and not wanting:
            go_on(match, event + 1)

    for first in range(len(masks)):
        go_on((), first)
    return found


def _extend(row: Row, masks: Sequence[int], match: Labelling, found: set[Labelling]) -> None:
    if len(match) == len(row):
        found.add(match)
        return
    item = row[len(match)]
    after = match[-1][1] + 1 if match else 0
    for event in range(after, len(masks)):
        if masks[event] >> item.leaf & 1 and (
            not match or _may_follow(item, masks[match[-1][1] + 1 : event], masks[match[-1][1] + 1])
        ):
            _extend(row, masks, (*match, (item.leaf, event)), found)


def _may_follow(item: Item, between: Sequence[int], following: int) -> bool:
    """Whether an item may come behind these events that are left out.

    Args:
        following: The event right behind the one before: may be that of the item.
    """
    if not _may_leave_out(item, between):
        return False
    for relation, forbidden in item.forbidden:
        if relation == "notFollowedBy":
            if any(mask >> forbidden & 1 for mask in between):
                return False
        elif following >> forbidden & 1:
            return False
    return True


def _may_leave_out(item: Item, between: Sequence[int]) -> bool:
    """Whether a match that waits for the item may leave these events out."""
    if item.link in ("next", "strict"):
        return not between
    if item.link in ("followedBy", "relaxed"):
        return not any(mask >> item.leaf & 1 for mask in between)
    return True


def emission_order(match: Labelling) -> tuple[object, ...]:
    """By completing event, then earliest start, then longest, then as they were taken."""
    events = [event for _, event in match]
    return events[-1], events[0], -len(match), events, [step for step, _ in match]


def strict_order(match: Labelling) -> tuple[object, ...]:
    """By earliest start first, then as they are complete."""
    return match[0][1], *emission_order(match)


def after_skip(
    matches: set[Labelling],
    kind: str,
    skip_step: int = -1,
    *,
    emit: str = "all",
    in_order: bool = False,
) -> list[Labelling]:
    """The matches in order of emission that survive those emitted before them.

    Args:
        emit: `first`, `longest`: at most one match a start.
        in_order: Whether a match waits for those that started earlier.
    """
    kept: list[Labelling] = []
    gone: set[int] = set()
    if emit == "longest":
        by_start = sorted(matches, key=strict_order)
        each = groupby(by_start, key=lambda match: match[0][1])
        matches = {min(group, key=_longest_first) for _, group in each}
    by_start_first = in_order or emit == "longest"
    for match in sorted(matches, key=strict_order if by_start_first else emission_order):
        start, end = match[0][1], match[-1][1]
        if start in gone:
            continue
        kept.append(match)
        named = [event for step, event in match if step == skip_step]
        if emit != "all":
            gone.add(start)
        if kind == "toNext":
            gone.add(start)
        elif kind == "pastLast":
            gone.update(range(start, end + 1))
        elif kind == "toFirst" and named:
            gone.update(range(start, named[0]))
        elif kind == "toLast" and named:
            gone.update(range(start, named[-1]))
    return kept


def _longest_first(match: Labelling) -> tuple[object, ...]:
    events = [event for _, event in match]
    return -len(match), events, [step for step, _ in match]
