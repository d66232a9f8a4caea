"""Options of SQLite as a source."""

from __future__ import annotations

import re
from typing import Final

from summit.base.config import Config
from summit.ingest.checks import at_least, bad_setting

_NAME: Final = re.compile(r"_summit_[A-Za-z0-9_]{1,50}")


class SqliteOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a database collector over SQLite.

    Attributes:
        changes_table: Where the triggers write; begins with `_summit_`. Each collector of one
            database needs its own.
        poll_interval_ms: How often it is looked whether anything was committed.
        busy_timeout_ms: How long it waits for a lock that an application holds.
        remove: Take triggers and tables of the collector away again, and complete.
    """

    changes_table: str = "_summit_changes"
    poll_interval_ms: int = 100
    busy_timeout_ms: int = 2_000
    remove: bool = False

    def check(self) -> None:
        at_least(self, 1, "poll_interval_ms")
        at_least(self, 0, "busy_timeout_ms")
        if not _NAME.fullmatch(self.changes_table):
            raise bad_setting(
                "/changesTable", "changesTable is _summit_ and up to 50 of A-Z, a-z, 0-9 and _"
            )
