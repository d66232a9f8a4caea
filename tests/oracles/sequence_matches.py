"""Slow and obvious: the matches of a sequence pattern, by trying every labelling of the events.

A match gives some of the events, in order, to the steps, in order; step i gets between its minimum
and maximum of events (or none, when it is optional). Between two consecutive events of a match
lie the events that it leaves out, and what these may be depends on how the later event relates to
the earlier one:

    next, strict         none may be left out
    followedBy, relaxed  none that would satisfy the later event's step
    followedByAny, any   whatever they are

A forbidden step (notNext, notFollowedBy) takes no event and looks at those between its
neighbours: none of them (notFollowedBy), or not the first (notNext), may satisfy it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Labelling = tuple[tuple[int, int], ...]  # (step, event) pairs


@dataclass(frozen=True)
class PlainStep:
    """A step without greed and stop condition."""

    relation: str = "followedBy"
    times_min: int = 1
    times_max: int | None = 1
    contiguity: str = "relaxed"
    optional: bool = False

    @property
    def negative(self) -> bool:
        return self.relation in ("notNext", "notFollowedBy")


def all_matches(
    steps: Sequence[PlainStep],
    masks: Sequence[int],
    times_ms: Sequence[int],
    within_ms: int | None,
) -> set[Labelling]:
    """Every match of the pattern when nothing is skipped after a match.

    Args:
        masks: Per event, bit i = it satisfies step i.
    """
    found: set[Labelling] = set()
    for counts in _counts(steps, len(masks)):
        labels = [step for step, count in enumerate(counts) for _ in range(count)]
        if labels:
            _extend(steps, masks, labels, (), found)
    return {
        match
        for match in found
        if within_ms is None or times_ms[match[-1][1]] - times_ms[match[0][1]] < within_ms
    }


def _counts(steps: Sequence[PlainStep], events: int) -> Iterator[tuple[int, ...]]:
    """How many events each step may get."""
    if not steps:
        yield ()
        return
    step = steps[0]
    most = events if step.times_max is None else step.times_max
    own = [0] if step.negative else list(range(step.times_min, most + 1))
    if step.optional:
        own = [0, *own]
    for count in own:
        for rest in _counts(steps[1:], events - count):
            yield (count, *rest)


def _extend(
    steps: Sequence[PlainStep],
    masks: Sequence[int],
    labels: Sequence[int],
    match: Labelling,
    found: set[Labelling],
) -> None:
    if not labels:
        found.add(match)
        return
    step = labels[0]
    after = match[-1][1] + 1 if match else 0
    for event in range(after, len(masks)):
        if masks[event] >> step & 1 and (
            not match or _may_follow(steps, masks, match[-1], step, event)
        ):
            _extend(steps, masks, labels[1:], (*match, (step, event)), found)


def _may_follow(
    steps: Sequence[PlainStep], masks: Sequence[int], last: tuple[int, int], step: int, event: int
) -> bool:
    last_step, last_event = last
    between = masks[last_event + 1 : event]
    relation = steps[step].relation if step != last_step else steps[step].contiguity
    if relation in ("next", "strict") and between:
        return False
    if relation in ("followedBy", "relaxed") and any(mask >> step & 1 for mask in between):
        return False
    for forbidden in range(last_step + 1, step):
        if steps[forbidden].relation == "notFollowedBy":
            if any(mask >> forbidden & 1 for mask in between):
                return False
        elif steps[forbidden].relation == "notNext" and masks[last_event + 1] >> forbidden & 1:
            return False
    return True


def emission_order(match: Labelling) -> tuple[object, ...]:
    """By completing event, then earliest start, then longest, then as they were taken."""
    events = [event for _, event in match]
    return events[-1], events[0], -len(match), events, [step for step, _ in match]


def after_skip(matches: set[Labelling], kind: str, skip_step: int = -1) -> list[Labelling]:
    """The matches in order of emission that survive those emitted before them."""
    kept: list[Labelling] = []
    gone: set[int] = set()
    for match in sorted(matches, key=emission_order):
        start, end = match[0][1], match[-1][1]
        if start in gone:
            continue
        kept.append(match)
        named = [event for step, event in match if step == skip_step]
        if kind == "toNext":
            gone.add(start)
        elif kind == "pastLast":
            gone.update(range(start, end + 1))
        elif kind == "toFirst" and named:
            gone.update(range(start, named[0]))
        elif kind == "toLast" and named:
            gone.update(range(start, named[-1]))
    return kept
