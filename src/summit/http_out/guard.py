"""The guard against internal addresses: who may be asked is seen when a connection is made.

Not the name in an address is looked at but what it stands for at that moment, so that no name can
lead inside. For addresses that come from documents or events; a service that an operator has
configured may well stand inside.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

IS_INTERNAL: Final = "is an internal address"
_WITH_IPV4: Final = (ip_network("64:ff9b::/96"), ip_network("::/96"))  # in the last 32 bits
_ALSO_INTERNAL: Final = (  # not yet, or no longer, known to older versions of Python
    ip_network("64:ff9b:1::/48"),
    ip_network("fec0::/10"),
)


_NEVER: Final = (  # where clouds tell their machines' secrets: nobody's service stands there
    ip_network("169.254.0.0/16"), ip_network("fe80::/10"), ip_network("fd00:ec2::/32"),
    ip_network("100.100.100.200/32"), ip_network("192.0.0.192/32"),
)  # fmt: skip


def is_internal(address: str) -> bool:
    """Whether an IP address is not one of the public internet; also what hides such a one.

    >>> is_internal("10.1.2.3"), is_internal("::ffff:127.0.0.1"), is_internal("1.1.1.1")
    (True, True, False)
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        hidden = _hidden(ip)
        if hidden is not None:
            ip = hidden
    return not ip.is_global or ip.is_multicast or any(ip in each for each in _ALSO_INTERNAL)


def is_never_asked(address: str) -> bool:
    """Whether an IP address is not asked whatever is configured: link-local, metadata of clouds.

    >>> is_never_asked("169.254.169.254"), is_never_asked("::ffff:169.254.1.1")
    (True, True)
    >>> is_never_asked("10.1.2.3"), is_never_asked("127.0.0.1")
    (False, False)
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        ip = _hidden(ip) or ip
    return any(ip in each for each in _NEVER)


def _hidden(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if any(ip in each for each in _WITH_IPV4):
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None


Found = tuple[Any, Any, int, str, tuple[Any, ...]]


def guarded_socket(found: Found) -> socket.socket:
    """A socket for an address that was looked up. Raises OSError for an internal one."""
    return _socket(found, is_internal(str(found[4][0])))


def inner_socket(found: Found) -> socket.socket:
    """The same where internal addresses may be asked. Raises OSError for one that never is."""
    return _socket(found, is_never_asked(str(found[4][0])))


def _socket(found: Found, is_refused: bool) -> socket.socket:
    family, kind, protocol, _, address = found
    if is_refused:
        raise OSError(errno.EACCES, f"{address[0]} {IS_INTERNAL}")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made
