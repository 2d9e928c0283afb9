"""Where requests to other hosts may lead: to public addresses, and to what the operator allows besides.

What belongs here: the judgement of an address. What does not: how addresses are found and connected to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from alveary.config import Network

_PUBLIC_IPV6: Final = ipaddress.ip_network("2000::/3")
"""All that is given out of IPv6: loopback, private, link-local, multicast, IPv4-mapped and NAT64 are outside."""

_SPECIAL: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by the customers of a carrier; metadata of a cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # metadata of a cloud, in the midst of public addresses
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols; metadata of a cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays to IPv6
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocols; Teredo, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",  # documentation
    )
)
"""Addresses that are no host of the public network. The standard library's own list differs by release."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be connected to: every public address, those in ``networks``, and all addresses of ``names``."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allowed: Iterable[Network | str]) -> Self:
        """The public network, and the networks and host names that are *allowed* besides."""
        words = tuple(allowed)
        return cls(
            tuple(each for each in words if not isinstance(each, str)),
            frozenset(each.lower() for each in words if isinstance(each, str)),
        )

    def admits(self, host: str, raw_address: str) -> bool:
        """Whether *host* may be connected to at that address."""
        try:
            address = ipaddress.ip_address(raw_address)
        except ValueError:
            return False
        if host.rstrip(".").lower() in self.names or any(address in network for network in self.networks):
            return True
        if address.version == 6 and address not in _PUBLIC_IPV6:
            return False
        return not any(address in network for network in _SPECIAL)
