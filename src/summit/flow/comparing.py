"""Two versions of a rule over the same records: which alerts both raise, which only one. Pure.

Two alerts are of the same thing when they share an event, or name the same key at the same time
(alerts of absences may hold no event). Held are the last ones only: what has found no counterpart
among so many alerts has none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Final, Literal

import msgspec

from summit.alerts import Alert

ALERTS_HELD: Final = 10_000
PLACES_HELD: Final = 500_000
Side = Literal[0, 1]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of one version without a counterpart, or a pair of counterparts."""

    kind: Literal["both", "onlyA", "onlyB"]
    a: Alert | None = None
    b: Alert | None = None


class _Held(msgspec.Struct, eq=False):
    side: Side
    alert: Alert
    places: list[Hashable]
    paired: bool = False


_ByPlace = dict[Hashable, list[_Held]]


class Comparison:
    """Takes the alerts of both sides as they come.

    Args:
        found: Told of every pair and every alert without a counterpart, once.

    Attributes:
        both: Alerts of the first version that the second raises too.
        only_a, only_b: Alerts without a counterpart; complete after `finish`.
    """

    def __init__(self, found: Callable[[Difference], None]) -> None:
        self.both = 0
        self.only_a = 0
        self.only_b = 0
        self._found = found
        self._held: deque[_Held] = deque()
        self._by_place: tuple[_ByPlace, _ByPlace] = ({}, {})
        self._places = 0

    def add(self, side: Side, alert: Alert) -> None:
        """Take an alert of the first (0) or second (1) version."""
        held = _Held(side, alert, list(_places(alert)))
        self._held.append(held)
        self._places += len(held.places)
        others = self._by_place[1 - side]
        own = self._by_place[side]
        for place in held.places:
            for other in others.get(place, ()):
                a, b = (other, held) if side else (held, other)
                if not a.paired:
                    self.both += 1
                    self._found(Difference(kind="both", a=a.alert, b=b.alert))
                a.paired = b.paired = True
            own.setdefault(place, []).append(held)
        while len(self._held) > ALERTS_HELD or self._places > PLACES_HELD:
            self._let_go()

    def finish(self) -> None:
        """No more alerts come."""
        while self._held:
            self._let_go()

    def _let_go(self) -> None:
        held = self._held.popleft()
        self._places -= len(held.places)
        own = self._by_place[held.side]
        for place in held.places:
            own[place].remove(held)
            if not own[place]:
                del own[place]
        if held.paired:
            return
        if held.side == 0:
            self.only_a += 1
            self._found(Difference(kind="onlyA", a=held.alert))
        else:
            self.only_b += 1
            self._found(Difference(kind="onlyB", b=held.alert))


def _places(alert: Alert) -> Iterator[Hashable]:
    for event in alert.evidence:
        yield event.topic, event.partition, event.offset
    yield msgspec.json.encode(alert.key), alert.timestamp
