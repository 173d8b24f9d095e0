"""The table of addresses: what is public, and what looks so and is not."""

from __future__ import annotations

import ipaddress

import pytest

from otmel.server.addresses import INNER_NETWORKS, is_numeric, is_public

PUBLIC = set(
    """
1.1.1.1 8.8.8.8 93.184.216.34 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
223.255.255.255 2606:2800:220:1:248:1893:25c8:1946 2a00:1450:4001::1 2001:4860:4860::8888 2400:cb00::1
""".split()  # noqa: SIM905
)

INNER = set(
    """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3 127.255.255.255
169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 :: ::1 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1
64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::a00:1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1
2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd12:3456::1
fe80::1 fe80::1%eth0 febf::1 fec0::1 ff00::1 ff02::1 ff0e::1 4000::1
""".split()  # noqa: SIM905
)


def test_the_table_is_long_enough() -> None:
    assert len(PUBLIC | INNER) >= 60


@pytest.mark.parametrize("text", sorted(PUBLIC))
def test_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", sorted(INNER))
def test_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


def test_inner_networks_are_so_from_first_to_last() -> None:
    for network in INNER_NETWORKS:
        assert not is_public(network[0])
        assert not is_public(network[-1])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "017700000001", "::1", "[::1]"]
)
def test_figures_are_told_from_names(host: str) -> None:
    assert is_numeric(host)


@pytest.mark.parametrize("host", ["example.org", "a.b.1a", "x-1.example", "upload.wikimedia.org"])
def test_names_are_told_from_figures(host: str) -> None:
    assert not is_numeric(host)
