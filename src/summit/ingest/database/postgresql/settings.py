"""Options of PostgreSQL as a source."""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal

from summit.base.config import Config
from summit.ingest.checks import at_least, bad_setting

_SLOT: Final = re.compile(r"[a-z0-9_]{1,63}")
_LSN: Final = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


class PostgresqlOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a database collector over PostgreSQL.

    Attributes:
        slot: Name of its replication slot; default `summit_` and the collector's name;
            of a name with other characters, or a long one, a form that no other name has.
        publication: Name of its publication; default the slot's name.
        create_slot: Make the slot at the first start where it is missing.
        create_publication: Make the publication of the wanted tables where it is missing, and add
            tables that it lacks.
        start_lsn: Go on from here, whatever was written before: a place that the slot still holds,
            `16/B374D848`. Everything from there comes again, under the same coordinates.
        keep_bytes: Log that the slot keeps behind what is written, so that startLsn can go back.
        sslmode: TLS to the server, in libpq's words.
        sslrootcert: Whose certificates the server's must be, a file.
    """

    slot: str | None = None
    publication: str | None = None
    create_slot: bool = True
    create_publication: bool = True
    start_lsn: str | None = None
    keep_bytes: int = 0
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    sslrootcert: str | None = None

    def check(self) -> None:
        if self.slot is not None and not _SLOT.fullmatch(self.slot):
            raise bad_setting("/slot", "slot is 1 to 63 of a-z, 0-9 and _")
        if self.publication is not None and not 1 <= len(self.publication.encode()) <= 63:
            raise bad_setting("/publication", "publication is 1 to 63 bytes long")
        at_least(self, 0, "keep_bytes")
        if self.start_lsn is not None and not _LSN.fullmatch(self.start_lsn):
            raise bad_setting("/startLsn", "startLsn is a place in the log like 16/B374D848")


def default_slot(name: str) -> str:
    """The slot of a collector that names none."""
    plain = _plain(name)
    if plain != name:  # else names that differ would share one slot, and lose each other's changes
        plain += f"_{zlib.crc32(name.encode()):08x}"
    return f"summit_{plain}"


def earlier_slot(name: str) -> str:
    """The slot that early versions gave it; another one only for names that are not plain."""
    return f"summit_{_plain(name)}"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:47]
