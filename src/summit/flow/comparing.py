"""Two versions of a rule over the same records: what both find, what only one. Pure.

Two findings are of the same thing when they share an event, or name the same key at the same time
(alerts of absences may hold no event); results of queries when they share a group of a window. Held
are the last ones only: what has found no counterpart among so many has none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Literal

import msgspec

from summit.flow.past_findings import Finding

ALERTS_HELD: Final = 10_000
PLACES_HELD: Final = 500_000
Side = Literal[0, 1]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of one version without a counterpart, or a pair of counterparts."""

    kind: Literal["both", "onlyA", "onlyB"]
    a: Finding | None = None
    b: Finding | None = None


class _Held(msgspec.Struct, eq=False):
    side: Side
    finding: Finding
    places: list[Hashable]
    paired: bool = False


_ByPlace = dict[Hashable, list[_Held]]


class Comparison:
    """Takes the findings of both sides as they come.

    Args:
        found: Told of every pair and every finding without a counterpart, once.

    Attributes:
        both: What the first version finds and the second too.
        only_a, only_b: What has no counterpart; complete after `finish`.
    """

    def __init__(self, found: Callable[[Difference], None]) -> None:
        self.both = 0
        self.only_a = 0
        self.only_b = 0
        self._found = found
        self._held: deque[_Held] = deque()
        self._by_place: tuple[_ByPlace, _ByPlace] = ({}, {})
        self._places = 0

    def add(self, side: Side, finding: Finding) -> None:
        """Take what the first (0) or second (1) version found."""
        held = _Held(side, finding, list(finding.places()))
        self._held.append(held)
        self._places += len(held.places)
        others = self._by_place[1 - side]
        own = self._by_place[side]
        for place in held.places:
            for other in others.get(place, ()):
                a, b = (other, held) if side else (held, other)
                if not a.paired:
                    self.both += 1
                    self._found(Difference(kind="both", a=a.finding, b=b.finding))
                a.paired = b.paired = True
            own.setdefault(place, []).append(held)
        while len(self._held) > ALERTS_HELD or self._places > PLACES_HELD:
            self._let_go()

    def finish(self) -> None:
        """Nothing more comes."""
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
            self._found(Difference(kind="onlyA", a=held.finding))
        else:
            self.only_b += 1
            self._found(Difference(kind="onlyB", b=held.finding))
