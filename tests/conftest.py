"""Fixtures that every test may use: a tiny data set in MIMIC's format, and the real data where it is present."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

settings.register_profile("no deadline", deadline=None)  # times are not asserted: a busy machine breaks no test
settings.load_profile("no deadline")

DATA_ROOT = Path(__file__).resolve().parents[2] / "shared" / "data"

PEOPLE = (
    # qid, name, description, attributes, image: "drawn", "absent" (named, but not on disk) or "none" (not stated)
    ("Q1", "Anna Bell", "painter", "Occupation: painter. Country: Norway", "drawn"),
    ("Q2", "Anna Bell", "chemist", "Occupation: chemist. Country: Chile", "drawn"),
    ("Q3", "Carl Dunn", "sailor", "Occupation: sailor. Country: Norway", "drawn"),
    ("Q4", "Carla Dunn", "judge", "Occupation: judge. Country: Kenya", "drawn"),
    ("Q5", "Émile Fournier", "composer", "Occupation: composer. Country: France", "drawn"),
    ("Q6", "Gerd Hahn", "footballer", "Occupation: footballer. Country: Austria", "drawn"),
    ("Q7", "Ida Jansen", "minister", "Occupation: minister. Country: Denmark", "drawn"),
    ("Q8", "Kofi Lamptey", "poet", "Occupation: poet. Country: Ghana", "drawn"),
    ("Q9", "Mona O'Neil", "pilot", "Occupation: pilot. Country: Ireland", "drawn"),
    ("Q10", "Paul Quist", "cook", "Occupation: cook. Country: Sweden", "drawn"),
    ("Q11", "Paul Quist", "actor", "Occupation: actor. Country: Canada", "absent"),
    ("Q12", "Rosa Stein", "historian", "Occupation: historian. Country: Chile", "none"),
)

MENTIONS = {
    # mention, sentence, answer, image (as above)
    "train": (
        ("Anna Bell", "Anna Bell showed her paintings in Oslo.", "Q1", "drawn"),
        ("Bell", "Bell explained the reaction to her students.", "Q2", "drawn"),
        ("Carl Dunn", "Carl Dunn sailed home alone.", "Q3", "none"),
        ("Fournier", "The symphony of Fournier was played twice.", "Q5", "drawn"),
        ("Hahn", "Hahn scored in the last minute.", "Q6", "drawn"),
        ("Paul Quist", "Paul Quist opened a kitchen in Malmö.", "Q10", "drawn"),
    ),
    "dev": (
        ("Dunn", "Judge Dunn adjourned the trial.", "Q4", "drawn"),
        ("Jansen", "Minister Jansen resigned on Monday.", "Q7", "absent"),
        ("Lamptey", "Lamptey read two new poems.", "Q8", "drawn"),
        ("Paul Quist", "Paul Quist plays the king.", "Q11", "none"),
    ),
    "test": (
        ("O'Neil", "O'Neil landed the aeroplane safely.", "Q9", "drawn"),
        ("Rosa Stein", "Rosa Stein wrote about the archives of Santiago.", "Q12", "none"),
        ("Anna Bell", "Anna Bell painted the harbour.", "Q1", "drawn"),
        ("Theo Ulm", "Nobody has heard of Theo Ulm.", "nil", "drawn"),
    ),
}


def draw_person(qid: str, size: int = 48, shift: int = 0) -> Image.Image:
    """A picture that depends on the id: two coloured shapes; ``shift`` moves them, as another view would."""
    number = int(qid[1:])
    picture = Image.new("RGB", (size, size), (30 * number % 256, 70 * number % 256, 110 * number % 256))
    pen = ImageDraw.Draw(picture)
    left, top = 3 + number % 4 * 6 + shift, 4 + number // 4 * 8 + shift
    pen.ellipse((left, top, left + 18, top + 18), fill=(255 - 20 * number, 40, 17 * number))
    return picture


def write_tiny(folder: Path) -> Path:
    """Write twelve entities and 6 + 4 + 4 mentions (one NIL, some without image) in MIMIC's format to ``folder``."""
    for name in ("kb_image", "mention_image"):
        (folder / name).mkdir(parents=True)
    entities = []
    for row, (qid, name, description, attributes, image) in enumerate(PEOPLE):
        if image == "drawn":
            draw_person(qid).save(folder / "kb_image" / f"{qid}.jpg", quality=90)
        images = [] if image == "none" else [f"{qid}.jpg"]
        entity = {"id": row, "qid": qid, "type": "entity", "entity_name": name, "attr": attributes}
        entities.append({**entity, "desc": description, "image_list": images})
    _dump(folder / "kb_entity.json", entities)
    _dump(folder / "qid2id.json", {entity["qid"]: entity["id"] for entity in entities})
    titles = {qid: name for qid, name, *_ in PEOPLE}
    for split, mentions in MENTIONS.items():
        rows = []
        for row, (mention, sentence, answer, image) in enumerate(mentions):
            file = "" if image == "none" else f"{split}-{row}.jpg"
            if image == "drawn":
                picture = draw_person(answer if answer != "nil" else "Q13", shift=4 + row)
                picture.save(folder / "mention_image" / file, quality=90)
            title = titles.get(answer, mention)
            record = {"id": f"{split}-{row}", "sentence": sentence, "mentions": mention, "entities": title}
            rows.append({**record, "imgPath": file, "answer": answer})
        _dump(folder / f"Tiny_{split}.json", rows)
    return folder


def _dump(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """The tiny data set, freshly written: the test may change its files."""
    return write_tiny(tmp_path / "tiny")


@pytest.fixture(scope="session")
def tiny_dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set, written once for all tests: read only."""
    return write_tiny(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data sets; the test is skipped where it is absent."""
    if not DATA_ROOT.is_dir():
        pytest.skip("the real data sets are absent (../shared/data)")
    return DATA_ROOT


@pytest.fixture(scope="session")
def tiny_run(tiny_dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder over the tiny data set: the default model on a tiny CLIP, all weights random. Read only."""
    import torch
    from transformers import CLIPModel

    from otmel.data.graph import KnowledgeGraph
    from otmel.encoders import TwoTowerEncoder
    from otmel.encoders.settings import TowerSettings
    from otmel.encoders.tiny import clip_config, image_processor, initialise
    from otmel.encoders.tokenizer import train_tokenizer
    from otmel.inputs import InputProcessor
    from otmel.models.bundle import Bundle
    from otmel.models.names import NameVectorizer, names_of
    from otmel.models.registry import new_model
    from otmel.training.settings import preset

    graph = KnowledgeGraph.open(tiny_dataset_folder)
    settings = preset("default")
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"hidden": 16})})
    towers = TowerSettings(width=32, text_layers=1, vision_layers=1, heads=2, image_size=24, patch_size=8)
    tokenizer = train_tokenizer([f"{e.name}. {e.attributes}" for e in graph] * 4, vocabulary=400)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = CLIPModel(clip_config(towers, tokenizer))
        initialise(clip)
        model = new_model(settings.model, encoder=TwoTowerEncoder(clip.eval()))
    processor = InputProcessor(tokenizer, image_processor(towers.image_size), settings.inputs, patch_size=8)
    record = {
        "settings": settings.model_dump(mode="json"),
        "dataset": "Tiny",
        "data": {"train": "0" * 16, "graph": graph.snapshot, "entities": len(graph)},
    }
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    vectorizer = NameVectorizer.fit(name for entity in graph for name in names_of(entity))
    Bundle(model.eval(), processor, vectorizer, record).save(folder)
    return folder


@pytest.fixture(scope="session")
def gemel_run(tiny_run: Path, tiny_dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the generative system over the tiny data set, all weights random. Read only."""
    import torch

    from otmel.encoders import wrapped
    from otmel.encoders.tiny_causal import small_causal
    from otmel.models.bundle import Bundle
    from otmel.models.registry import new_model
    from otmel.training.settings import preset

    tiny = Bundle.load(tiny_run)
    assert tiny.model.encoder is not None
    assert tiny.processor is not None
    settings = preset("default", system_name="gemel")
    settings = settings.model_copy(
        update={"model": settings.model.model_copy(update={"hidden": 16}), "encoder": "tiny"}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = wrapped(small_causal(tiny.model.encoder.cpu(), tiny.processor))
        model = new_model(settings.model, encoder=encoder)
    record = {**tiny.record, "settings": settings.model_dump(mode="json"), "dataset_root": str(tiny_dataset_folder)}
    folder = tmp_path_factory.mktemp("runs") / "gemel"
    Bundle(model.eval(), tiny.processor, tiny.vectorizer, record).save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated world of 16 people and 24 + 8 + 8 mentions, with captions: read only."""
    from otmel.data.world import WorldSettings, write_world

    folder = tmp_path_factory.mktemp("worlds") / "world"
    settings = WorldSettings(entities=16, train=24, dev=8, test=8, unseen=0, captions=24, image_size=24)
    write_world(settings, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of random weights, 32 channels wide, saved with its processor: read only."""
    import torch
    from transformers import CLIPModel

    from otmel.encoders import TwoTowerEncoder, save_encoder
    from otmel.encoders.settings import TowerSettings
    from otmel.encoders.tiny import clip_config, image_processor, initialise
    from otmel.encoders.tokenizer import train_tokenizer
    from otmel.inputs import InputProcessor

    towers = TowerSettings(width=32, text_layers=1, vision_layers=1, heads=2, image_size=24)
    tokenizer = train_tokenizer(["a painter from Norway", "the pilot of the Lions, in red"], vocabulary=300)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(clip_config(towers, tokenizer))
        initialise(model)
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    processor = InputProcessor(tokenizer, image_processor(towers.image_size), patch_size=towers.patch_size)
    save_encoder(TwoTowerEncoder(model.eval()), processor, folder)
    return folder


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, tiny_world: Path, tiny_encoder: Path) -> Path:
    """A run of two epochs, four steps, on the tiny world, with its checkpoints: read only."""
    from otmel.cli.main import main

    folder = tmp_path_factory.mktemp("trained") / "tiny"
    words = ["train", str(tiny_world), "--out", str(folder), "--encoder", str(tiny_encoder)]
    short = ("training.epochs=2", "training.batch_size=8", "training.evaluate_every=1")
    assert main([*words, *(word for setting in short for word in ("--set", setting))]) == 0
    return folder


@pytest.fixture(scope="session")
def calibration_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated world of 24 people with 48 mentions to calibrate on: read only."""
    from otmel.data.world import WorldSettings, write_world

    folder = tmp_path_factory.mktemp("worlds") / "calibration"
    write_world(WorldSettings(entities=24, train=4, dev=48, test=12, unseen=0, captions=0, image_size=24), folder)
    return folder


@pytest.fixture(scope="session")
def calibrated_run(trained_run: Path, calibration_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run, calibrated on that world: read only."""
    import shutil

    from otmel.cli.main import main

    folder = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(trained_run, folder, ignore=shutil.ignore_patterns("checkpoints", "eval-*"))
    assert main(["calibrate", str(folder), str(calibration_world), "--precision", "0.8"]) == 0
    return folder
