"""A folder in a store: what comes back is what was written, whatever happens on the way, or an error names it."""

from __future__ import annotations

import time
from pathlib import Path

import loopback
import pytest

from otmel.errors import ConfigurationError, StorageError
from otmel.remote import faults
from otmel.remote.faults import Absent, Moved, Retry
from otmel.remote.store import PIECE, Entry, Store, Uri, fingerprint

QUICK = Retry(attempts=7, first=0.01, longest=0.05)


def test_what_is_written_is_listed_read_and_deleted(bucket: Uri, tmp_path: Path) -> None:
    store, path = Store(bucket / "folder"), tmp_path / "file"
    path.write_bytes(b"x" * (PIECE + 5))
    assert store.list() == {}
    assert store.put("a/b.bin.gz", path).size == PIECE + 5  # a name that ends so is not compressed
    store.write("c", b"123")
    assert {name: one.size for name, one in store.list().items()} == {"a/b.bin.gz": PIECE + 5, "c": 3}
    assert store.read("a/b.bin.gz") == path.read_bytes()
    assert store.read("c", 1, 1) == b"2"
    assert store.stat() is None
    assert store.stat("c") == Entry(3, store.stat("c").time)  # pyright: ignore[reportOptionalMemberAccess]
    store.delete(["c", "never there"])
    assert list(store.list()) == ["a/b.bin.gz"]


@pytest.mark.parametrize("seed", range(2))
def test_faults_at_random_change_nothing(bucket: Uri, proxy: loopback.Proxy, tmp_path: Path, seed: int) -> None:
    store = Store(bucket / "folder", Retry(attempts=12, first=0.01, longest=0.05))
    kinds = ("500", "503", "reset", "lost answer", "truncated")
    proxy.choose = loopback.Drawn(0.3, seed, kinds)
    for number in range(6):
        (tmp_path / "file").write_bytes(bytes([number]) * (number * 1000))
        store.put(f"f{number}", tmp_path / "file")
    assert {name: one.size for name, one in store.list().items()} == {f"f{n}": n * 1000 for n in range(6)}
    assert [store.read(f"f{n}") for n in range(6)] == [bytes([n]) * (n * 1000) for n in range(6)]
    store.exchange("head", b"one", None)
    store.exchange("head", b"two", fingerprint(b"one"))
    assert store.read("head") == b"two"
    assert sum(proxy.injected.values()) >= 5


def test_a_store_that_is_silent_is_asked_again(
    bucket: Uri, proxy: loopback.Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otmel.remote.clients.SILENT_SECONDS", 0.5)
    Store(bucket).write("x", b"here")
    left = ["stall"]
    proxy.choose = lambda method, path: left.pop() if left and method == "GET" else None
    assert Store(bucket, QUICK).read("x") == b"here"
    assert not left


@pytest.mark.parametrize("kind", ["500", "503", "reset", "truncated"])
def test_a_store_that_never_answers_is_given_up_in_bounded_time(bucket: Uri, proxy: loopback.Proxy, kind: str) -> None:
    Store(bucket).write("x", b"here" * 100)
    proxy.choose = lambda method, path: kind
    began, before = time.monotonic(), len(proxy.seen)
    with pytest.raises(StorageError) as caught:
        Store(bucket, QUICK).read("x")
    assert time.monotonic() - began < 30
    assert len(proxy.seen) - before <= 3 * QUICK.attempts
    assert caught.value.where == f"{bucket}/x"
    assert "run the same command again" in str(caught.value.cure)


def test_missing_buckets_and_objects_are_named_at_once(bucket: Uri, proxy: loopback.Proxy) -> None:
    with pytest.raises(Absent, match="no such object") as caught:
        Store(bucket).read("nowhere")
    assert caught.value.where == f"{bucket}/nowhere"
    assert Store(Uri("s3://there-is-none")).list() == {}
    with pytest.raises(Absent, match="no such bucket"):
        Store(Uri("s3://there-is-none/x")).write("head", b"")
    with pytest.raises(Absent, match="no such bucket"):
        Store(Uri("s3://there-is-none/x")).exchange("head", b"", None)
    assert len(proxy.seen) < 12


def test_without_credentials_the_error_names_the_variables(
    bucket: Uri, proxy: loopback.Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    proxy.signed = True
    for work in (lambda: Store(bucket).list(), lambda: Store(bucket).write("x", b""), lambda: Store(bucket).read("x")):
        with pytest.raises(StorageError, match="access is denied") as caught:
            work()
        assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in str(caught.value.cure)
        assert str(bucket) in str(caught.value.where)


def test_an_error_never_tells_a_secret() -> None:
    import os

    os.environ["AWS_SECRET_ACCESS_KEY"] = loopback.SECRET
    try:
        fault = OSError(f"the signature of {loopback.SECRET} is wrong (Request ID: 17)\nand more")
        assert faults.plain(str(fault)) == "the signature of *** is wrong"
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]


def exchange_laws(store: Store) -> None:
    store.exchange("head", b"one", None)
    store.exchange("head", b"one", None)  # its own answer was lost
    with pytest.raises(Moved):
        store.exchange("head", b"two", None)
    with pytest.raises(Moved):
        store.exchange("head", b"two", fingerprint(b"another"))
    store.exchange("head", b"two", fingerprint(b"one"))
    assert store.read("head") == b"two"
    with pytest.raises(Moved):
        store.exchange("none", b"two", fingerprint(b"one"))


def test_an_exchange_is_made_once(bucket: Uri, proxy: loopback.Proxy) -> None:
    exchange_laws(Store(bucket / "sub folder"))


def test_an_exchange_without_conditions_looks_first(bucket: Uri, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otmel.remote.conditional.conditional", lambda uri, name: None)
    exchange_laws(Store(bucket))


def test_of_two_exchanges_at_the_same_moment_one_is_made(bucket: Uri, proxy: loopback.Proxy) -> None:
    store, rival = Store(bucket), Store(bucket)
    store.write("head", b"one")

    def meanwhile(method: str, path: str) -> str | None:
        if method == "PUT" and path.endswith("/head"):
            proxy.choose = loopback.nothing
            rival.exchange("head", b"theirs", fingerprint(b"one"))
        return None

    proxy.choose = meanwhile
    with pytest.raises(Moved, match="another writer"):
        store.exchange("head", b"ours", fingerprint(b"one"))
    assert store.read("head") == b"theirs"


def test_any_file_system_of_fsspec_is_a_store(tmp_path: Path) -> None:
    store = Store(Uri("memory://bucket/folder"))
    (tmp_path / "file").write_bytes(b"abc")
    store.put("a/b", tmp_path / "file")
    store.exchange("head", b"one", None)
    assert {name: one.size for name, one in store.list().items()} == {"a/b": 3, "head": 3}
    store.delete(["a/b", "head"])
    assert store.content() == {}


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'nosuch' is unknown"):
        Store(Uri("nosuch://bucket/x")).list()
