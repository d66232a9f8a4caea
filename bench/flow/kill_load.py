"""What kill rounds are made of: rules of every kind, random events, and what must come of them.

Events of the topic `plain` are taken in arrival order, each key in one partition; those of `timed`
in the order of time, any key in any partition. Event time runs far faster than the clock, and
every burst begins minutes after the one before: however long a broker is away, the clock passes
over no event that is still to come.

The reference is written down from the definitions of the rules and knows nothing of the engine.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.oracles.windows import Asked, Plain, answers

T0 = 1_700_000_000_000
PARTITIONS = 4
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DISORDER_MS = 2 * MINUTE_MS
QUIET_MS = 5 * MINUTE_MS  # between two bursts, in event time
PAUSE_MS = 3 * 24 * HOUR_MS  # after which nothing is open any more
TOPICS = ("plain", "timed")
FORWARDED = "found"

Place = tuple[str, int, int]


class Row(NamedTuple):
    """An event as it lies in the log."""

    topic: str
    partition: int
    offset: int
    event: dict[str, Any]

    @property
    def at(self) -> int:
        """Its time."""
        return int(self.event["timestamp"])


class Expected(NamedTuple):
    """What must have been written, each as often as it is counted.

    Attributes:
        alerts: Rule, key, places of the events that are evidence.
        windows: Rule, key, time, number of events.
        chained: Key of a pattern that three matches of another one start.
        forwarded: Places of events, once for each match.
        groups: Key, count, reason, places.
        results: Query, window's start and end, key, count, sum.
    """

    alerts: Counter[tuple[str, str, tuple[Place, ...]]]
    windows: Counter[tuple[str, str, int, int]]
    chained: Counter[str]
    forwarded: Counter[Place]
    groups: Counter[tuple[str, int, str | None, tuple[Place, ...]]]
    results: Counter[tuple[str, int, int, str, int, int]]


def _pattern(name: str, topic: str, key: str, **members: Any) -> dict[str, Any]:
    action = {"type": "alert", "config": {"severity": "high", "title": name}}
    return {
        "kind": "pattern", "id": name, "topics": [topic], "groupBy": [key], "action": action,
        **members,
    }  # fmt: skip


_FIVE = {
    "steps": [{"name": "failed", "where": 'eventType == "failed"', "times": 5}],
    "within": "10h",
}
_WINDOWS: dict[str, tuple[dict[str, Any], Asked]] = {
    "hourly": (
        {"type": "tumbling", "size": "1h"},
        Asked("tumbling", HOUR_MS, None, None, lambda v: v["count()"] >= 3, "window", {}),
    ),
    "trailing": (
        {"type": "sliding", "size": "1h"},
        Asked("sliding", HOUR_MS, None, None, lambda v: v["count()"] >= 3, "window", {}),
    ),
    "visit": (
        {"type": "session", "gap": "30m"},
        Asked("session", None, None, 30 * MINUTE_MS, lambda v: v["count()"] >= 3, "window", {}),
    ),
}
QUERY = "sums"
CHAINED = "chained"
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {
        "kind": "stream", "id": "timed", "topics": ["timed"], "order": "eventTime",
        "eventTime": {"maxOutOfOrderness": "2m", "idleTimeout": "1h"},
    },
    {
        "kind": "stream", "id": "plain", "topics": ["plain"],
        "eventTime": {"idleTimeout": "1h"},
    },
    _pattern("five", "plain", "ip", **_FIVE),
    _pattern(
        "copied", "plain", "ip",
        **_FIVE | {"action": {"type": "forward", "config": {"topic": FORWARDED, "key": "ip"}}},
    ),
    _pattern(
        "starting", "plain", "ip",
        **_FIVE | {"action": {"type": "trigger", "config": {"pattern": CHAINED}}},
    ),
    # Starts of one address come in no order among partitions; their number is what counts.
    _pattern(
        CHAINED, f"starts.{CHAINED}", "ip",
        steps=[{"name": "started", "where": 'eventType == "pattern.matched"', "times": 3}],
    ),
    _pattern("five-timed", "timed", "ip", **_FIVE),
    _pattern(
        "unanswered", "timed", "ticket", within="1h",
        steps=[
            {"name": "opened", "where": 'eventType == "opened"'},
            {"name": "none", "where": 'eventType == "closed"', "relation": "notFollowedBy"},
        ],
    ),
    *(
        _pattern(
            name, "timed", "ip", where='eventType == "failed"', window=window,
            having="count() >= 3",
        )
        for name, (window, _) in _WINDOWS.items()
    ),
    {
        "kind": "correlation", "id": "together", "name": "together", "topics": ["timed"],
        "eventTypes": ["failed", "opened"], "correlationKey": "user", "timeWindow": "2h",
        "minEvents": 2, "maxEvents": 4,
    },
    {
        "kind": "query", "id": QUERY, "topics": ["timed"], "eventTypes": ["failed"],
        "groupBy": ["ip"], "window": {"type": "tumbling", "size": "1h"},
        "metrics": [
            {"name": "n", "function": "count"},
            {"name": "sum", "field": "size", "function": "sum"},
        ],
    },
)  # fmt: skip


def harmless(number: int) -> dict[str, Any]:
    """A rule that no event concerns; to come by it all workers must agree on a cut."""
    where = f'eventType == "never-{number}"'
    return _pattern(
        f"harmless-{number % 3}", "timed", "ip", steps=[{"name": "never", "where": where}]
    )


class Traffic:
    """Random events, by a seed; event time only goes forward."""

    def __init__(self, rand: random.Random) -> None:
        self._rand = rand
        self._at_ms = T0
        self._tickets = 0
        self._open: list[str] = []

    def burst(self) -> tuple[str, int, list[dict[str, Any]]]:
        """Topic, partition and some events."""
        rand = self._rand
        topic, partition = rand.choice(TOPICS), rand.randrange(PARTITIONS)
        self._at_ms += QUIET_MS
        events = [self._event(topic, partition) for _ in range(rand.randint(1, 25))]
        if topic == "timed":  # none is late: the frontier is behind by as much
            events.sort(key=lambda event: event["timestamp"] + rand.randrange(DISORDER_MS))
        return topic, partition, events

    def _event(self, topic: str, partition: int) -> dict[str, Any]:
        rand = self._rand
        self._at_ms += rand.randint(0, 4 * MINUTE_MS)
        number = partition if topic == "plain" else rand.randrange(2)
        event: dict[str, Any] = {
            "eventType": "failed",
            "timestamp": self._at_ms,
            "ip": f"10.0.{number}.{rand.randrange(12)}",
            "user": f"u{rand.randrange(40)}",
            "size": rand.randrange(1_000),
        }
        if topic == "timed" and rand.random() < 0.3:
            if self._open and rand.random() < 0.5:
                ticket = self._open.pop(rand.randrange(len(self._open)))
                event |= {"eventType": "closed", "ticket": ticket}
            else:
                self._tickets += 1
                event |= {"eventType": "opened", "ticket": f"t{self._tickets}"}
                self._open = [*self._open[-9:], event["ticket"]]
        return event

    def pause(self) -> dict[str, Any]:
        """An event, for every partition, after which nothing is open any more."""
        self._at_ms += PAUSE_MS
        self._open.clear()
        return {"eventType": "pause", "timestamp": self._at_ms}


def expected(rows: Iterable[Row]) -> Expected:
    """What all these events must have led to; a pause is the last in every partition."""
    plain = sorted((row for row in rows if row.topic == "plain"), key=lambda r: (r[1], r[2]))
    timed = sorted(
        (row for row in rows if row.topic == "timed"), key=lambda r: (r.at, r.partition, r.offset)
    )
    five = _fives(plain)
    alerts = Counter(("five", key, places) for key, places in five)
    alerts.update(("five-timed", key, places) for key, places in _fives(timed))
    alerts.update(("unanswered", key, places) for key, places in _unanswered(timed))
    failed = defaultdict(list)
    for row in timed:
        if row.event["eventType"] == "failed":
            failed[row.event["ip"]].append(row)
    windows: Counter[tuple[str, str, int, int]] = Counter()
    results: dict[tuple[int, str], list[int]] = defaultdict(list)
    for ip, mine in failed.items():
        events = [Plain(row.at, "failed", None) for row in mine]
        for name, (_, asked) in _WINDOWS.items():
            for one in answers(events, asked, mine[-1].at + 3 * HOUR_MS):
                windows[name, ip, one.at, one.events] += 1
        for row in mine:
            results[row.at // HOUR_MS * HOUR_MS, ip].append(row.event["size"])
    return Expected(
        alerts,
        windows,
        Counter({key: count // 3 for key, count in Counter(key for key, _ in five).items()}),
        Counter(place for _, places in five for place in places),
        Counter(_groups(timed)),
        Counter(
            (QUERY, start, start + HOUR_MS, ip, len(sizes), sum(sizes))
            for (start, ip), sizes in results.items()
        ),
    )


def _place(row: Row) -> Place:
    return row.topic, row.partition, row.offset


def _fives(rows: list[Row]) -> list[tuple[str, tuple[Place, ...]]]:
    """Five failures of an address within ten hours, then anew."""
    found = []
    alive: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.event["eventType"] != "failed":
            continue
        ip = row.event["ip"]
        # Of one address each later event could begin a run; all of them end with the first match.
        run = [one for one in alive[ip] if row.at - one.at < 10 * HOUR_MS]
        run.append(row)
        if len(run) == 5:
            found.append((ip, tuple(map(_place, run))))
            run = []
        alive[ip] = run
    return found


def _unanswered(rows: list[Row]) -> list[tuple[str, tuple[Place, ...]]]:
    """Tickets that were opened and not closed within the hour."""
    closed = {
        row.event["ticket"]: row.at for row in rows if row.event["eventType"] == "closed"
    }  # fmt: skip
    return [
        (row.event["ticket"], (_place(row),))
        for row in rows
        if row.event["eventType"] == "opened"
        and not row.at <= closed.get(row.event["ticket"], -1) < row.at + HOUR_MS
    ]


def _groups(rows: list[Row]) -> Iterable[tuple[str, int, str | None, tuple[Place, ...]]]:
    """Two hours from a user's first event, at most four: told with the second and at the end."""
    groups: dict[str, list[Row]] = {}

    def closed(user: str, reason: str) -> Iterable[tuple[str, int, str | None, tuple[Place, ...]]]:
        group = groups.pop(user)
        if len(group) >= 2:
            yield user, len(group), reason, tuple(map(_place, group))

    for row in rows:
        if row.event["eventType"] not in ("failed", "opened"):
            continue
        user = row.event["user"]
        if user in groups and row.at >= groups[user][0].at + 2 * HOUR_MS:
            yield from closed(user, "window")
        group = groups.setdefault(user, [])
        group.append(row)
        if len(group) == 2:
            yield user, 2, None, tuple(map(_place, group))
        elif len(group) == 4:
            yield from closed(user, "max")
    for user in list(groups):
        yield from closed(user, "window")


def dumped(event: dict[str, Any]) -> str:
    """An event as a record's value."""
    return json.dumps(event)
