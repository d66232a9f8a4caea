"""Options of MySQL and MariaDB as a source."""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal

from summit.base.config import Config
from summit.ingest.checks import bad_setting

_FILE_PLACE: Final = re.compile(r"[^\s:]+\.\d{6,}:\d+")
_GTID: Final = re.compile(r"[0-9a-fA-F:,\-]+")


class MysqlOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a database collector over MySQL or MariaDB.

    Attributes:
        server_id: The collector's own number among the replicas of the server, unlike all others;
            default made of the collector's name.
        follow: How the place in the binary log is kept: `gtid` also holds after a failover to
            another server, `file` is file and position of this server; `auto` takes GTIDs where
            the server has them.
        start_at: Go on from here, whatever was written before: `mariadb-bin.000042:328`, or a
            GTID state, `0-1-270`. Everything from there comes again, with the same evidence ids.
        tls: Encrypt the connection.
        ca_file: Whose certificates the server's must be; needs `tls`.
    """

    server_id: int | None = None
    follow: Literal["auto", "gtid", "file"] = "auto"
    start_at: str | None = None
    tls: bool = False
    ca_file: str | None = None

    def check(self) -> None:
        if self.server_id is not None and not 1 <= self.server_id < 2**32:
            raise bad_setting("/serverId", "serverId goes from 1 to 4294967295")
        if self.ca_file is not None and not self.tls:
            raise bad_setting("/caFile", "caFile goes with tls")
        if self.start_at is not None and not (
            _FILE_PLACE.fullmatch(self.start_at) or _GTID.fullmatch(self.start_at)
        ):
            raise bad_setting(
                "/startAt", "startAt is a place like mariadb-bin.000042:328, or a GTID like 0-1-270"
            )

    def start(self) -> dict[str, str | int] | None:
        """`start_at` as a position; None without one."""
        if self.start_at is None:
            return None
        if _FILE_PLACE.fullmatch(self.start_at):
            file, _, offset = self.start_at.rpartition(":")
            return {"file": file, "offset": int(offset), "gtid": ""}
        return {"file": "", "offset": 4, "gtid": self.start_at}


def default_server_id(name: str) -> int:
    """The number of a collector that names none; far from those that people choose."""
    return 1_000_000_000 + zlib.crc32(name.encode()) % 1_000_000_000
