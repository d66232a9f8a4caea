"""Which alerts a restart must read again: those that cut something behind the read-back. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from summit.flow.cuts import Cut
from summit.journal.progress_record import Positions


class AlertTrail:
    """The alerts written lately, by partition of the alerts topic (its number as text).

    Attributes:
        next_offsets: Everything below is written.
    """

    def __init__(self, next_offsets: Positions) -> None:
        self.next_offsets = dict(next_offsets)
        self._recent: list[tuple[str, int, Cut]] = []

    def written(self, partition: str, offset: int, cut: Cut | None) -> None:
        """An alert stands at an offset; `cut` is what it cuts, if anything."""
        self.next_offsets[partition] = max(self.next_offsets.get(partition, 0), offset + 1)
        if cut is not None:
            self._recent.append((partition, offset, cut))

    def low(self, low: Mapping[str, tuple[int, int]]) -> Positions:
        """Where a restart that reads back from `low` must begin to read alerts."""
        self._recent = [
            entry
            for entry in self._recent
            if entry[2].name in low and entry[2].offset >= low[entry[2].name][0]
        ]
        first = dict(self.next_offsets)
        for partition, offset, _ in self._recent:
            first[partition] = min(first[partition], offset)
        return first
