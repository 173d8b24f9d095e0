"""Every benchmark runs at its smallest size and reports what the gate and the page read; times are not looked at."""

from __future__ import annotations

import math

import pytest


def check(record, name, words):
    assert (record["format"], record["benchmark"], record["size"]) == (1, name, "tiny")
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["memory_gib"] > 0
    assert record["versions"]["torch"]
    assert set(record["load"]) == {"before", "after"}
    names = [row["name"] for row in record["rows"]]
    assert len(set(names)) == len(names)
    for row in record["rows"]:
        assert set(row) == {"name", "value", "unit", "ratio_to_baseline", "note"}
        assert math.isfinite(row["value"])
        assert row["unit"]
        assert row["ratio_to_baseline"] is None or row["ratio_to_baseline"] > 0
    assert any(row["ratio_to_baseline"] == 1 for row in record["rows"])
    for word in words:
        assert any(word in name for name in names), word


def test_kernels(measured):
    words = ["released style, released formula", "plain torch", "lanes float32", "released formula, 3 iterations"]
    check(measured("kernels"), "kernels", words)


def test_sinkhorn(measured):
    record = measured("sinkhorn")
    check(record, "sinkhorn", ["POT batch, 1", "logarithms", "POT loop", "otmel.ot.solve", "the whole score"])
    left = [float(row["note"].split("error left: ")[1].split(";")[0]) for row in record["rows"] if row["note"]]
    assert len(left) == 4
    assert max(left) <= 1e-4
    (loop,) = [row for row in record["rows"] if "POT loop" in row["name"]]
    assert "8 problems timed, extrapolated to 64" in loop["note"]


def test_search(measured):
    record = measured("search")
    check(record, "search", ["released style end to end", "scan", "inner product ×0.1, top 10 and rank"])
    for row in record["rows"]:
        if "pairs scored" in row["name"]:
            assert row["ratio_to_baseline"] == pytest.approx(100 / row["value"])


def test_an_evaluation_of_wikimels_size(measured):
    record = measured("search", "--wikimel")
    check(record, "search", ["all pairs", "most memory of the process"])
    done = [row for row in record["rows"] if row["name"].endswith("top 20")]
    assert len(done) == 2
    assert all("all pairs; 6 mentions" in row["note"] for row in done)


def test_a_trained_run_gets_the_ranks_of_the_plain_evaluation(measured, tiny_run, tiny_dataset_folder):
    record = measured("search", "--run", tiny_run, "--data", tiny_dataset_folder, "--name", "tiny")
    check(record, "search", ["tiny, dev: 4 × 12, plain evaluation", "evaluation through the index"])
    (differ,) = [row for row in record["rows"] if row["unit"] == "ranks"]
    assert differ["value"] == 0


@pytest.mark.usefixtures("without_processes")
def test_graph(measured):
    words = ["bare table", "JSONL, import, most memory", "upsert of one", "deletion of one", "snapshot", "update after"]
    check(measured("graph"), "graph", words)


@pytest.mark.usefixtures("without_processes")
def test_latency(measured):
    record = measured("latency")
    check(record, "latency", ["released style", "index on disk", "exact, 99th percentile", "opening", "scan, median"])
    rows = {row["name"]: row["value"] for row in record["rows"]}
    title = "150 entities, int8, exact"
    assert rows[f"{title}, 99th percentile"] >= rows[f"{title}, median"]


@pytest.mark.usefixtures("without_processes")
def test_documents(measured):
    record = measured("documents")
    check(record, "documents", ["one mention at a time", "otmel link --documents", "500 names, text read"])
    (named,) = [row for row in record["rows"] if "corrupt ones named" in row["name"]]
    assert (named["value"], named["note"]) == (1, "1 are corrupt")


def test_serve(measured):
    record = measured("serve")
    check(record, "serve", ["library", "1 client, rate", "3 clients, 99th percentile", "most memory"])
    assert [row["value"] for row in record["rows"] if "wrong" in row["name"]] == [0, 0]


def test_encode(measured):
    record = measured("encode")
    check(record, "encode", ["entity, text, reading", "mention, text and image, encoding", "state in float32"])


def test_sharding(measured):
    """One of the ways alone: each is a command of its own, and takes half a minute."""
    memory, took = measured("sharding", "--only", "shards")["rows"]
    assert memory["name"].endswith("shards, peak memory of a process")
    assert took["name"].endswith("shards, the command")
    assert min(memory["value"], took["value"]) > 1


@pytest.mark.usefixtures("without_processes")
def test_caching(measured):
    record = measured("caching")
    check(record, "caching", ["batch 6, without caching, cpu, peak memory", "pieces of 4, cpu, step"])
