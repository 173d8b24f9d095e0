"""How an ``Explanation`` comes about: one pair, encoded and scored with every intermediate kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from otmel.data.records import Entity, Mention
from otmel.linking.explanation import Explanation, Part, Term
from otmel.linking.halves import half_of
from otmel.linking.sight import seen_image
from otmel.linking.token_plans import token_plans
from otmel.models.base import Scores, State
from otmel.models.bundle import Bundle
from otmel.models.composition import Part as ScorePart
from otmel.models.interaction import LateInteraction
from otmel.models.model import LinkerModel
from otmel.models.name_rows import entity_names, mention_names
from otmel.models.otmel import OTMEL


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
    sent = half_of(bundle, processor.mentions([mention]), names[0], "mention")
    received = half_of(bundle, processor.entities([entity]), names[1], "entity")
    sources = {"mention": () if mention.image is None else (mention.image,), "entity": entity.images}
    images = {owner: seen_image(listed, processor.image_processor) for owner, listed in sources.items()}
    return Explanation(
        mention=mention,
        entity=entity,
        parts=_parts(model, sent.state, received.state),
        plans=tuple(token_plans(model, sent, received)) if isinstance(model, OTMEL) else (),
        images={owner: image for owner, image in images.items() if image is not None},
        **origin,
    )


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


def _value(tensor: Tensor) -> float:
    return float(tensor.double().reshape(()))
