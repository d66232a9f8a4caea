"""Where an address is, out of a MaxMind database. The only file that imports maxminddb."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found
from summit.sources.files import Reloaded

_NAMED: Final = (
    ("continent", "continent"), ("country", "country"), ("city", "city"),
    ("registered_country", "registeredCountry"),
)  # fmt: skip
_LOCATION: Final = (
    ("latitude", "latitude"), ("longitude", "longitude"), ("accuracy_radius", "accuracyRadiusKm"),
    ("time_zone", "timeZone"),
)  # fmt: skip
_FLAT: Final = (
    ("autonomous_system_number", "asn"), ("autonomous_system_organization", "asOrganization"),
    ("isp", "isp"), ("organization", "organization"), ("domain", "domain"),
    ("connection_type", "connectionType"),
)  # fmt: skip


class GeoSource:
    """Reads a database that is read again when its file changes; see `Source`.

    A row has, as far as the database knows it: `country`, `countryCode`, `region`, `regionCode`,
    `city`, `postalCode`, `continent`, `continentCode`, `latitude`, `longitude`, `timeZone`, `asn`,
    …; of a database of another form it is the record as it is. A private address, one that is
    unknown and a text that is no address have none, and the reason says which.

    Raises: Invalid("enrichment.table") for what is no such database; Invalid("extra.missing").
    """

    cache: AnswerCache | None = None

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._reader = Reloaded(path, self._open, clock)

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        reader = await self._reader.now()
        return [self._find(reader, key) for key in keys]

    async def close(self) -> None:
        """See `Source`."""
        await self._reader.close()

    def _open(self) -> Any:
        try:
            import maxminddb
        except ImportError as error:
            raise Invalid("extra.missing", what="geo enrichment", extra="geo") from error
        try:
            # Of a file that is written over in place a mapping would end the process: map a copy.
            with TemporaryDirectory(prefix="summit-geo-", ignore_cleanup_errors=True) as directory:
                copy = Path(directory) / "copy.mmdb"
                copyfile(self._path, copy)
                return maxminddb.open_database(copy, maxminddb.MODE_AUTO)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise Invalid("enrichment.table", reason=f"{self._path}: {error}") from error

    def _find(self, reader: Any, key: Any) -> Found:
        try:
            address = ipaddress.ip_address(key if isinstance(key, str) else "")
        except ValueError:
            return Found("miss", reason="it is no address")
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if not address.is_global:
            return Found("miss", reason="it is no public address")
        try:
            record = reader.get(str(address))
        except (ValueError, RuntimeError) as error:  # IPv6 in a database of IPv4, or a broken one
            return Found("error", reason=str(error))
        if record is None:
            return Found("miss", reason="the database does not know it")
        return Found("found", geo_row(record))


def geo_row(record: Any) -> Any:
    """A record of MaxMind's databases, flat and with our names; another one as it is."""
    if not isinstance(record, dict):
        return record
    row: dict[str, Any] = {}
    for theirs, ours in _NAMED:
        part = record.get(theirs)
        if isinstance(part, dict):
            _name(row, ours, part)
    regions = record.get("subdivisions")
    if isinstance(regions, list) and regions and isinstance(regions[0], dict):
        _name(row, "region", regions[0])
    postal, location = record.get("postal"), record.get("location")
    if isinstance(postal, dict) and "code" in postal:
        row["postalCode"] = postal["code"]
    if isinstance(location, dict):
        row |= {ours: location[theirs] for theirs, ours in _LOCATION if theirs in location}
    row |= {ours: record[theirs] for theirs, ours in _FLAT if theirs in record}
    return row or record


def _name(row: dict[str, Any], ours: str, part: dict[str, Any]) -> None:
    names = part.get("names")
    if isinstance(names, dict) and names:
        row[ours] = names.get("en") or next(iter(names.values()))
    code = part.get("iso_code") or part.get("code")
    if code:
        row[f"{ours}Code"] = code
