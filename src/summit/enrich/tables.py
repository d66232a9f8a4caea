"""Tables to look keys up in: by the key itself, by network, by domain. The longest match wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from summit.base.errors import Invalid
from summit.documents.enrichment import Match
from summit.enrich.enriching import MISSED, Found
from summit.events.networks import parse_network
from summit.events.values import as_ip, as_text

MISS: Final = object()
Lookup = Callable[[Any], Any]  # the row of a key, or MISS

_BITS: Final = {4: 32, 6: 128}


def compile_table(rows: Mapping[str, Any], match: Match) -> Lookup:
    """A function from a key to its row.

    Cost: one look-up; by network one per distinct prefix length, by domain one per label.

    Raises: Invalid("network.invalid", "enrichment.table").
    """
    if match == "cidr":
        return _by_network(rows)
    if match == "domain":
        return _by_domain(rows)
    table = dict(rows)

    def exact(key: Any) -> Any:
        text = as_text(key)
        return MISS if text is None else table.get(text, MISS)

    return exact


def find_rows(lookup: Lookup, keys: Sequence[Any]) -> list[Found]:
    """What a table has for each key."""
    rows = [lookup(key) for key in keys]
    return [MISSED if row is MISS else Found("found", row) for row in rows]


def _by_network(rows: Mapping[str, Any]) -> Lookup:
    """By the longest prefix; a row's key may be an address alone."""
    tables: dict[tuple[int, int], dict[int, Any]] = {}
    for text, row in rows.items():
        version, first, prefix = parse_network(text)
        shift = _BITS[version] - prefix
        table = tables.setdefault((shift, version), {})
        if table.setdefault(first >> shift, row) is not row:
            raise Invalid("enrichment.table", reason=f"the network '{text}' is there twice")
    ordered = sorted(tables.items())

    def lookup(key: Any) -> Any:
        address = as_ip(key)
        if address is None:
            return MISS
        version, number = address
        for (shift, of_version), table in ordered:
            if of_version == version and (row := table.get(number >> shift, MISS)) is not MISS:
                return row
        return MISS

    return lookup


def _by_domain(rows: Mapping[str, Any]) -> Lookup:
    """By the longest domain that the key is, or lies in; case and a dot at the end do not count."""
    table: dict[str, Any] = {}
    for text, row in rows.items():
        name = text.strip().lower().removeprefix("*").strip(".")
        if not name:
            raise Invalid("enrichment.table", reason=f"'{text}' is no domain")
        if table.setdefault(name, row) is not row:
            raise Invalid("enrichment.table", reason=f"the domain '{text}' is there twice")

    def lookup(key: Any) -> Any:
        if type(key) is not str or len(key) > 255:
            return MISS
        name = key.strip().lower().rstrip(".")
        while name:
            row = table.get(name, MISS)
            if row is not MISS:
                return row
            name = name.partition(".")[2]
        return MISS

    return lookup
