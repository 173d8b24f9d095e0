"""How an ``Explanation`` comes about: one pair, encoded and scored with every intermediate kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from otmel.data.records import Entity, Mention
from otmel.inputs import InputProcessor
from otmel.linking.explanation import Explanation, Part, Term
from otmel.linking.plans import Axis, Modality, Owner, TokenPlan
from otmel.linking.sight import seen_image
from otmel.linking.words import word_groups
from otmel.models.base import Scores, Side, State
from otmel.models.bundle import Bundle
from otmel.models.composition import Part as ScorePart
from otmel.models.fusion import Direction, fusion_plan
from otmel.models.interaction import LateInteraction
from otmel.models.model import LinkerModel
from otmel.models.name_rows import NameRows, entity_names, mention_names
from otmel.models.otmel import OTMEL
from otmel.ot import Assignment, Plan, Transport
from otmel.types import Batch, Views

DIRECTIONS: tuple[Direction, ...] = ("image_to_text", "text_to_image")


@dataclass(frozen=True)
class Half:
    """One side of the pair: its state, its projected tokens and their names."""

    state: State
    views: Views
    text: Axis
    image: Axis

    def axis(self, modality: Modality) -> Axis:
        """The tokens of a modality."""
        return self.text if modality == "text" else self.image


@torch.no_grad()
def explained(bundle: Bundle, mention: Mention, entity: Entity, origin: dict[str, Any]) -> Explanation:
    """The explanation of one pair.

    Args:
        bundle: model and processor.
        mention: ready to be linked.
        entity: what to compare it with.
        origin: the ``model``, ``graph`` and ``notes`` of the explanation.
    """
    model, processor = bundle.model, bundle.processor
    assert processor is not None
    names = mention_names(bundle.vectorizer, [mention]), entity_names(bundle.vectorizer, [entity])
    sent = _half(bundle, processor.mentions([mention]), names[0], "mention")
    received = _half(bundle, processor.entities([entity]), names[1], "entity")
    sources = {"mention": () if mention.image is None else (mention.image,), "entity": entity.images}
    images = {owner: seen_image(listed, processor.image_processor) for owner, listed in sources.items()}
    return Explanation(
        mention=mention,
        entity=entity,
        parts=_parts(model, sent.state, received.state),
        plans=tuple(_plans(model, sent, received)) if isinstance(model, OTMEL) else (),
        images={owner: image for owner, image in images.items() if image is not None},
        **origin,
    )


def _half(bundle: Bundle, batch: Batch, names: NameRows, owner: Owner) -> Half:
    model, processor = bundle.model, bundle.processor
    assert processor is not None
    side = Side(batch.to(model.device), names.to(model.device))
    views = model.views(side)
    encode = model.encode_mentions if owner == "mention" else model.encode_entities
    ids = batch.input_ids[0][batch.attention_mask[0]].tolist()
    text = _text_axis(owner, ids, processor)
    image = _image_axis(owner, int(views.image.mask.sum()), processor.patch_grid)
    projected = model.projected(views) if isinstance(model, OTMEL) else views
    return Half(encode(Side(views, side.names)), projected, text, image)


def _text_axis(owner: Owner, ids: list[int], processor: InputProcessor) -> Axis:
    tokenizer, shown = processor.tokenizer, tuple(processor.tokens(ids))
    special = tuple(number for number, one in enumerate(ids) if one in tokenizer.all_special_ids)
    groups = word_groups(tokenizer.convert_ids_to_tokens(ids), shown, special)
    words = tuple((str(tokenizer.decode([ids[n] for n in group])).strip(), group) for group in groups)
    return Axis(owner, "text", shown, special, words)


def _image_axis(owner: Owner, length: int, grid: tuple[int, int] | None) -> Axis:
    """The names of an image's tokens; those before the patches are [CLS] and registers."""
    patches = 0 if grid is None else grid[0] * grid[1]
    if grid is None or patches == 0 or length < patches:
        return Axis(owner, "image", tuple(str(number + 1) for number in range(length)))
    before = ("[CLS]", *(f"[REG{n}]" for n in range(1, length)))[: length - patches]
    places = (f"{row + 1},{column + 1}" for row in range(grid[0]) for column in range(grid[1]))
    return Axis(owner, "image", (*before, *places), tuple(range(len(before))), grid=grid)


def _parts(model: LinkerModel, mention: State, entity: State) -> tuple[Part, ...]:
    scores = model.score(mention, entity)
    terms = {part.name: _terms(model, mention, entity, part) for part in model.parts}
    if "N" in scores.parts:
        terms["N"] = [("cosine", _value(scores.parts["N"]), 1.0)]
    return tuple(_part(scores, name, of_part) for name, of_part in terms.items())


def _part(scores: Scores, name: str, terms: Sequence[tuple[str, float, float]]) -> Part:
    share = _value(scores.share[name])
    own = tuple(Term(called, value, weight * share) for called, value, weight in terms)
    return Part(name, _value(scores.parts[name]), share, own)


def _fusion_terms(mention: Tensor, entity: Tensor) -> list[tuple[str, float, float]]:
    """The two inner products of Eq. 18: the halves ``ḡ^t`` and ``ḡ^v`` of both vectors."""
    text, image = (mention.double() * entity.double()).squeeze(0).chunk(2)
    return [("fused text", float(text.sum()), 1.0), ("fused image", float(image.sum()), 1.0)]


def _terms(model: LinkerModel, mention: State, entity: State, part: ScorePart) -> list[tuple[str, float, float]]:
    """What a part is made of: of the paper's model the halves of Eq. 18, ``ψ(t_m, t_e)`` and ``ψ(ḡ_m, t_e)``."""
    name = part.name
    if isinstance(model, OTMEL) and name == "F":
        return _fusion_terms(mention.dense[name], entity.dense[name])
    terms = []
    if part.dense:
        dense = mention.dense[name].double() @ entity.dense[name].double().T
        terms.append(("dense: [CLS] · [CLS]" if part.late else "dense", _value(dense), part.dense))
    if part.late:
        term = model.late_term(name)
        late, _ = term(mention.late[name], entity.late[name])
        called = "late: matched tokens" if isinstance(term, LateInteraction) else "late: transported · [CLS]"
        terms.append((called, _value(late), part.late))
    return terms


def _plans(model: OTMEL, mention: Half, entity: Half) -> list[TokenPlan]:
    plans = []
    for half in (mention, entity) if model.fusion is not None else ():
        assert model.fusion is not None
        assert model.settings.fusion is not None
        for direction in DIRECTIONS:
            rows: Modality = "text" if direction == "image_to_text" else "image"
            sides = half.axis(rows), half.axis("image" if rows == "text" else "text")
            if all(map(len, sides)):
                plan = fusion_plan(model.fusion, half.views, direction)
                plans.append(_token_plan("F", model.settings.fusion, sides, plan))
    modalities: dict[str, Modality] = {"T": "text", "V": "image", "LT": "text", "LV": "image"}
    for part, modality in modalities.items():
        sides = entity.axis(modality), mention.axis(modality)
        if part in mention.state.late and all(map(len, sides)):
            term = model.late_term(part)
            plan = term.plan(mention.state.late[part], entity.state.late[part])
            plans.append(_token_plan(part, term.assignment, sides, plan))
    return plans


def _token_plan(part: str, assignment: Assignment, sides: tuple[Axis, Axis], plan: Plan) -> TokenPlan:
    rows, columns = sides
    transport = isinstance(assignment, Transport)
    kind: Literal["transport", "attention"] = "transport" if transport else "attention"
    matrix = plan.matrix.reshape(plan.matrix.shape[-2:])[: len(rows), : len(columns)]
    return TokenPlan(
        part=part,
        kind=kind,
        rows=rows,
        columns=columns,
        matrix=matrix.cpu().numpy(),
        iterations=int(plan.iterations) if transport else None,
        marginal_error=_value(plan.marginal_error) if transport else None,
    )


def _value(tensor: Tensor) -> float:
    return float(tensor.double().reshape(()))
