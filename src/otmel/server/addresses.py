"""Which network addresses an image may be fetched from: those of the public internet, however they are written."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

INNER_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "192.0.0.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",
            "240.0.0.0/4",
            "::/128",
            "::1/128",
            "100::/64",
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",  # site-local, of old
            "ff00::/8",
        ),
    )
)
CARRIERS: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "::/96",
            "::ffff:0:0/96",  # mapped
            "::ffff:0:0:0/96",  # translated
            "64:ff9b::/96",  # NAT64
            "64:ff9b:1::/48",
            "2001::/32",  # Teredo
            "2002::/16",  # 6to4
        ),
    )
)
"""IPv6 networks whose addresses stand for IPv4 addresses."""
NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet. One that carries an IPv4 address never is: nobody needs it."""
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id is not None or _carries(address)):
        return False
    inner = any(address.version == net.version and address in net for net in INNER_NETWORKS)
    return address.is_global and not (inner or address.is_multicast or address.is_reserved)


def _carries(address: ipaddress.IPv6Address) -> bool:
    return any(address in network for network in CARRIERS)


def is_numeric(host: str) -> bool:
    """Whether a host is an address in any spelling that some resolver takes: dotted, decimal, octal, hexadecimal."""
    if ":" in host or host.startswith("["):
        return True
    labels = host.rstrip(".").split(".")
    return bool(NUMBER.fullmatch(labels[-1]))
