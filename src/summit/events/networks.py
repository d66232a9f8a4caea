"""Sets of IP networks, for the test whether an address lies in one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from summit.base.errors import Invalid
from summit.events.values import as_ip

_BITS = {4: 32, 6: 128}
_MAPPED_BITS = 96  # before an IPv4 address inside IPv6


def parse_network(text: str) -> tuple[int, int, int]:
    """(4 or 6, first address as a number, prefix length) of a network such as `10.0.0.0/8`.

    A network of IPv4 addresses inside IPv6 counts as one of IPv4, as such addresses do.

    >>> parse_network("::ffff:10.0.0.0/104") == parse_network("10.0.0.0/8")
    True

    Raises: Invalid("network.invalid").
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise Invalid("network.invalid", text=text[:80], reason=str(error)) from error
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return 4, int(mapped), network.prefixlen - _MAPPED_BITS
    return network.version, int(network.network_address), network.prefixlen


def compile_networks(texts: Iterable[str]) -> Callable[[Any], bool | None]:
    """A function that says whether an address lies in one of the networks; None if it is none.

    Cost: one look-up per distinct prefix length.

    Raises: Invalid("network.invalid").
    """
    tables: dict[tuple[int, int], set[int]] = {}
    for text in texts:
        version, first, prefix = parse_network(text)
        shift = _BITS[version] - prefix
        tables.setdefault((version, shift), set()).add(first >> shift)
    rows = [(version, shift, heads) for (version, shift), heads in tables.items()]

    def inside(value: Any) -> bool | None:
        address = as_ip(value)
        if address is None:
            return None
        return any(
            version == address[0] and address[1] >> shift in heads for version, shift, heads in rows
        )

    return inside
