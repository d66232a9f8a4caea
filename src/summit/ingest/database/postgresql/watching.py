"""What of the server's log is kept for a slot, and what is wrong with that."""

from __future__ import annotations

from typing import Any, Final

from summit.base.clock import Clock
from summit.ingest.database.postgresql.link import Link
from summit.ingest.database.postgresql.preparing import Preparing
from summit.ingest.database.settings import DatabaseOptions

LOOK_MS: Final = 5_000
NEW_TABLES_MS: Final = 60_000
_SLOT: Final = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8,
       to_jsonb(s) ->> 'wal_status', (to_jsonb(s) ->> 'safe_wal_size')::int8,
       current_setting('max_slot_wal_keep_size', true)
  FROM pg_replication_slots s WHERE slot_name = %s
"""


class Watching:
    """Looks at the slot now and then; told to by the source's thread, asked by the loop."""

    def __init__(
        self, preparing: Preparing, link: Link, options: DatabaseOptions, clock: Clock
    ) -> None:
        self._preparing = preparing
        self._link = link
        self._alarm_bytes = options.lag_alarm_bytes
        self._clock = clock
        self._looked_ms: float = -LOOK_MS
        self._new_ms = clock.monotonic_ms()
        self._figures: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._unread: list[str] = []

    def figures(self) -> dict[str, Any]:
        """The slot's figures as they were a few seconds ago."""
        return self._figures

    def warnings(self) -> list[str]:
        """What is wrong, each with what to do."""
        return [*self._warnings, *self._unread]

    def look(self, connection: Any) -> None:
        """Ask the server, unless it was asked just now. Raises as `Link.fault`."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        slot = self._preparing.slot
        for lag, retained, status, safe, keep in self._link.query(connection, _SLOT, slot):
            self._figures = {
                "lagBytes": lag,
                "retainedBytes": retained,
                "walStatus": status,
                "safeWalBytes": safe,
                "maxSlotWalKeepSize": keep,
            }
            self._warnings = list(self._faults(slot, retained, status, safe))
        if now_ms - self._new_ms >= NEW_TABLES_MS:
            self._new_ms = now_ms
            new = self._preparing.unpublished(connection)
            self._unread = [
                f"{name} fits the configuration and is not followed yet: restart the collector"
                for name in new
            ]

    def _faults(self, slot: str, retained: int, status: str | None, safe: int | None) -> Any:
        if status in ("unreserved", "lost"):
            yield (
                f"the slot '{slot}' is {status}: the server gives up its log; let the collector "
                "catch up, and raise max_slot_wal_keep_size"
            )
        elif retained > self._alarm_bytes:
            yield (
                f"the server keeps {retained} bytes of log for the slot '{slot}' (lagAlarmBytes is "
                f"{self._alarm_bytes}): see whether the collector keeps up, end long transactions"
            )
        if safe is not None and safe < self._alarm_bytes // 10:
            yield f"{safe} bytes of log later the server gives up the slot '{slot}'"
