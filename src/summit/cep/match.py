"""What comes out of a pattern: its matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from summit.cep.runs import Run
from summit.keyed.captured import EventRef, event_ref
from summit.keyed.keys import Key, key_values


class Match(msgspec.Struct, frozen=True, gc=False):
    """One match of one pattern.

    Attributes:
        key: Values of the pattern's `groupBy`, in its order.
        captures: (step name, event) in the order in which the events were taken.
        start_ms: Earliest time at which one of its events was taken.
        end_ms: Latest such time; for an absence, the time at which it was certain.
        timed: True when time completed it, not its last event.
        timed_out: True for a partial match that ran out of time, at `end_ms`.
        window: Of a window rule: from when to when, half-open.
        count: Then, how many events the window had; `captures` are the last ones.
        values: Then, its figures, by the texts of their calls and by their names.
        late: Whether it is told because of a late event.
        revision: Then, how often it was told before.
        withdrawn: Then, whether it is none any more; the rest is as it was told last.
    """

    pattern_id: str
    key: tuple[Any, ...]
    captures: list[tuple[str, EventRef]]
    start_ms: int
    end_ms: int
    timed: bool = False
    timed_out: bool = False
    window: tuple[int, int] | None = None
    count: int = 0
    values: dict[str, Any] = {}
    late: bool = False
    revision: int = 0
    withdrawn: bool = False


def make_match(
    pattern_id: str, names: Sequence[str], key: Key, run: Run, over_ms: int | None = None
) -> Match:
    """The match that a run is.

    Args:
        names: Of the pattern's steps.
        over_ms: When its time was over, for a partial match.
    """
    at_ms = run.done_ms if over_ms is None else over_ms
    captures = run.captures
    if len(captures) == 2:
        step, event = captures
        time = event.time_ms
        return Match(
            pattern_id, key_values(key), [(names[step], event_ref(event))], time,
            time if at_ms is None else at_ms, at_ms is not None, over_ms is not None,
        )  # fmt: skip
    times = [event.time_ms for event in captures[1::2]]
    return Match(
        pattern_id,
        key_values(key),
        [(names[captures[n]], event_ref(captures[n + 1])) for n in range(0, len(captures), 2)],
        min(times),
        max(times) if at_ms is None else at_ms,
        at_ms is not None,
        over_ms is not None,
    )
