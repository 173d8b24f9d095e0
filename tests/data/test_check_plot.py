import pytest

from otmel.data.check import check, plot
from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.mimic import read_mimic
from otmel.data.records import Entity
from otmel.data.world import WorldSettings, write_world
from otmel.errors import ConfigurationError

EMPTY = Dataset("empty", KnowledgeGraph([Entity("Q1", "Anna Bell")]), {"train": ()})


@pytest.fixture(scope="module")
def world_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot") / "world"
    write_world(WorldSettings(entities=20, train=40, dev=20, test=0, unseen=0, captions=0), folder)
    return folder


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_plot_is_an_image_of_the_chosen_kind(world_folder, tmp_path, suffix):
    path = tmp_path / f"check{suffix}"
    plot(check(read_mimic(world_folder), decode=suffix != ".pdf"), path)
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert path.read_bytes().startswith(starts[suffix])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_plot_shows_the_names_and_shares_of_the_splits(world_folder, tmp_path):
    plot(check(read_mimic(world_folder)), tmp_path / "check.svg")
    drawn = (tmp_path / "check.svg").read_text()
    report = check(read_mimic(world_folder))
    for name, split in report.splits.items():
        assert f"{name} (median {split.words.median})" in drawn
        assert f"{split.usable / split.mentions:.1%}" in drawn


def test_a_data_set_without_objects_or_mentions_is_drawn_too(tmp_path):
    plot(check(EMPTY), tmp_path / "empty.svg")
    assert "objects are not known" in (tmp_path / "empty.svg").read_text()


def test_another_suffix_is_refused(world_folder, tmp_path):
    with pytest.raises(ConfigurationError, match=r"\.png"):
        plot(check(EMPTY), tmp_path / "check.docx")
