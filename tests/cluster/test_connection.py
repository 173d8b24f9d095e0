"""The way to a cluster: without ray, without a cluster, with something else at the address: one clear error, soon."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import pytest

from otmel.cli.main import main
from otmel.cluster import connection
from otmel.cluster.connection import connected, imported
from otmel.errors import ConfigurationError, MissingExtra

pytest.importorskip("ray")

SOON = 15.0


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="--engine ray needs the package 'ray'") as found:
        imported()
    assert found.value.cure == "pip install 'otmel[cluster]'"


def test_nothing_of_ray_is_imported_before_it_is_asked_for():
    code = "import sys, otmel.cli.index_change, otmel.cli.link, otmel.cluster.link; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_no_cluster_at_the_address(closed, form):
    address, began = form.format(closed), time.monotonic()
    with pytest.raises(ConfigurationError) as found, connected(address):
        pass
    assert time.monotonic() - began < SOON
    assert address in str(found.value)
    assert "connection refused" in found.value.problem
    assert "ray start --head" in (found.value.cure or "")


def test_something_else_at_the_address(monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 4.0)
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with (
            pytest.raises(ConfigurationError, match="does not answer as a Ray cluster") as found,
            connected(f"127.0.0.1:{server.server_port}"),
        ):
            pass
        server.shutdown()
    assert "ray start --head" in (found.value.cure or "")


@pytest.mark.parametrize("hangs", [2, 3])
def test_a_head_whose_server_for_us_hangs_is_asked_again(monkeypatch, hangs):
    """The real one hangs by chance: one is given here that does for certain."""
    pytest.importorskip("grpc")
    ray, asked, notes = imported(), [], []

    def init(address, **options):
        asked.append(address)
        if len(asked) <= hangs:
            raise ConnectionError("Initialization failure\nfrom server: Starting Ray client server failed. See …")

    monkeypatch.setattr(ray, "init", init)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"ray://127.0.0.1:{listening.getsockname()[1]}"
        if hangs < connection.TIMES:
            with connected(address, notes.append) as cluster:
                assert cluster.address == address
        else:
            with (
                pytest.raises(ConfigurationError, match="client server failed") as found,
                connected(address, notes.append),
            ):
                pass
            assert "GRPC_ENABLE_FORK_SUPPORT=0" in (found.value.cure or "")
    assert asked == [address] * 3
    assert len(notes) == 2


@pytest.mark.parametrize("address", ["somewhere", "host:", "host:0", "host:99999", "s3://bucket:1", "ray://host"])
def test_what_is_no_address(address):
    with pytest.raises(ConfigurationError, match="no address of a Ray cluster"), connected(address):
        pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "2"], "--workers is for work on a cluster"),
        (["--address", "auto"], "--address is for work on a cluster"),
        (["--engine", "ray", "--workers", "0"], "workers: "),
        (["--engine", "ray"], "--engine ray needs --index"),
        (["--shards", "2"], "--shards is for work on a cluster"),
        (["--part-rows", "64"], "--part-rows is for work on a cluster"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capfd, words, said):
    (tmp_path / "in.jsonl").touch()
    assert main(["link", str(tmp_path), "--graph", str(tmp_path), "--input", str(tmp_path / "in.jsonl"), *words]) == 2
    assert said in capfd.readouterr().err
