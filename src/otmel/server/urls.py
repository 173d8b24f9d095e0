"""Images by their address, fetched from hosts that were allowed, and from nowhere else.

A host must be on the list; all its addresses must be public; the connection goes to one of those that were looked at,
so a name that means something else a moment later does not matter. Every redirect starts over. Nothing is taken from
the environment: no proxy, no credentials.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

import h11

from otmel.server.addresses import Address, is_numeric, is_public
from otmel.server.errors import ApiError, invalid

REDIRECTS: Final = 3
PORTS: Final = {"http": 80, "https": 443}
MOVED: Final = (301, 302, 303, 307, 308)
HEADERS: Final = 2**16
PIECE: Final = 2**16
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Target:
    """Where one request goes."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def header(self) -> str:
        """The Host header."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Fetcher:
    """Fetches images.

    Attributes:
        hosts: hosts that are allowed, lower case; ``*.example.org`` allows all below.
        most: bytes of an image.
        seconds: from first to last.
        resolve: host and port → addresses.
        allow: whether an address may be connected to.
        ports: ports that are allowed; ``None``: any.
        tls: for https; by default the system's certificates.
    """

    hosts: tuple[str, ...]
    most: int
    seconds: float
    resolve: Resolver = resolved
    allow: Callable[[Address], bool] = is_public
    ports: tuple[int, ...] | None = (80, 443)
    tls: ssl.SSLContext | None = field(default=None)

    async def get(self, url: str) -> bytes:
        """The bytes at an address. Raises ``ApiError`` (422) saying what was refused or went wrong."""
        try:
            return await asyncio.wait_for(self._get(url), self.seconds)
        except asyncio.TimeoutError:
            raise refused(f"the image did not arrive within {self.seconds:g} seconds") from None
        except (OSError, ssl.SSLError, h11.RemoteProtocolError, asyncio.IncompleteReadError) as fault:
            raise refused(f"the image cannot be fetched ({type(fault).__name__})") from None

    async def _get(self, url: str) -> bytes:
        for _ in range(REDIRECTS + 1):
            target = self.target(url)
            address = await self._address(target)
            found, moved = await _Exchange(self, target, address).run()
            if moved is None:
                return found
            url = _joined(url, moved)
        raise refused(f"more than {REDIRECTS} redirects")

    def target(self, url: str) -> Target:
        """An address taken apart. Raises ``ApiError`` (422) when it is not allowed."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip(".").encode("idna").decode().lower(), parts.port
        except ValueError:  # UnicodeError among them
            raise refused("this is no address") from None
        if parts.scheme not in PORTS or any(ord(one) <= 32 or ord(one) == 127 for one in url):
            raise refused("only http:// and https:// are fetched")
        if parts.username is not None or parts.password is not None:
            raise refused("an address with a user or a password is not fetched")
        if not self._listed(host):
            raise refused(f"the host {host!r} is not allowed")
        port = PORTS[parts.scheme] if port is None else port
        if self.ports is not None and port not in self.ports:
            raise refused(f"the port {port} is not allowed")
        query = f"?{parts.query}" if parts.query else ""
        return Target(parts.scheme, host, port, _ascii(parts.path or "/") + _ascii(query))

    def _listed(self, host: str) -> bool:
        """Whether a host is on the list. An address in figures must stand there as it is written."""
        if host in self.hosts:
            return True
        below = any(one.startswith("*.") and host.endswith(one[1:]) for one in self.hosts)
        return below and not is_numeric(host)

    async def _address(self, target: Target) -> str:
        """The address to connect to. Raises ``ApiError`` (422) unless all addresses of the host are allowed."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(None, self.resolve, target.host, target.port)
            addresses = [ipaddress.ip_address(one) for one in found]
        except (OSError, ValueError):
            raise refused(f"the host {target.host!r} cannot be found") from None
        if not addresses or not all(map(self.allow, addresses)):
            raise refused(f"the host {target.host!r} is not a public one")
        return found[0]


class _Exchange:
    """One request to one address."""

    def __init__(self, fetcher: Fetcher, target: Target, address: str) -> None:
        self.fetcher, self.target, self.address = fetcher, target, address

    async def run(self) -> tuple[bytes, str | None]:
        """The body, or where it has moved to."""
        tls = (self.fetcher.tls or ssl.create_default_context()) if self.target.scheme == "https" else None
        name = self.target.host if tls else None
        reader, writer = await asyncio.open_connection(
            self.address, self.target.port, ssl=tls, server_hostname=name, limit=PIECE
        )
        try:
            return await self._exchanged(reader, writer)
        finally:
            writer.transport.abort()

    async def _exchanged(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bytes, str | None]:
        line = h11.Connection(h11.CLIENT, HEADERS)
        headers = [("host", self.target.header), ("accept", "image/*"), ("accept-encoding", "identity")]
        headers += [("user-agent", "otmel"), ("connection", "close")]
        for event in (h11.Request(method="GET", target=self.target.path, headers=headers), h11.EndOfMessage()):
            writer.write(line.send(event) or b"")
        await writer.drain()
        body = bytearray()
        while True:
            event = line.next_event()
            if event is h11.NEED_DATA:
                line.receive_data(await reader.read(PIECE))
            elif isinstance(event, h11.Response):
                if (moved := self._moved(event)) is not None:
                    return b"", moved
            elif isinstance(event, h11.Data):
                body += event.data
                self._check_size(len(body))
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return bytes(body), None

    def _moved(self, response: h11.Response) -> str | None:
        """Where to go instead. Raises ``ApiError`` for an answer that is no image."""
        headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status_code in MOVED and b"location" in headers:
            return headers[b"location"]
        if response.status_code != 200:
            raise refused(f"the host answered with {response.status_code}")
        if headers.get(b"content-encoding", "identity") != "identity":
            raise refused("the image comes compressed a second time")
        if headers.get(b"content-length", "0").isdigit():
            self._check_size(int(headers.get(b"content-length", "0")))
        return None

    def _check_size(self, size: int) -> None:
        if size > self.fetcher.most:
            raise refused(f"the image has more than the {self.fetcher.most:,} bytes that are fetched")


def refused(message: str) -> ApiError:
    """An address that is not fetched, or led nowhere: 422."""
    return invalid(message, "image_url", "send the image itself")


def _joined(url: str, moved: str) -> str:
    try:
        return urljoin(url, moved)
    except ValueError:
        raise refused("it leads to what is no address") from None


def _ascii(text: str) -> str:
    return quote(text, safe="/%:@!$&'()*+,;=?~-._[]")
