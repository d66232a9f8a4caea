"""A writer of small MaxMind databases (format 2.0), for tests.

Source: MaxMind DB File Format Specification, version 2.0: a binary search tree over the bits of
addresses, 16 zero bytes, a data section of typed values, and the metadata behind a marker.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_RECORD_BITS = 32


def mmdb(networks: dict[str, Any], database_type: str = "GeoLite2-City") -> bytes:
    """The bytes of a database; IPv4 networks stand in ::/96, as in MaxMind's own.

    Args:
        networks: Records by network; none lies in another.
    """
    tree: list[list[Any]] = [[None, None]]
    for text, record in networks.items():
        network = ipaddress.ip_network(text)
        bits = network.prefixlen + (96 if network.version == 4 else 0)
        number = int(network.network_address)
        node = 0
        for depth in range(bits):
            side = (number >> (127 - depth)) & 1
            if depth == bits - 1:
                assert tree[node][side] is None, text
                tree[node][side] = ("data", record)
            elif tree[node][side] is None:
                tree.append([None, None])
                tree[node][side] = node = len(tree) - 1
            else:
                node = tree[node][side]
    data = bytearray()
    nodes = bytearray()
    for sides in tree:
        for side in sides:
            if side is None:
                pointer = len(tree)
            elif isinstance(side, int):
                pointer = side
            else:
                pointer = len(tree) + 16 + len(data)
                data += _value(side[1])
            nodes += struct.pack(">I", pointer)
    metadata = {
        "binary_format_major_version": 2, "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000, "database_type": database_type,
        "description": {"en": "test"}, "ip_version": 6, "languages": ["en"],
        "node_count": len(tree), "record_size": _RECORD_BITS,
    }  # fmt: skip
    return bytes(nodes) + bytes(16) + bytes(data) + _MARKER + _metadata(metadata)


def _metadata(values: dict[str, Any]) -> bytes:
    """The map of the metadata, whose numbers have types of their own."""
    kinds = {"node_count": 6, "build_epoch": 9}
    found = _head(7, len(values))
    for name, value in values.items():
        if isinstance(value, int):
            found += _value(name) + _number(kinds.get(name, 5), value)
        else:
            found += _value(name) + _value(value)
    return found


def _number(kind: int, value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return _head(kind, size) + value.to_bytes(size)


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return _head(14, int(value))
        case str():
            return _head(2, len(value.encode())) + value.encode()
        case float():
            return _head(3, 8) + struct.pack(">d", value)
        case int():
            return _number(9, value)
        case dict():
            inner = b"".join(_value(name) + _value(item) for name, item in value.items())
            return _head(7, len(value)) + inner
        case list():
            return _head(11, len(value)) + b"".join(map(_value, value))
        case _:
            raise TypeError(type(value))


def _head(kind: int, size: int) -> bytes:
    """The control byte, the byte of an extended type, and the bytes of a size of 29 or more."""
    if size < 29:
        low, rest = size, b""
    elif size < 285:
        low, rest = 29, bytes([size - 29])
    else:
        low, rest = 30, (size - 285).to_bytes(2)
    if kind > 7:
        return bytes([low, kind - 7]) + rest
    return bytes([(kind << 5) | low]) + rest
