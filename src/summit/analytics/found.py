"""What comes out of a query: the metrics of one group in one window."""

from __future__ import annotations

from typing import Any

import msgspec

from summit.keyed.keys import Key


class Found(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One group in one window.

    Attributes:
        start_ms, end_ms: The window, half-open.
        final: Whether the window is over; else it is as it stands.
        revision: 0, and one more each time an event within the allowed lateness changes it.
        partial: Told before its time: the group had to go, or the stream has ended.
        replaces: Windows that were told and are no more: sessions that have grown or joined.
        approximate: By metric what is not exact, and by how much; empty = all is exact.
        watched: By metric what its anomaly detector and its trend say.
        nth: How many results before it, one after the other, were of the same group and times.
    """

    key: Key
    start_ms: int
    end_ms: int
    count: int
    metrics: dict[str, Any]
    final: bool = True
    revision: int = 0
    partial: bool = False
    replaces: tuple[tuple[int, int], ...] = ()
    approximate: dict[str, Any] = {}
    watched: dict[str, Any] = {}
    nth: int = 0
