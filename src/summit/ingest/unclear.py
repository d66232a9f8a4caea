"""Records of which it is not known whether they were written, by their sender's key.

Their sender will send them again; then only what was not written is written.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from summit.base.limits import INGEST_IN_FLIGHT_BYTES_MAX
from summit.ingest.delivery import Handed

_BYTES_MAX: Final = INGEST_IN_FLIGHT_BYTES_MAX  # the oldest are forgotten


class Unclear:
    """What one collector has handed over without learning its outcome."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, Handed]] = OrderedDict()
        self._bytes = 0

    def keep(self, key: str, digest: str, handed: Handed) -> None:
        """Keep the records that came under a key, and what stands for their content."""
        self.forget(key)
        self._kept[key] = (digest, handed)
        self._bytes += handed.size_bytes
        while self._bytes > _BYTES_MAX and len(self._kept) > 1:
            self.forget(next(iter(self._kept)))

    def digest(self, key: str) -> str | None:
        """What stands for the content that came under a key."""
        kept = self._kept.get(key)
        return None if kept is None else kept[0]

    def get(self, key: str) -> Handed | None:
        """What came under a key."""
        kept = self._kept.get(key)
        return None if kept is None else kept[1]

    def forget(self, key: str) -> None:
        """The outcome is known."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept[1].size_bytes
