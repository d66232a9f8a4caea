"""Tables to look keys up in: by the key itself, by network, by domain. The longest match wins.

Rows are kept as JSON, packed (`packed.py`); what is found is a copy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.documents.enrichment_sources import Match
from summit.enrich.enriching import MISSED, Found
from summit.enrich.packed import PackedRows
from summit.events.networks import parse_network
from summit.events.values import as_ip, as_text

MISS: Final = object()
Lookup = Callable[[Any], Any]  # the row of a key, or MISS

_BITS: Final = {4: 32, 6: 128}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def compile_table(rows: Iterable[tuple[str, Any]], match: Match) -> Lookup:
    """A function from a key to its row.

    Cost: one look-up; by network one per distinct prefix length, by domain one per label.

    Args:
        rows: (key, row), any JSON.
    Raises: Invalid("network.invalid", "enrichment.table").
    """
    if match == "cidr":
        return _by_network(rows)
    get = texts_of((_domain(key) if match == "domain" else key, row) for key, row in rows)
    return by_domain(get) if match == "domain" else by_text(get)


def find_rows(lookup: Lookup, keys: Sequence[Any]) -> list[Found]:
    """What a table has for each key."""
    rows = [lookup(key) for key in keys]
    return [MISSED if row is MISS else Found("found", row) for row in rows]


def texts_of(rows: Iterable[tuple[str, Any]]) -> Lookup:
    """A function from a text to the row under it. Raises: Invalid("enrichment.table")."""
    packed = PackedRows()
    for key, row in rows:
        packed.add(hash(key), key.encode("utf-8", "surrogatepass") + b"\0" + _encode(row))
    packed.seal()
    for number in packed.twins():
        keys = [entry.partition(b"\0")[0] for entry in packed.find(number)]
        if len(set(keys)) < len(keys):
            text = next(key for key in keys if keys.count(key) > 1).decode(errors="replace")
            raise Invalid("enrichment.table", reason=f"the key '{text[:80]}' is there twice")

    def get(key: str) -> Any:
        head = key.encode("utf-8", "surrogatepass") + b"\0"
        row = packed.get(hash(key), head)
        return MISS if row is None else _decode(row)

    return get


def by_text(get: Lookup) -> Lookup:
    """Looks keys up as text: 7 is found under "7"."""

    def exact(key: Any) -> Any:
        text = as_text(key)
        return MISS if text is None or "\0" in text else get(text)

    return exact


def by_domain(get: Lookup) -> Lookup:
    """By the longest domain that the key is, or lies in; case and a dot at the end do not count."""

    def lookup(key: Any) -> Any:
        if type(key) is not str or len(key) > 255:
            return MISS
        name = key.strip().lower().rstrip(".")
        while name and "\0" not in name:
            row = get(name)
            if row is not MISS:
                return row
            name = name.partition(".")[2]
        return MISS

    return lookup


def _domain(text: str) -> str:
    name = text.strip().lower().removeprefix("*").strip(".")
    if not name:
        raise Invalid("enrichment.table", reason=f"'{text[:80]}' is no domain")
    return name


def _by_network(rows: Iterable[tuple[str, Any]]) -> Lookup:
    """By the longest prefix; a row's key may be an address alone."""
    tables: dict[tuple[int, int], PackedRows] = {}
    for text, row in rows:
        version, first, prefix = parse_network(text)
        shift = _BITS[version] - prefix
        head = first >> shift
        # Numbers of more than 64 bits are cut to the lower half: the whole one stands in the row.
        table = tables.setdefault((shift, version), PackedRows())
        table.add(head, head.to_bytes(16) + _encode(row))
    for (shift, version), table in tables.items():
        table.seal()
        for number in table.twins():
            heads = [entry[:16] for entry in table.find(number)]
            if len(set(heads)) < len(heads):
                reason = f"a network of {_BITS[version] - shift} bits is there twice"
                raise Invalid("enrichment.table", reason=reason)
    ordered = sorted(tables.items(), key=lambda item: item[0])

    def lookup(key: Any) -> Any:
        address = as_ip(key)
        if address is None:
            return MISS
        version, number = address
        for (shift, of_version), table in ordered:
            if of_version == version:
                first = number >> shift
                row = table.get(first, first.to_bytes(16))
                if row is not None:
                    return _decode(row)
        return MISS

    return lookup
