"""Addresses that only this machine reaches: there nobody needs to be asked who it is."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("localhost"), is_loopback("127.0.0.9"), is_loopback("::1"), is_loopback("")
    (True, True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def network_of(address: str) -> str:
    """What stands for one sender: an IPv4 address, the /64 of an IPv6 one (a home has that many).

    >>> network_of("2001:db8::1:2:3"), network_of("::ffff:10.1.2.3"), network_of("10.1.2.3")
    ('2001:db8::/64', '10.1.2.3', '10.1.2.3')
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
    return address
