"""An S3 server on loopback with a proxy before it that injects faults, and a cache of the test's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import loopback
import pytest

from otmel.remote import clients, lease
from otmel.remote.store import Store, Uri


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """An S3 server."""
    with loopback.s3_server() as port:
        yield port


@pytest.fixture(scope="session")
def shared_proxy(s3_port: int) -> Iterator[loopback.Proxy]:
    with loopback.faulty(s3_port) as proxy:
        yield proxy


@pytest.fixture
def proxy(
    shared_proxy: loopback.Proxy, s3_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> loopback.Proxy:
    """The proxy without faults so far, named by the environment, with an empty cache."""
    for name, value in loopback.environment(shared_proxy.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTMEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where no profile lies
    monkeypatch.setattr(clients, "CONNECT_SECONDS", 2.0)
    monkeypatch.setattr(clients, "SILENT_SECONDS", 5.0)
    shared_proxy.choose, shared_proxy.signed = loopback.nothing, False
    shared_proxy.seen.clear()
    shared_proxy.injected.clear()
    return shared_proxy


@pytest.fixture
def bucket(proxy: loopback.Proxy, s3_port: int) -> Uri:
    """A new bucket."""
    name = f"bucket-{secrets.token_hex(6)}"
    loopback.create_bucket(s3_port, name)
    return Uri(f"s3://{name}")


@pytest.fixture
def upload() -> Callable[[Path, Uri], None]:
    """Copy a folder to an address, as any other tool does."""

    def copied(folder: Path, uri: Uri) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                Store(uri).put(path.relative_to(folder).as_posix(), path)

    return copied


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that met another give up soon, and dead ones' claims age quickly."""
    monkeypatch.setattr(lease, "TRIES", 2)
    monkeypatch.setattr(lease, "ALIVE_SECONDS", 2.0)
