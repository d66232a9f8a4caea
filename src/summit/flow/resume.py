"""Where a worker goes on that takes over: what to read back, under which rules.

Everything below the group's committed offsets is done: its alerts are written. But matches may be
unfinished, and they live in memory only. So the worker reads back, with its outputs thrown away,
from where the last progress record says that no unfinished match begins earlier; under the rules
that acted at each point; cut where alerts have ended something (`cuts.py`). After that its state
is what it was, and the next records make the same alerts with the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from summit.alerts import Alert, decode_alert
from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.limits import FOLLOWER_READY_MS, WATERMARK_UNKNOWN
from summit.client.types import ConsumerRecord
from summit.flow.inputs import Inputs, topics_of
from summit.journal.follower import LogFollower
from summit.journal.progress_record import Positions, ProgressRecord, split_partition_name
from summit.journal.topics import ALERTS_TOPIC


class Phase(NamedTuple):
    """A stretch under one set of rules.

    Attributes:
        definitions: Everything below this offset of the definitions acts.
        until: Where it ends, by partition; what is not named is not read in it.
    """

    definitions: int
    until: Positions


class Resumption(NamedTuple):
    """Where to go on.

    Attributes:
        committed: First offset that is not done, by partition.
        low: Where to begin reading back, and the watermark there, by partition.
        phases: In order; the last one ends at `committed`.
    """

    committed: Positions
    low: dict[str, tuple[int, int]]
    phases: list[Phase]


def plan_resumption(
    committed: Positions, last: ProgressRecord | None, definitions: int
) -> Resumption:
    """Put together what the group and the last progress record say.

    Args:
        committed: By partition; only those that the group has offsets of.
        definitions: Next offset of the definitions, where no record says which ones acted.
    """
    low = {name: (offset, WATERMARK_UNKNOWN) for name, offset in committed.items()}
    if last is not None:
        for name, (offset, watermark_ms) in last.low.items():
            # A record older than the commit only makes us read back further.
            if offset <= committed.get(name, -1):
                low[name] = (offset, watermark_ms)
    activations = [] if last is None else last.activations
    if not activations:
        return Resumption(committed, low, [Phase(definitions, dict(committed))])
    phases: list[Phase] = []
    for number, (offset, _) in enumerate(activations):
        until = dict(committed)
        if number + 1 < len(activations):
            begins = activations[number + 1][1]
            until = {n: min(at, begins[n]) for n, at in committed.items() if n in begins}
        phases.append(Phase(offset, until))
    return Resumption(committed, low, phases)


def needed_activations(
    activations: list[tuple[int, Positions]], low: Mapping[str, tuple[int, int]]
) -> list[tuple[int, Positions]]:
    """Those that a restart at `low` would still need: the last one before it, and later ones."""
    first = 0
    for number in range(1, len(activations)):
        begins = activations[number][1]
        if all(begins.get(name, 0) <= offset for name, (offset, _) in low.items()):
            first = number
    return activations[first:]


async def estimate_low(
    inputs: Inputs, committed: Positions, names: list[str], span_ms: int
) -> dict[str, tuple[int, int]]:
    """Where to read back from without a progress record: by the records' own times.

    That is the first record of each partition whose time is not more than `span_ms` before that of
    the last one that is done. Exact where records are stamped with their event time or arrive
    without much delay; else a match that began earlier is found only in part.

    Raises: Unavailable.
    """
    found = {name: (committed[name], WATERMARK_UNKNOWN) for name in names}
    starts = {name: committed[name] - 1 for name in names if committed[name] > 0}
    if not starts or span_ms == 0:
        return found
    times = await _first_times(inputs, starts)
    for topic in topics_of(starts):
        mine = [name for name in times if split_partition_name(name)[0] == topic]
        if not mine:
            continue
        since_ms = max(0, min(times[name] for name in mine) - span_ms)
        firsts = await inputs.admin.offsets_for_time(topic, since_ms)
        for name in mine:
            first = firsts.get(split_partition_name(name)[1])
            if first is not None:
                found[name] = (min(first, committed[name]), WATERMARK_UNKNOWN)
    return found


async def _first_times(inputs: Inputs, starts: Positions) -> dict[str, int]:
    """The time of the record at each of these offsets, where it comes within a second."""
    await inputs.assign(starts)
    times: dict[str, int] = {}
    while len(times) < len(starts):
        records = await inputs.poll(1_000, 1_000)
        if not records:
            break
        for record in records:
            times.setdefault(f"{record.topic}/{record.partition}", record.timestamp)
    return times


class WrittenAlert(NamedTuple):
    """An alert of the topic and where it stands; `partition` is its number as text."""

    partition: str
    offset: int
    alert: Alert


async def read_alerts(servers: list[str], since: Positions, clock: Clock) -> list[WrittenAlert]:
    """The alerts of the topic from these offsets on (by partition) to its present end.

    Raises: Unavailable.
    """
    alerts: list[WrittenAlert] = []

    def take(records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                alert = decode_alert(record.value or b"")
            except Invalid:
                continue
            alerts.append(WrittenAlert(str(record.partition), record.offset, alert))

    if not since:
        return alerts
    follower = LogFollower(servers, "summit-resume", take, clock=clock)
    try:
        await follower.start({(ALERTS_TOPIC, int(p)): at for p, at in since.items()})
        await follower.wait_caught_up(FOLLOWER_READY_MS)
    finally:
        await follower.stop()
    return alerts
