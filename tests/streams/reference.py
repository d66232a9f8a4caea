"""An independent reading of events: what the apps must find, computed from all of them at once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from operator import itemgetter
from typing import Any

from tests.streams.apps import BOUNDS, BUCKET_MS, GAP_MS

Event = dict[str, Any]
Log = dict[int, list[Event]]  # by partition, in the order of the log


def all_events(log: Log) -> list[Event]:
    """All events, the skipped left out."""
    return [event for events in log.values() for event in events if not event["skip"]]


def in_time(log: Log, delay: int = 0) -> list[Event]:
    """Those that are not late in their own partition."""
    found = []
    for events in log.values():
        reached = -(1 << 60)
        for event in events:
            if event["at"] >= reached - delay and not event["skip"]:
                found.append(event)
            reached = max(reached, event["at"])
    return found


def buckets(events: list[Event], size: int = BUCKET_MS) -> Counter[tuple[str, int]]:
    """How many events of a key lie in each stretch of event time, by key and its end."""
    return Counter((e["key"], e["at"] - e["at"] % size + size) for e in events)


def hops(events: list[Event], size: int, every: int) -> Counter[tuple[str, int]]:
    """The sum of `v` in each window that holds an event, by key and the window's start."""
    found: Counter[tuple[str, int]] = Counter()
    for event in events:
        last = event["at"] // every * every
        for start in range(last, event["at"] - size, -every):
            found[event["key"], start] += event["v"]
    return found


def sessions(events: list[Event]) -> list[tuple[str, int, list[int]]]:
    """Key, first time and ids of each stretch without a longer gap."""
    found = []
    by_key = defaultdict(list)
    for event in events:
        by_key[event["key"]].append((event["at"], event["id"]))
    for key, times in by_key.items():
        mine = sorted(times)
        current = [mine[0]]
        for one in mine[1:]:
            if one[0] - current[-1][0] > GAP_MS:
                found.append((key, current))
                current = []
            current.append(one)
        found.append((key, current))
    return sorted((key, them[0][0], sorted(n for _, n in them)) for key, them in found)


def pairs(left: list[Event], right: list[Event]) -> list[tuple[int, int | None]]:
    """Ids of all pairs of one key near in time; a left one alone with None."""
    by_key = defaultdict(list)
    for event in sorted(right, key=itemgetter("at")):
        by_key[event["key"]].append(event)
    found: list[tuple[int, int | None]] = []
    for one in left:
        others = by_key[one["key"]]
        first = bisect_left(others, one["at"] + BOUNDS[0], key=itemgetter("at"))
        end = bisect_right(others, one["at"] + BOUNDS[1], key=itemgetter("at"))
        met = [event["id"] for event in others[first:end]]
        found += [(one["id"], other) for other in met or [None]]
    return sorted(found, key=str)


def check_numbered(found: list[Event], log: Log, delay: int = 0) -> None:
    """Every event once, the numbers of a key without gap or double, every bucket once."""
    numbers: dict[str, list[int]] = defaultdict(list)
    ids: Counter[int] = Counter()
    counted: dict[tuple[str, int], int] = {}
    for one in found:
        if "n" in one:
            ids[one["id"]] += 1
            numbers[one["key"]].append(one["n"])
        else:
            assert (one["key"], one["until"]) not in counted
            counted[one["key"], one["until"]] = one["count"]
    assert ids == Counter(event["id"] for event in all_events(log))
    assert all(sorted(them) == list(range(1, len(them) + 1)) for them in numbers.values())
    assert counted == buckets(in_time(log, delay))


def expected(clicks: Log, views: Log) -> dict[str, list[Any]]:
    """By topic of the app `everything` what it must hold, sorted; not of `numbered`."""
    timely = in_time(clicks, delay=2)
    ids = {event["id"] for event in timely}
    totals: Counter[tuple[int, int]] = Counter()
    for (key, end), count in buckets(timely).items():
        totals[len(key), (end - 1) // (4 * BUCKET_MS) * 4 * BUCKET_MS] += count
    return {
        "counted": sorted((k, end - BUCKET_MS, n) for (k, end), n in buckets(timely).items()),
        "hopping": sorted((k, start, n) for (k, start), n in hops(timely, 60, 20).items()),
        "sessions": sessions(timely),
        "pairs": pairs(timely, in_time(views)),
        "totals": sorted((k, start, n) for (k, start), n in totals.items()),
        "late": sorted(e["id"] for e in all_events(clicks) if e["id"] not in ids),
    }


def seen(topic: str, values: list[Any]) -> list[Any]:
    """What a topic holds, in the form of `expected`."""
    if topic == "late":
        return sorted(value["id"] for value in values)
    if topic == "pairs":
        return sorted(((value["left"], value["right"]) for value in values), key=str)
    if topic == "sessions":
        return sorted((value["key"], value["from"], value["ids"]) for value in values)
    return sorted((value["key"], value["startMs"], value["value"]) for value in values)
