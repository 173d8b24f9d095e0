"""Links: right against plain scoring of every pair, independent of the batch, and open about what was odd."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

import otmel
from otmel.data.dataset import Dataset
from otmel.data.records import Mention
from otmel.encoders import TwoTowerEncoder, Widths
from otmel.errors import CheckpointError, DataError
from otmel.inputs import InputProcessor
from otmel.linking import Link, Linker
from otmel.linking.mentions import NO_VISION
from otmel.models.base import Side
from otmel.models.bundle import Bundle
from otmel.models.name_rows import entity_names, mention_names
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings

VARIANTS = ("ot", "kd", "f2", "m2", "a1")


def close(first: float, second: float) -> bool:
    return first == pytest.approx(second, rel=1e-6, abs=1e-6)


def same(first: Link, second: Link) -> bool:
    """The same answer, to the accuracy of the encoder's arithmetic."""
    pairs = list(zip(first.candidates, second.candidates, strict=True))
    return all(one.id == two.id and close(one.score, two.score) for one, two in pairs) and first.notes == second.notes


def every(dataset: Dataset) -> list[Mention]:
    return [mention for split in dataset.splits.values() for mention in split]


def test_the_public_names_are_these_classes() -> None:
    assert otmel.Linker is Linker
    assert otmel.Link is Link


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_best_are_those_of_scoring_every_pair(
    variant: str, linker_of: Callable[[str], Linker], tiny: Dataset
) -> None:
    linker, mentions = linker_of(variant), list(tiny.split("dev"))
    bundle, graph = linker.bundle, tiny.graph
    with torch.no_grad():
        sides = (
            Side(linker.processor.mentions(mentions), mention_names(bundle.vectorizer, mentions)),
            Side(linker.processor.entities(list(graph)), entity_names(bundle.vectorizer, list(graph))),
        )
        model, (sent, received) = bundle.model, (side.to(bundle.model.device) for side in sides)
        scores = model.score(model.encode_mentions(sent), model.encode_entities(received)).total.cpu()
    for link, row in zip(linker.link(mentions, k=4), scores, strict=True):
        values, best = row.topk(4)
        assert [candidate.id for candidate in link.candidates] == [graph[i].id for i in best.tolist()]
        torch.testing.assert_close(torch.tensor([c.score for c in link.candidates]), values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_parts_add_up_to_the_score(variant: str, linker_of: Callable[[str], Linker], tiny: Dataset) -> None:
    for link in linker_of(variant).link(every(tiny), k=12):
        for candidate in link.candidates:
            assert sum(candidate.parts.values()) == pytest.approx(candidate.score, abs=1e-6)
        assert link.entity is not None
        assert (link.entity.id, link.score, link.parts) == (
            link.candidates[0].id,
            link.candidates[0].score,
            link.candidates[0].parts,
        )
        scores = [candidate.score for candidate in link.candidates]
        assert scores == sorted(scores, reverse=True)
        assert link.margin == scores[0] - scores[1]


def test_without_an_image_the_image_part_adds_nothing(linker: Linker, tiny: Dataset) -> None:
    (link,) = linker.link(replace(tiny.split("dev")[0], image=None))
    assert {candidate.parts["V"] for candidate in link.candidates} == {0.0}


def test_order_is_kept_and_no_answer_depends_on_its_batch(linker: Linker, tiny: Dataset) -> None:
    mentions = every(tiny) * 3  # more than one batch
    order = torch.randperm(len(mentions), generator=torch.Generator().manual_seed(0)).tolist()
    alone = {mention.id: linker.link(mention)[0] for mention in every(tiny)}
    links = linker.link([mentions[i] for i in order])
    assert [link.mention for link in links] == [mentions[i] for i in order]
    assert all(same(link, alone[link.mention.id]) for link in links)


def test_nothing_in_nothing_out(linker: Linker) -> None:
    assert linker.link([]) == []


def test_more_than_all_entities_is_all_entities(linker: Linker, tiny: Dataset) -> None:
    (link,) = linker.link(tiny.split("dev")[0], k=100)
    assert sorted(candidate.id for candidate in link.candidates) == sorted(entity.id for entity in tiny.graph)
    with pytest.raises(ValueError, match="k = 0"):
        linker.link(tiny.split("dev")[0], k=0)


def test_one_entity_is_enough_and_the_margin_still_known(linker: Linker, tiny: Dataset) -> None:
    (link,) = linker.link(tiny.split("dev")[0], k=1)
    (two,) = linker.link(tiny.split("dev")[0], k=2)
    assert len(link.candidates) == 1
    assert link.margin == two.margin is not None


def test_answers_say_where_they_come_from(linker: Linker, tiny: Dataset, tiny_run: Path) -> None:
    from otmel.models.bundle import weights_hash

    (link,) = linker.link(tiny.split("dev")[0])
    told = json.loads(json.dumps(link.as_json()))
    assert (told["model"], told["graph"]) == (weights_hash(tiny_run), tiny.graph.snapshot)
    assert (told["id"], told["mention"], told["answer"]) == ("dev-0", "Dunn", "Q4")
    assert told["entity"] == told["candidates"][0]["id"]
    assert len(told["candidates"]) == 5


@pytest.mark.parametrize(
    ("image", "said"), [(b"\x89PNG", "<bytes>"), ("absent.png", "absent.png"), (Path("a.png"), "a.png")]
)
def test_a_broken_image_is_masked_out_and_said(image: object, said: str, linker: Linker) -> None:
    before = linker.findings.counts.copy()
    (link,) = linker.link(Mention("Dunn", "Judge Dunn left.", image))  # type: ignore[arg-type]
    (plain,) = linker.link(Mention("Dunn", "Judge Dunn left."))
    assert len(link.notes) == 1
    assert link.notes[0] in ("image missing", "image broken", "image truncated")
    assert link.score == pytest.approx(plain.score)
    assert link.as_json()["image"] == said
    assert linker.findings.counts[link.notes[0]] == before[link.notes[0]] + 1


def test_an_opened_image_serves(linker: Linker, tiny: Dataset) -> None:
    from PIL import Image

    mention = tiny.split("dev")[0]
    assert isinstance(mention.image, Path)
    with Image.open(mention.image) as picture:
        (link,) = linker.link(replace(mention, image=picture))
        assert link.as_json()["image"] == "<image>"
    assert same(link, linker.link(mention)[0])


def test_a_mention_that_is_not_in_its_sentence_is_linked_all_the_same(linker: Linker) -> None:
    (link,) = linker.link(Mention("Dunn", "The judge left."))
    assert link.entity is not None
    assert link.notes == ("mention not in its sentence",)


def test_images_stay_in_their_folder(linker: Linker, tiny_dataset_folder: Path, tmp_path: Path) -> None:
    root = tiny_dataset_folder / "mention_image"
    inside = root / "dev-0.jpg"
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(inside.read_bytes())
    for image, seen in (("dev-0.jpg", True), (inside, True), ("../kb_image/Q1.jpg", False), (outside, False)):
        (link,) = linker.link(Mention("Dunn", "Judge Dunn", image), image_root=root)
        assert (link.mention.image == inside.absolute()) is seen, image
        assert link.notes == (() if seen else ("image outside its folder",))


@pytest.mark.parametrize("image", [None, b"no image", "absent.png"])
def test_neither_words_nor_image_is_an_error_that_names_the_mention(image: object, linker: Linker) -> None:
    empty = Mention(" ", "A sentence.", image, id="m7")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="neither words nor an image") as caught:
        linker.link([Mention("Dunn"), empty])
    assert caught.value.where == "mention 2 ('m7')"


def test_an_image_alone_is_linked(linker: Linker, tiny: Dataset) -> None:
    (link,) = linker.link(Mention("", image=tiny.split("dev")[0].image))
    assert link.entity is not None
    assert link.notes == ("empty mention", "empty sentence")


def test_given_candidates_are_the_only_ones(linker: Linker, tiny: Dataset) -> None:
    mention = replace(tiny.split("dev")[0], candidates=("Q7", "Q3", "nowhere", "Q3"))
    (link,) = linker.link(mention, given_candidates=True)
    assert {candidate.id for candidate in link.candidates} == {"Q3", "Q7"}
    whole = {c.id: c for c in linker.link(mention, k=12)[0].candidates}
    assert all(close(candidate.score, whole[candidate.id].score) for candidate in link.candidates)


def test_candidates_that_are_not_in_the_graph_give_no_entity(linker: Linker) -> None:
    (link,) = linker.link(Mention("Dunn", candidates=("nowhere",)), given_candidates=True)
    assert (link.entity, link.score, link.parts, link.margin, link.candidates) == (None, None, {}, None, ())
    assert link.as_json()["entity"] is None
    with pytest.raises(DataError, match="no entity to explain"):
        link.explain()
    assert link.explain("Q4").entity.id == "Q4"


def test_a_run_on_features_cannot_read(linker: Linker, tiny: Dataset) -> None:
    model = new_model(ModelSettings(hidden=8), widths=Widths(8, 8, 8, 8))
    with pytest.raises(CheckpointError, match="cannot read text and images"):
        Linker(Bundle(model, None, linker.bundle.vectorizer), tiny.graph)


def test_a_folder_that_is_no_run(tmp_path: Path, tiny_dataset_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="no such run folder"):
        Linker.load(tmp_path / "absent", tiny_dataset_folder)


def test_a_graph_is_read_from_its_folder(tiny_run: Path, tiny_dataset_folder: Path, linker: Linker) -> None:
    read = Linker.load(tiny_run, tiny_dataset_folder)
    assert read.graph.snapshot == linker.graph.snapshot
    assert same(read.link(Mention("Dunn"))[0], linker.link(Mention("Dunn"))[0])


def test_a_model_without_vision_says_that_it_looks_at_no_image(linker: Linker, tiny: Dataset) -> None:
    tokenizer = linker.processor.tokenizer
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    bert = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes)).eval()
    encoder = TwoTowerEncoder(bert)
    model = new_model(ModelSettings(hidden=8), encoder=encoder).eval()
    blind = Linker(Bundle(model, InputProcessor(tokenizer, None), linker.bundle.vectorizer), tiny.graph)
    (link,) = blind.link(tiny.split("dev")[0])
    assert link.notes == (NO_VISION,)
    explanation = link.explain()
    assert [plan.part for plan in explanation.plans] == ["T"]
    assert explanation.images == {}
    assert explanation.notes == (NO_VISION,)


def test_a_second_stage_orders_the_best_and_given_candidates_alike(gemel_run: Path, tiny: Dataset) -> None:
    linker = Linker.load(gemel_run, tiny.graph)
    mention = tiny.split("dev")[0]
    (link,) = linker.link(mention, k=12)
    assert link.certificate is not None
    assert link.certificate.again == 12
    scores = {candidate.id: candidate.score for candidate in link.candidates}
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert all(candidate.parts == {"second stage": candidate.score} for candidate in link.candidates)
    chosen = replace(mention, candidates=tuple(scores)[5:8])
    (given,) = linker.link(chosen, given_candidates=True)
    assert [candidate.id for candidate in given.candidates] == list(chosen.candidates)
    assert [candidate.score for candidate in given.candidates] == pytest.approx(
        [scores[id] for id in chosen.candidates]
    )
