import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from faults import break_images, break_rows, rows_of, small_copy
from PIL import Image

from otmel.data.check import check
from otmel.data.check_report import CheckReport
from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.mimic import read_mimic, write_mimic
from otmel.data.records import NIL, Entity, Mention
from otmel.data.world import WorldSettings, write_world

WORLD = WorldSettings(
    entities=60, train=60, dev=60, test=0, unseen=0, captions=0, nil=0, entity_without_image=0, attribute_dropped=0
)


@pytest.fixture(scope="module")
def world_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check") / "world"
    write_world(WORLD, folder)
    return folder


@pytest.fixture(params=["world", "congress-mel"])
def sound(request, tmp_path, world_folder) -> Path:
    """A sound data set of some sixty entities that the test may spoil."""
    if request.param == "world":
        return small_copy(world_folder, tmp_path / "copy")
    return small_copy(request.getfixturevalue("data_root") / request.param, tmp_path / "copy")


# Planted faults


def test_every_planted_fault_is_reported_as_often_as_it_was_planted(sound):
    before = check(read_mimic(sound)).findings.counts
    planted = break_images(sound) + break_rows(sound)
    report = check(read_mimic(sound))
    found = Counter(report.findings.counts)
    found.subtract(before)
    assert +found == planted
    assert all(report.findings.examples[kind] for kind in planted)
    assert_shown(report, planted)


def assert_shown(report: CheckReport, planted: Counter[str]) -> None:
    text, values = report.as_text(), json.loads(json.dumps(report.as_json()))
    for kind in planted:
        assert kind in text
        assert values["findings"][kind]["count"] >= planted[kind]


def test_a_finding_names_its_place(sound):
    break_images(sound)
    break_rows(sound)
    examples = check(read_mimic(sound)).findings.examples
    name = rows_of(sound, "train")[1][0]["imgPath"]
    assert any(place.endswith(f"mention_image/{name}") for place in examples["image file empty"])
    path, rows = rows_of(sound, "dev")
    assert examples["answer not in the graph"] == [f"{path.name}: row 0: Q999999999"]
    assert examples["same image file in two splits"] == [f"dev: {rows[9]['id']} (also in train)"]


def test_broken_images_lower_the_coverage_of_their_side(sound):
    before = check(read_mimic(sound))
    break_images(sound)
    after = check(read_mimic(sound))
    assert before.mention_images.usable == before.mention_images.found == before.mention_images.total
    assert after.mention_images.stated == before.mention_images.stated
    assert after.mention_images.found == before.mention_images.found - 1
    assert after.mention_images.usable == before.mention_images.usable - 6
    assert after.mention_images.reasons["image missing"] == 1
    assert after.graph.images.stated == before.graph.images.stated
    assert after.graph.images.found == before.graph.images.found - 1
    assert after.graph.images.usable == before.graph.images.usable - 2
    assert after.graph.images.reasons == {"image missing": 1, "image file empty": 1}
    assert after.splits["train"].usable == before.splits["train"].usable - 6
    assert after.splits["dev"] == before.splits["dev"]


@pytest.mark.parametrize("folder", ["kb_image", "mention_image"])
def test_a_missing_image_folder_is_said_and_costs_all_images(sound, folder):
    shutil.rmtree(sound / folder)
    report = check(read_mimic(sound))
    assert "image folder missing" in report.as_text()
    side = report.graph.images if folder == "kb_image" else report.mention_images
    other = report.mention_images if folder == "kb_image" else report.graph.images
    assert (side.found, side.usable) == (0, 0)
    assert side.stated == side.reasons["image missing"] > 0
    assert side.reasons["image folder missing"] == 1
    assert other.usable == other.total


def test_without_decoding_nothing_is_opened(sound):
    break_images(sound)
    report = check(read_mimic(sound), decode=False)
    assert report.graph.images.usable is None
    assert report.splits["train"].usable is None
    assert report.leaks[0].look_alikes is None
    assert "image truncated" not in report.findings.counts
    assert report.mention_images.reasons == {"image missing": 1}
    assert "not opened" in report.as_text()


@pytest.mark.data
@pytest.mark.slow
def test_congress_is_reported_as_it_is(data_root):
    report = check(read_mimic(data_root / "congress-mel"))
    assert report.graph.entities == 6382
    assert {name: split.mentions for name, split in report.splits.items()} == {"train": 1596, "dev": 196}
    images = report.graph.images
    assert (images.stated, images.found, images.usable) == (6382, 6382, 6382)
    images = report.mention_images
    assert (images.total, images.stated, images.found, images.usable) == (1792, 1168, 1168, 1168)
    assert images.reasons == {"image not stated": 624}
    assert "6,382" in report.as_text()


# Laws


def small(*mentions: Mention, entities: tuple[Entity, ...] = (), dev: tuple[Mention, ...] = ()) -> CheckReport:
    graph = KnowledgeGraph(entities or (Entity("Q1", "Anna Bell", attributes="a"),))
    return check(Dataset("small", graph, {"train": mentions, "dev": dev} if dev else {"train": mentions}))


def test_a_sound_data_set_without_images_has_no_findings():
    report = small(Mention("Anna", "Anna sings.", answer="Q1"))
    assert not report.findings
    assert report.mention_images.total == 1
    assert report.mention_images.stated == report.mention_images.found == report.mention_images.usable == 0


def test_mentions_are_told_apart_by_their_answers():
    split = small(
        Mention("Anna", "Anna", answer="Q1"),
        Mention("Anna", "Anna", answer=NIL),
        Mention("Anna", "Anna", answer="Q7"),
        Mention("Anna", "Anna"),
    ).splits["train"]
    assert (split.mentions, split.nil, split.dangling, split.unanswered) == (4, 1, 1, 1)


def test_names_that_several_entities_bear_are_counted_as_table_5_does():
    names = ("Anna Bell", "Anna Bell", "Carl Dunn", "Carl Dunn", "Carl Dunn", "Ida Bell")
    entities = tuple(Entity(f"Q{i}", name, attributes="a") for i, name in enumerate(names))
    graph = small(entities=entities).graph
    assert (graph.same_name, graph.shared_names) == (5, 2)


def test_ambiguity_counts_who_bears_all_the_words():
    entities = (Entity("Q1", "Anna Bell"), Entity("Q2", "Anna O'Neil"), Entity("Q3", "Carl Dunn", aliases=("Duke",)))
    words = ("Anna", "anna bell", "DUKE", "Zaphod", "", "Anna Bell")
    split = small(*(Mention(word, "x", answer="Q1") for word in words), entities=entities).splits["train"]
    assert split.bearers == {"none": 2, "one": 3, "several": 1}
    assert split.equal_title == 2


def test_the_stated_title_goes_before_the_name_in_the_graph():
    mentions = (
        Mention("Annie", "Annie", answer="Q1", title="Annie"),
        Mention("Bell", "Bell", answer=NIL, title="Bell"),
    )
    assert small(*mentions).splits["train"].equal_title == 2


def test_sentences_are_compared_up_to_case_and_spaces_and_empty_ones_not_at_all():
    train = (Mention("Anna", "Anna  sings."), Mention("Anna", ""))
    leak = small(*train, dev=(Mention("Anna", "ANNA sings. "), Mention("Anna", ""), Mention("Anna", "New."))).leaks[0]
    assert (leak.first, leak.second, leak.sentences) == ("train", "dev", 1)


def test_images_in_memory_are_looked_at_as_well():
    ramp = Image.linear_gradient("L")
    entities = (Entity("Q1", "Anna", attributes="a", images=(ramp.rotate(90), b"")),)
    report = small(
        Mention("Anna", "Anna", image=ramp, id="m1"), Mention("Anna", "Anna", image=b"no"), entities=entities
    )
    assert report.graph.images.usable == 1
    assert report.splits["train"].usable == 1
    assert report.findings.examples["image file empty"] == ["image of Q1"]
    assert report.splits["train"].like_graph == 0


def test_candidates_outside_the_graph_are_found():
    report = small(Mention("Anna", "Anna", answer="Q1", candidates=("Q1", "Q9", "nil")))
    assert report.findings.counts == {"candidate not in the graph": 1}


def test_progress_counts_every_image_once(world_folder):
    steps = []
    dataset = read_mimic(world_folder)
    check(dataset, progress=lambda done, total: steps.append((done, total)))
    images = {m.image for split in dataset.splits.values() for m in split if m.image}
    total = len(images) + sum(len(entity.images) for entity in dataset.graph)
    assert steps == [(step, total) for step in range(1, total + 1)]


def test_a_world_survives_reading_and_writing(world_folder, tmp_path):
    dataset = read_mimic(world_folder)
    assert {kind for kind in dataset.findings.counts} == {"image not stated"}
    rows = rows_of(world_folder, "dev")[1]
    assert [m.objects for m in dataset.split("dev")] == [r["objects"] and len(r["objects"]) for r in rows]
    write_mimic(dataset, tmp_path / "again")
    again = read_mimic(tmp_path / "again")
    assert again.graph.snapshot == dataset.graph.snapshot
    for split in ("train", "dev"):
        assert again.digest(split) == dataset.digest(split)
        assert [m.objects for m in again.split(split)] == [m.objects for m in dataset.split(split)]


# What is shown


def test_every_number_of_the_report_is_in_its_text(world_folder):
    report = check(read_mimic(world_folder))
    text = report.as_text(width=200)
    for split in report.splits.values():
        assert f"{split.words.median:,}, {split.words.p90:,}, {split.words.largest:,}" in text
        assert f"{split.objects.mean:.2f}" in text
        assert f"{split.bearers['several']:,} ({split.bearers['several'] / split.mentions:.1%})" in text
    assert f"{report.graph.same_name:,} ({report.graph.same_name / 60:.1%})" in text


def test_markup_in_the_data_stays_as_it_is():
    report = small(Mention("Anna", "[bold]x", answer="[red]Q9[/red]", id="[/]"))
    assert "train: [/]" in report.as_text()


def test_the_report_is_plain_json(world_folder):
    values = json.loads(json.dumps(check(read_mimic(world_folder)).as_json(), allow_nan=False))
    assert values["graph"]["entities"] == 60
    assert values["splits"]["dev"]["words"]["total"] == 60
    assert values["leaks"][0]["first"] == "train"


def test_importing_the_check_loads_nothing_heavy():
    heavy = "torch transformers sklearn matplotlib imagehash scipy"
    code = (
        "import sys, otmel.data.check, otmel.data.world, otmel.data.token_track; "
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
