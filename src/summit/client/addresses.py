"""Whom to dial: `host:port` texts out of whatever `connect(brokers)` was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from summit.base.errors import Invalid, Unavailable

DEFAULT_PORT: Final = 9092


def resolve_addresses(brokers: Any, configured: Iterable[str]) -> list[str]:
    """The addresses to dial.

    Args:
        brokers: None (= `configured`), one address or several, a mapping whose values are
            addresses, or in-process brokers: objects with an `address`, alone or in a collection.
        configured: `bootstrapServers` of the configuration.
    Raises: Invalid("client.address") for what is no address; Unavailable("client.no_brokers")
        where none is left.

    >>> resolve_addresses({"a": "one:1", "b": "two"}, [])
    ['one:1', 'two:9092']
    """
    found = list(configured) if brokers is None else list(_texts(brokers))
    addresses = parse_addresses(found)
    if not addresses:
        raise Unavailable("client.no_brokers", brokers="none given", reason="no address")
    return list(dict.fromkeys(addresses))


def _texts(brokers: Any) -> Iterable[str]:
    if isinstance(brokers, str):
        yield brokers
        return
    address = getattr(brokers, "address", None)
    if address is not None:
        yield str(address)
        return
    if isinstance(brokers, Mapping):
        brokers = brokers.values()
    if not isinstance(brokers, Iterable):
        raise Invalid("client.address", text=repr(brokers))
    for item in brokers:
        yield from _texts(item)


def parse_addresses(given: str | Iterable[str]) -> list[str]:
    """Addresses in full, of one text or several; each may hold several, with commas between.

    Raises: Invalid("client.address").
    """
    items = [given] if isinstance(given, str) else given
    return [parse_address(text) for item in items for text in item.split(",") if text.strip()]


def parse_address(text: str) -> str:
    """One address in full: `host` becomes `host:9092`; `[::1]:9092` stays.

    Raises: Invalid("client.address").
    """
    text = text.strip()
    host, colon, port = text.rpartition(":")
    if text.endswith("]") or not colon:
        host, port = text, str(DEFAULT_PORT)
    is_host = bool(host) and " " not in host and "/" not in host
    is_bare_v6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not is_host or is_bare_v6 or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Invalid("client.address", text=text)
    return f"{host}:{port}"


def format_address(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
