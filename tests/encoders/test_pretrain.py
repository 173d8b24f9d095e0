"""Pretraining from end to end on a data set of twelve entities."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention
from otmel.encoders import load_encoder
from otmel.encoders.pretrain import LOG, REPORT, pretrain
from otmel.encoders.settings import PretrainSettings, TowerSettings
from otmel.errors import CheckpointError, StorageError, TrainingError
from otmel.settings import overridden

COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")
TINY = TowerSettings(width=32, text_layers=1, vision_layers=1, heads=2, image_size=16, patch_size=8, text_positions=48)
SETTINGS = PretrainSettings(towers=TINY, steps=60, batch=12, warmup=5, learning_rate=5e-3, vocabulary=400)
SHORT = overridden(SETTINGS, ["steps=25", "checkpoint_every=15"])


def picture(colour: str, round_face: bool) -> Image.Image:
    image = Image.new("RGB", (16, 16), "white")
    pen = ImageDraw.Draw(image)
    (pen.ellipse if round_face else pen.rectangle)((3, 3, 13, 13), fill=colour)
    return image


def make_data() -> Dataset:
    entities, mentions = [], []
    for number, colour in enumerate(COLOURS):
        for round_face in (True, False):
            entity_id, face = f"Q{2 * number + round_face}", "round" if round_face else "square"
            images = (picture(colour, round_face),)
            entities.append(Entity(entity_id, "Anna Bell", attributes=f"Team: {colour}. Face: {face}", images=images))
            mentions.append(Mention("Anna", f"Anna in {colour}, so {face}", image=images[0], answer=entity_id))
    return Dataset("colours", KnowledgeGraph(entities), {"train": tuple(mentions[::2]), "dev": tuple(mentions[1::2])})


@pytest.fixture
def data() -> Dataset:
    return make_data()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def logged_steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / LOG).read_text().splitlines()]


def equal(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_it_learns_and_is_loaded_like_any_other_encoder(data, tmp_path):
    report = pretrain(data, overridden(SETTINGS, ["steps=120"]), tmp_path / "clip")
    assert report.entities is not None
    assert report.entities.hit1 > 4 * report.entities.chance
    assert report.held_out is None
    assert (report.steps, report.resumed_from, report.images) == (120, 0, 18)
    encoder, processor = load_encoder(tmp_path / "clip", cls="pooled")
    assert processor.patch_grid == (2, 2)
    with torch.no_grad():
        views = encoder(processor.entities(list(data.graph)))
    normal = torch.nn.functional.normalize
    found = (normal(views.text.cls, dim=-1) @ normal(views.image.cls, dim=-1).T).argmax(1)
    assert (found == torch.arange(12)).float().mean().item() == pytest.approx(report.entities.hit1)


def test_report_and_log_are_saved_beside_the_weights(data, tmp_path):
    report = pretrain(data, SHORT, tmp_path / "clip")
    saved = json.loads((tmp_path / "clip" / REPORT).read_text())
    assert saved["loss"] == report.loss
    assert saved["settings"]["towers"]["width"] == 32
    assert logged_steps(tmp_path / "clip") == [0, 10, 20, 24]
    for line in map(json.loads, (tmp_path / "clip" / LOG).read_text().splitlines()):
        parts = SETTINGS.text_image * line["text_image"] + SETTINGS.text_views * line["text_views"]
        assert line["loss"] == pytest.approx(parts + SETTINGS.image_views * line["image_views"], rel=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(data, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(data, overridden(SETTINGS, ["steps=5", f"seed={seed}"]), tmp_path / name)
    assert equal(tmp_path / "a", tmp_path / "b")
    assert not equal(tmp_path / "a", tmp_path / "c")


def test_interrupted_and_taken_up_again_it_ends_in_the_same_bits(data, tmp_path, monkeypatch):
    pretrain(data, SHORT, tmp_path / "whole")
    import otmel.encoders.pretrain as module

    step = module.train_step

    def interrupted(*arguments):
        if arguments[-1] == 18:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(module, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(data, SHORT, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    monkeypatch.undo()
    report = pretrain(data, SHORT, tmp_path / "parts")
    assert report.resumed_from == 15
    assert equal(tmp_path / "whole", tmp_path / "parts")
    assert logged_steps(tmp_path / "whole") == logged_steps(tmp_path / "parts") == [0, 10, 20, 24]


KILLED = """
import os, signal, sys
sys.path.insert(0, {here!r})
import otmel.encoders.pretrain as module
from otmel.settings import overridden
from test_pretrain import SHORT, make_data
step = module.train_step
def killed(*arguments):
    if arguments[-1] == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)
module.train_step = killed
module.pretrain(make_data(), SHORT, {out!r})
"""


def test_killed_and_taken_up_again_it_ends_in_the_same_bits(data, tmp_path):
    program = KILLED.format(here=str(Path(__file__).parent), out=str(tmp_path / "parts"))
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "parts").exists()
    assert pretrain(data, SHORT, tmp_path / "parts").resumed_from == 15
    pretrain(data, SHORT, tmp_path / "whole")
    assert equal(tmp_path / "whole", tmp_path / "parts")


def test_a_state_of_other_settings_or_a_broken_one_is_started_over(data, tmp_path):
    settings = overridden(SETTINGS, ["steps=4"])
    folder = tmp_path / "clip.unfinished"
    folder.mkdir()
    (folder / "state.safetensors").write_bytes(b"broken")
    assert pretrain(data, settings, tmp_path / "clip").resumed_from == 0
    assert not folder.exists()


def test_an_earlier_result_is_replaced_and_a_foreign_folder_is_not(data, tmp_path):
    settings = overridden(SETTINGS, ["steps=2"])
    pretrain(data, settings, tmp_path / "clip")
    (tmp_path / "clip" / "old").touch()
    pretrain(data, settings, tmp_path / "clip")
    assert not (tmp_path / "clip" / "old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(StorageError, match="holds something else"):
        pretrain(data, settings, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(data, tmp_path):
    settings = overridden(SETTINGS, ["steps=40", "learning_rate=1e18", "warmup=0"])
    with pytest.raises(TrainingError, match=r"the loss of step \d+ is (nan|inf).*'Anna"):
        pretrain(data, settings, tmp_path / "clip")


def test_weights_of_zero_teach_nothing(data, tmp_path):
    settings = overridden(SETTINGS, ["text_image=0", "text_views=0", "image_views=0"])
    with pytest.raises(TrainingError, match="no weight of a contrast"):
        pretrain(data, settings, tmp_path / "clip")


def test_a_graph_without_images_learns_from_its_texts(data, tmp_path):
    graph = KnowledgeGraph([Entity(e.id, e.name, (f"A{e.id}",), "", e.attributes) for e in data.graph])
    report = pretrain(graph, overridden(SETTINGS, ["steps=3"]), tmp_path / "clip")
    assert report.entities is None
    assert report.findings == {"image not stated": 12}
    encoder, processor = load_encoder(tmp_path / "clip")
    assert not encoder(processor.entities([graph[0]])).image.mask.any()


def test_the_datas_own_captions_are_read_and_measured(data, tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    rows = []
    for number in range(60):
        colour = COLOURS[number % 6]
        picture(colour, number % 4 < 2).save(root / f"{number}.png")
        rows.append(json.dumps({"caption": f"somebody in {colour}", "image": f"{number}.png"}))
    (root / "captions.jsonl").write_text("\n".join(rows))
    from dataclasses import replace

    report = pretrain(replace(data, root=root), overridden(SETTINGS, ["steps=3"]), tmp_path / "clip")
    assert report.held_out is not None
    assert report.held_out.candidates == 3
    assert report.images == 18 + 60
    given = pretrain(data, overridden(SETTINGS, ["steps=3"]), tmp_path / "given", captions=root / "captions.jsonl")
    assert given.held_out == report.held_out


def test_a_frozen_text_tower_stays_as_it_was(data, tmp_path, make_encoder, make_processor):
    from otmel.encoders import save_encoder

    text = make_encoder("text")
    save_encoder(text, make_processor("text"), tmp_path / "text")
    settings = overridden(SETTINGS, [f"text={tmp_path / 'text'}", "steps=20"])
    report = pretrain(data, settings, tmp_path / "dual")
    encoder, processor = load_encoder(tmp_path / "dual", cls="pooled")
    for kept, before in zip(encoder.text_tower.parameters(), text.model.parameters(), strict=True):
        assert torch.equal(kept, before)
    assert encoder.text_tower.config.text_pooling == "mean"
    assert encoder.widths.text_cls == encoder.widths.image_cls == 32
    assert report.parameters < sum(parameter.numel() for parameter in encoder.parameters())
    with torch.no_grad():
        views = encoder(processor.entities(list(data.graph)))
    from otmel.encoders.contrast import retrieval

    assert retrieval(views.text.cls, views.image.cls).mrr == pytest.approx(report.entities.mrr, abs=1e-3)


def test_a_text_tower_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(CheckpointError, match="there is no such folder"):
        pretrain(data, overridden(SETTINGS, ["text=./nowhere"]), tmp_path / "dual")
