"""What tells how good a model is while it is trained."""

from __future__ import annotations

from otmel.evaluation.measures import MRR, Hit
from otmel.evaluation.scan import encoded
from otmel.evaluation.search import Query, searched
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage
from otmel.models.model import LinkerModel
from otmel.training.material import Material


def validated_by_ranking(model: LinkerModel, material: Material) -> dict[str, float]:
    """H@1 and MRR of the validation mentions against the whole graph, realistic ranks."""
    entities = encoded(model.encode_entities, material.entities, device=model.device)
    mentions = encoded(model.encode_mentions, material.validation, device=model.device)
    index = EntityIndex.of(entities, model.composition())
    second = SecondStage.of(model, material.validation, material.entities)
    found = searched(index, mentions, Query(0, material.validation_gold), second).found
    ranks = found.ranks[found.ranks.ranked].realistic
    return {"mrr": MRR(ranks), "h1": Hit(1)(ranks)}
