"""A cluster that is watched and driven from outside: its dashboard, what Prometheus reads there, and ``ray://``."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Iterator

import pytest

from otmel.cluster.build import Where, build_on_cluster
from otmel.cluster.connection import connected
from otmel.cluster.job import ClusterSettings
from otmel.cluster.link import Asked, link_on_cluster
from otmel.data.graph import KnowledgeGraph
from otmel.index.source import RunSource
from otmel.index.writer import IndexSettings

pytest.importorskip("ray")
pytest.importorskip("grpc")
pytest.importorskip("opentelemetry.exporter.prometheus")

nodes_module = pytest.importorskip("benchmarks._nodes")
rows_module = pytest.importorskip("benchmarks._rows")
pytestmark = pytest.mark.timeout(300)
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    with nodes_module.nodes(watched=True) as started:
        yield started


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def counted(text: str, name: str, **labels: str) -> float:
    """The sum of a counter over all workers."""
    found = 0.0
    for line in text.splitlines():
        if line.startswith(f"ray_{name}_total{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            found += float(line.rsplit(" ", 1)[1])
    return found


def test_the_dashboard_is_named_and_the_workers_counts_are_exported(cluster, material, tmp_path):
    notes, settings = list[str](), ClusterSettings(address=cluster.address, workers=1)
    graph = KnowledgeGraph.open(material.graph)
    where = Where(material.run, material.graph, tmp_path / "index")
    source = RunSource.load(material.run, graph)
    summary = build_on_cluster(where, source, settings, IndexSettings(most=100), notes.append)[1]
    assert rows_module.differing(material.index, tmp_path / "index") == 0
    assert re.fullmatch(r"http://[\w.]+:\d+", summary.dashboard)
    assert f"Ray's dashboard: {summary.dashboard}" in notes
    assert "ray_version" in read(f"{summary.dashboard}/api/version")
    rows, stages = 0.0, set[str]()
    until = time.monotonic() + PATIENCE_SECONDS  # a node exports every few seconds
    while time.monotonic() < until and (rows < len(graph) or stages != set(summary.stages.seconds)):
        text = read(f"http://127.0.0.1:{cluster.metrics}/metrics")
        rows = counted(text, "otmel_cluster_rows", outcome="done", verb="index build")
        stages = set(re.findall(r'ray_otmel_cluster_stage_seconds_total{[^}]*stage="(\w+)"', text))
        time.sleep(0.5)
    assert rows == len(graph)
    assert stages == set(summary.stages.seconds)


def test_driven_from_outside_the_links_are_the_same(cluster, material, tmp_path):
    settings = ClusterSettings(address=f"ray://127.0.0.1:{cluster.client}", workers=1)
    with connected(settings.address) as joined:
        assert (joined.nodes, joined.resource("CPU")) == (1, 1.0)
        asked = Asked(material.run, material.graph, material.index, material.mentions, tmp_path / "out", part_rows=64)
        summary, findings = link_on_cluster(asked, settings)
    parts = sorted((tmp_path / "out").glob("part-*.jsonl"))
    assert b"".join(part.read_bytes() for part in parts) == material.links.read_bytes()
    assert summary.rows == summary.fresh
    assert not findings
