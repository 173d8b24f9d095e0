"""The paper's own architecture, ViT-B/32 CLIP at full size, with random weights: train, save, reload, link."""

from __future__ import annotations

import resource

import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention
from otmel.encoders import load_encoder
from otmel.encoders.tokenizer import train_tokenizer
from otmel.evaluation.gold import gold_rows
from otmel.linking import Linker
from otmel.models.bundle import Bundle
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.models.tables import entity_table, mention_table
from otmel.settings import overridden
from otmel.training.batches import Collator, hard_negatives
from otmel.training.material import Material
from otmel.training.run import fit
from otmel.training.settings import PAPER

NAMES = ("Anna Bell", "Anna Berg", "Carl Dunn", "Carla Dunn")


def picture(number: int) -> Image.Image:
    return Image.effect_mandelbrot((60 + number, 50), (-2 - number / 9, -1.5, 1, 1.5), 20).convert("RGB")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder as the published checkpoint has it, but for the weights and a tokenizer of our own."""
    folder = tmp_path_factory.mktemp("clip") / "clip-vit-base-patch32"
    tokenizer = train_tokenizer(NAMES, length=77)
    config = CLIPConfig()
    config.text_config.eos_token_id = tokenizer.eos_token_id
    config.text_config.bos_token_id = tokenizer.bos_token_id
    config.text_config.pad_token_id = tokenizer.pad_token_id
    assert (config.vision_config.patch_size, config.vision_config.image_size) == (32, 224)
    assert (config.text_config.hidden_size, config.vision_config.hidden_size) == (512, 768)
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_two_steps_save_reload_and_link(checkpoint, tmp_path, record_property):
    graph = KnowledgeGraph(Entity(f"Q{n}", name, images=(picture(n),)) for n, name in enumerate(NAMES))
    mentions = [Mention(n.split()[0], f"{n} waved.", picture(7 + i), f"m{i}", f"Q{i}") for i, n in enumerate(NAMES)]
    encoder, processor = load_encoder(checkpoint)
    settings = overridden(PAPER, ("training.batch_size=2", "training.epochs=1", "training.validation=dev"))
    vectorizer = NameVectorizer.fit(NAMES)
    model = new_model(settings.model, encoder=encoder)
    assert model.config.widths == {"text": 512, "image": 768, "text_cls": 512, "image_cls": 768}
    entities, rows = entity_table(graph, processor, vectorizer), mention_table(mentions, processor, vectorizer)
    gold = gold_rows(mentions, graph)
    nothing = hard_negatives(mentions, gold, graph, vectorizer, 0)
    material = Material(entities, rows, rows, gold, gold, [m.id or "" for m in mentions], nothing)
    bundle = Bundle(model, processor, vectorizer, {"settings": settings.model_dump(mode="json"), "data": {}})
    fit(bundle, material, settings, tmp_path / "run", say=lambda line: None)

    collated = Collator(rows, entities, gold, nothing)([0, 1, 2, 3])["batch"].to(bundle.model.device)
    with torch.no_grad():
        before = bundle.model(collated.mentions, collated.entities)[0].total
        again = Bundle.load(tmp_path / "run")
        after = again.model(collated.mentions, collated.entities)[0].total
    assert torch.equal(before, after)
    link = Linker.load(tmp_path / "run", graph).link(mentions[0], k=4)[0]
    assert {candidate.id for candidate in link.candidates} == {"Q0", "Q1", "Q2", "Q3"}
    assert link.entity is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    record_property("peak_gib", round(peak, 2))
    print(f"peak memory of the process: {peak:.2f} GiB")  # noqa: T201  (the figure is what this test reports)
