"""GEMEL: the second stage is the teacher-forced likelihood of the name, the first one inner product."""

from dataclasses import replace

import pytest
import torch

from otmel.data.datasets import load_dataset
from otmel.encoders import Widths
from otmel.errors import ConfigurationError
from otmel.inputs import InputProcessor, InputSettings
from otmel.models.base import Side
from otmel.models.baselines.gemel import Gemel, GemelSettings
from otmel.models.bundle import Bundle
from otmel.models.registry import new_model
from otmel.types import Views

TOLERANCE = 1e-5


def close(first: torch.Tensor, second: torch.Tensor) -> None:
    torch.testing.assert_close(first, second, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.fixture(scope="module")
def tiny(tiny_dataset_folder):
    return load_dataset(tiny_dataset_folder)


@pytest.fixture(scope="module")
def bundle(gemel_run) -> Bundle:
    return Bundle.load(gemel_run)


@pytest.fixture
def model(bundle) -> Gemel:
    assert isinstance(bundle.model, Gemel)
    return bundle.model.cpu().eval()


@pytest.fixture
def sides(bundle, tiny) -> tuple[Side, Side]:
    """Four mentions, the second and the fourth without an image, and twelve entities, two names of which are shared."""
    mentions = bundle.processor.mentions(tiny.split("dev"))
    assert mentions.has_image.tolist() == [True, False, True, False]
    return Side(mentions), Side(bundle.processor.entities(list(tiny.graph)))


def every_pair(sides: tuple[Side, Side]) -> tuple[torch.Tensor, torch.Tensor]:
    count, entities = len(sides[0].content), len(sides[1].content)
    return torch.arange(count).repeat_interleave(entities), torch.arange(entities).repeat(count)


@torch.no_grad()
def plainly(model: Gemel, bundle: Bundle, mention: Side, name: str) -> torch.Tensor:
    """The likelihood of a name behind one mention: no cache, no padding, no batch."""
    batch, settings, speaker = mention.content, model.settings, model.encoder.text_tower
    embedded = speaker.get_input_embeddings()
    prompt = [embedded(batch.input_ids[batch.attention_mask]), model.prompt]
    if batch.has_image[0]:
        summary = model.encoder.image(batch).cls[0]
        prompt.insert(0, model.mapper(summary).view(settings.prefix, -1))
    tokenizer = bundle.processor.tokenizer
    ids = [*tokenizer(name, add_special_tokens=False).input_ids, tokenizer.sep_token_id]
    embeddings = torch.cat([*prompt, embedded(torch.tensor(ids))])
    logits = speaker(inputs_embeds=embeddings[None]).logits[0].log_softmax(-1)[-len(ids) - 1 : -1]
    return logits.gather(1, torch.tensor(ids)[:, None]).mean()


@torch.no_grad()
def test_rescored_is_the_teacher_forced_likelihood_of_the_name(model, bundle, sides, tiny):
    scores = model.rescore(*sides, every_pair(sides)).view(4, 12)
    for row in range(4):
        mention = Side(bundle.processor.mentions(tiny.split("dev")[row : row + 1]))
        for column, entity in enumerate(tiny.graph):
            close(scores[row, column], plainly(model, bundle, mention, entity.name))


@torch.no_grad()
def test_entities_of_one_name_have_one_score_to_the_last_bit(model, sides):
    scores = model.rescore(*sides, every_pair(sides)).view(4, 12)
    assert torch.equal(scores[:, 0], scores[:, 1])  # Anna Bell
    assert torch.equal(scores[:, 9], scores[:, 10])  # Paul Quist
    assert len(scores[0].unique()) == 10


@torch.no_grad()
def test_neither_neighbours_nor_padding_have_a_say(model, sides):
    together = model.rescore(*sides, every_pair(sides)).view(4, 12)
    padded = replace(
        sides[0].content,
        input_ids=torch.nn.functional.pad(sides[0].content.input_ids, (0, 3), value=7),
        attention_mask=torch.nn.functional.pad(sides[0].content.attention_mask, (0, 3)),
    )
    close(model.rescore(Side(padded), sides[1], every_pair(sides)).view(4, 12), together)
    for row in range(4):
        alone = Side(sides[0].content[[row]]), sides[1]
        close(model.rescore(*alone, every_pair(alone)), together[row])
    close(model.encode_mentions(Side(padded)).dense["F"], model.encode_mentions(sides[0]).dense["F"])


@torch.no_grad()
def test_an_absent_image_is_never_read_and_a_present_one_is(model, sides):
    batch = sides[0].content
    other = Side(replace(batch, pixels=batch.pixels + 1.0))
    for before, after in (
        (model.rescore(*sides, every_pair(sides)), model.rescore(other, sides[1], every_pair(sides))),
        (model.encode_mentions(sides[0]).dense["F"], model.encode_mentions(other).dense["F"]),
    ):
        assert before.isfinite().all()
        moved = (before - after).view(4, -1).abs().amax(1) > 1e-6
        assert moved.tolist() == batch.has_image.tolist()


@torch.no_grad()
def test_features_held_in_memory_give_what_their_inputs_give(model, sides):
    held = tuple(Side(model.views(side)) for side in sides)
    assert all(isinstance(side.content, Views) for side in held)
    assert torch.equal(model.rescore(*held, every_pair(sides)), model.rescore(*sides, every_pair(sides)))


@torch.no_grad()
def test_the_first_stage_is_one_inner_product(model, sides):
    mentions, entities = model.encode_mentions(sides[0]), model.encode_entities(sides[1])
    scores = model.score(mentions, entities).total
    assert torch.equal(mentions.dense["F"], model.encode_entities(sides[0]).dense["F"])
    close(scores, mentions.dense["F"] @ entities.dense["F"].T)


def test_the_loss_is_the_mean_negative_likelihood_of_the_true_names(model, sides):
    candidates = torch.tensor([[3, 0], [6, 1], [7, 2], [10, 3]])
    loss = model.second_stage_loss(*sides, candidates)
    expected = -model.rescore(*sides, (torch.arange(4), candidates[:, 0])).mean()
    close(loss, expected)


def test_with_a_frozen_encoder_mapper_and_prompt_learn_the_names(bundle, gemel_run, sides):
    model = Bundle.load(gemel_run).model.cpu()
    assert isinstance(model, Gemel)
    model.encoder.requires_grad_(False)
    model.train()
    assert not model.encoder.training
    held = tuple(Side(model.views(side)) for side in sides)
    candidates = torch.tensor([[3], [6], [7], [10]])
    trained = [model.mapper.weight, model.mapper.bias, model.prompt]
    optimiser = torch.optim.Adam(trained, lr=0.01)
    losses = []
    for _ in range(20):
        loss = model.second_stage_loss(*held, candidates)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in trained)
    assert all(weight.grad is None for weight in model.encoder.parameters())
    assert losses[-1] < losses[0] - 0.1


def test_names_are_the_tokens_of_the_name_alone(model, bundle, sides, tiny):
    tokenizer = bundle.processor.tokenizer
    for row, entity in zip(model.names(sides[1]).tolist(), tiny.graph, strict=True):
        expected = [*tokenizer(entity.name, add_special_tokens=False).input_ids, tokenizer.sep_token_id]
        assert [token for token in row if token >= 0] == expected


def test_without_a_language_model_or_token_ids_it_says_what_it_needs(model, sides):
    with pytest.raises(ConfigurationError, match="causal language model"):
        new_model(GemelSettings(), widths=Widths(8, 8, 8, 8))
    held = Side(replace(model.views(sides[0]), ids=None))
    with pytest.raises(ConfigurationError, match="without them"):
        model.rescore(held, sides[1], (torch.tensor([0]), torch.tensor([0])))


def test_a_wording_that_hides_the_names_end_is_refused(model, bundle, sides, tiny):
    settings = InputSettings(wording="literal_sep")
    processor = InputProcessor(bundle.processor.tokenizer, bundle.processor.image_processor, settings)
    entities = Side(processor.entities(list(tiny.graph)))
    # The tokenizer's own template ends a text with another token: there is no separator.
    with pytest.raises(ConfigurationError, match="wording=pair"):
        model.rescore(sides[0], entities, (torch.tensor([0]), torch.tensor([0])))
