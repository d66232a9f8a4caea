"""Listeners: where the broker listens, how a client must speak there, and what it is told to dial.

Written as in Kafka: `NAME://host:port`, where the name is a protocol or is mapped to one. An empty
host means every address of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from summit.base.errors import Invalid

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
INNER: Final = "SUMMIT_INNER"  # for the parts of this machine's own platform
_PATTERN: Final = re.compile(r"^([A-Za-z0-9_.-]+)://(\[[0-9A-Fa-f:.]+\]|[^\s/:]*):([0-9]{1,5})$")


class Listener(NamedTuple):
    """One address to listen on.

    Attributes:
        advertised_host, advertised_port: What clients are told; None = where they came in.
        mechanisms: Of SASL, as clients are told them; empty without SASL.
        demands_certificate: Whether a client must show a certificate that holds.
    """

    name: str
    protocol: str
    host: str
    port: int
    advertised_host: str | None = None
    advertised_port: int | None = None
    mechanisms: tuple[str, ...] = ()
    demands_certificate: bool = False

    @property
    def is_tls(self) -> bool:
        """Whether clients speak TLS."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def is_sasl(self) -> bool:
        """Whether clients authenticate by SASL."""
        return self.protocol.startswith("SASL_")

    @property
    def authenticates(self) -> bool:
        """Whether it is known who a client is."""
        return self.is_sasl or (self.is_tls and self.demands_certificate)


def names_of(texts: Iterable[str] | str, separator: str = ",") -> tuple[str, ...]:
    """A list that may also be one text with separators."""
    pieces = texts.split(separator) if isinstance(texts, str) else texts
    return tuple(piece.strip() for piece in pieces if piece.strip())


def parse_listener(text: str, field: str) -> tuple[str, str, int]:
    """Name, host and port of `NAME://host:port`. Raises Invalid("config.invalid")."""
    found = _PATTERN.match(text)
    if found is None or int(found[3]) > 65_535:
        raise wrong(field, f"'{text}' is not NAME://host:port")
    return found[1].upper(), found[2].strip("[]"), int(found[3])


def parse_protocols(texts: Iterable[str] | str, field: str) -> dict[str, str]:
    """Protocols by the name of a listener, out of `NAME:PROTOCOL`. Raises Invalid."""
    found: dict[str, str] = {}
    for text in names_of(texts):
        name, colon, protocol = text.upper().partition(":")
        if not colon or not name or protocol not in PROTOCOLS:
            raise wrong(field, f"'{text}' is not NAME:PROTOCOL, of {', '.join(PROTOCOLS)}")
        found[name] = protocol
    return found


def protocol_of(name: str, protocols: Mapping[str, str], field: str) -> str:
    """The protocol that a listener speaks. Raises Invalid."""
    protocol = protocols.get(name, name)
    if protocol not in PROTOCOLS:
        raise wrong(
            field,
            f"{name} is no protocol, and listener_security_protocol_map says of none for it",
        )
    return protocol


def wrong(field: str, reason: str) -> Invalid:
    """What a field of the settings may not be."""
    return Invalid("config.invalid", reason=f"{field}: {reason}", pointer=f"/{field}")
