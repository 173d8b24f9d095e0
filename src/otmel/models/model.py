"""``LinkerModel``: what every system shares, as a transformers model: an encoder, parts, one way of adding them up.

A system is an assembly: layers over the encoder's ``Views``, ``encode`` that makes one side's ``State``, and ``parts``
that say what the state's vectors and tokens are worth in the score. Everything else (training, index, exact search,
evaluation, linking) needs no more than that.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from otmel.encoders import TwoTowerEncoder, Widths, build_encoder
from otmel.inputs import InputProcessor
from otmel.models.base import Encoded, LateState, LateTerm, Scores, Side, State
from otmel.models.composition import Composition, Part
from otmel.models.config import LinkerConfig
from otmel.models.name_rows import name_scores
from otmel.models.reranking import hardest, reranking_loss
from otmel.models.settings import SystemSettings
from otmel.ot.means import Means
from otmel.types import Views


class LinkerModel(PreTrainedModel):
    """Base of all systems.

    A part that a pair cannot have, because an image is missing, drops out of that pair's mean (Eq. 25). Parts that are
    not averaged are added to the mean as they are, and so is N, the name match, with a learned weight, where the
    settings ask for it.

    A subclass makes its layers in ``__init__``, ends it with ``self.post_init()``, and implements ``encode`` and
    ``parts``; with late terms ``late_term`` too. One that looks again at the best entities of a search sets
    ``second_stage`` and implements ``rescore``, which ``second_stage_loss`` trains.
    """

    config_class = LinkerConfig
    base_model_prefix = "otmel"
    main_input_name = "mentions"
    supports_gradient_checkpointing = False
    settings_class: ClassVar[type[SystemSettings]]

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config)
        self.settings: Any = self.settings_class.model_validate(config.settings)
        if encoder is None and config.encoder is not None:
            encoder = build_encoder(config.encoder, self.settings.cls)
        self.encoder = encoder
        self.widths = Widths(**config.widths)
        self.name_weight = nn.Parameter(torch.tensor(1.0)) if self.settings.name_match else None

    def prepare(self, processor: InputProcessor) -> None:
        """Called once on a new model, before it is trained: what it must know of the tokenizer, kept in its buffers."""

    @abstractmethod
    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """The state of one side: entities receive, mentions send."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """All parts but N, without their formulas: cheap, for training asks at every step."""

    def late_term(self, part: str) -> LateTerm:
        """The late term of a part. Raises ``KeyError`` where it has none."""
        raise KeyError(part)

    def late_factor(self, part: str) -> float:
        """What a part's late term does to its formula's number: a learned weight, where it has one."""
        return 1.0

    @property
    def by_rows(self) -> bool:
        """Whether all that is encoded of a row follows from that row: then a batch may be encoded in pieces."""
        return True

    @property
    def second_stage(self) -> int:
        """How many of the best entities ``rescore`` looks at again; 0: none."""
        return 0

    def rescore(
        self, mentions: Side, entities: Side, pairs: tuple[Int[Tensor, " P"], Int[Tensor, " P"]]
    ) -> Float[Tensor, " P"]:
        """The second stage's scores of single pairs, given as rows of ``mentions`` and of ``entities``."""
        raise NotImplementedError(f"{type(self).__name__} has no second stage")

    def second_stage_loss(self, mentions: Side, entities: Side, candidates: Int[Tensor, "M k"]) -> Tensor | None:
        """What the second stage adds to the loss, as its term R.

        Args:
            mentions: ``M`` mentions, whose content the encoder has read already.
            entities: the batch's own entities, likewise.
            candidates: rows of ``entities``: first each mention's true one, then the first stage's best others.
        """
        rows = torch.arange(len(candidates), device=candidates.device).repeat_interleave(candidates.shape[1])
        return reranking_loss(self.rescore(mentions, entities, (rows, candidates.flatten())).view_as(candidates))

    def _init_weights(self, module: nn.Module) -> None:
        """Nothing: PyTorch's own initialisation stands, and a pretrained encoder keeps its weights."""

    def train(self, mode: bool = True) -> LinkerModel:
        """As for any module, but for a frozen encoder: its features are the same at every time, without dropout."""
        super().train(mode)
        if self.encoder is not None and not any(weight.requires_grad for weight in self.encoder.parameters()):
            self.encoder.eval()
        return self

    def views(self, side: Side) -> Views:
        """The encoder's output, or the features as they were given."""
        if isinstance(side.content, Views):
            return side.content
        if self.encoder is None or side.content is None:
            raise TypeError("a model without an encoder takes Views, one with an encoder a Batch")
        return self.encoder(side.content)

    def state(
        self, side: Side, views: Views, dense: dict[str, Tensor], late: dict[str, LateState] | None = None
    ) -> State:
        """A side's state from its vectors and tokens; its names travel along where the part N is on."""
        return State(dense, late or {}, views.image.present, None if self.name_weight is None else side.names)

    def forward(
        self,
        mentions: Side,
        entities: Side,
        gather: Callable[[State], State] = lambda state: state,
        gold: Bool[Tensor, "M E"] | None = None,
    ) -> tuple[Scores, dict[str, Tensor | Means]]:
        """Scores of every mention against every entity, and what else is in the loss: ``KD`` (Eq. 28) and ``R``.

        All that is trained is computed in here, as ``DistributedDataParallel`` asks.

        Args:
            mentions: ``M`` mentions.
            entities: ``E`` entities.
            gather: joins the entity states of several training processes.
            gold: which of ``entities`` is each mention's true one; without it a second stage is not trained.
        """
        gold = gold if self.second_stage else None
        if gold is not None:  # both stages read the encoder's output
            mentions, entities = (replace(side, content=self.views(side)) for side in (mentions, entities))
        entity = self.encode(entities, receives=True)
        mention = self.encode(mentions, receives=False)
        gathered = gather(entity.state)
        scores, pairs = self.score_with_auxiliary(mention.state, gathered)
        auxiliary = Means.joined([entity.auxiliary, mention.auxiliary, pairs])
        # What is no mean over rows is each process's own; there may be processes without it.
        losses = {"KD": auxiliary if auxiliary is None or self.by_rows else auxiliary.value()}
        if gold is not None:
            first = scores if gathered is entity.state else self.score(mention.state, entity.state)
            candidates = hardest(first.total, gold, self.second_stage)
            losses["R"] = None if candidates is None else self.second_stage_loss(mentions, entities, candidates)
        return scores, {term: loss for term, loss in losses.items() if loss is not None}

    def floating_point_ops(self, *_: Any, **__: Any) -> int:
        """Not estimated: transformers' estimate knows only token ids."""
        return 0

    def encode_entities(self, entities: Side) -> State:
        """All the work that needs no mention."""
        return self.encode(entities, receives=True).state

    def encode_mentions(self, mentions: Side) -> State:
        """All the work that needs no entity."""
        return self.encode(mentions, receives=False).state

    def composition(self) -> Composition:
        """The score as a value."""
        parts = [self._with_formula(part) if part.late else part for part in self.parts]
        return Composition(tuple(parts), None if self.name_weight is None else float(self.name_weight.detach()))

    def _with_formula(self, part: Part) -> Part:
        name = part.name
        return replace(part, late=part.late * self.late_factor(name), formula=self.late_term(name).formula())

    def score(self, mentions: State, entities: State) -> Scores:
        """The score of every pair."""
        return self.score_with_auxiliary(mentions, entities)[0]

    def score_with_auxiliary(self, mentions: State, entities: State) -> tuple[Scores, Means | None]:
        """The score of every pair, and what the late terms add to the loss."""
        parts, auxiliary = {}, []
        for part in self.parts:
            terms = []
            if part.dense:
                terms.append(part.dense * (mentions.dense[part.name] @ entities.dense[part.name].T))
            if part.late:
                late, loss = self.late_term(part.name)(mentions.late[part.name], entities.late[part.name])
                terms.append(part.late * late)
                auxiliary.append(loss)
            parts[part.name] = sum(terms[1:], terms[0])
        share = self._shares(mentions, entities)
        if self.name_weight is not None and mentions.names is not None and entities.names is not None:
            parts["N"] = name_scores(mentions.names, entities.names).to(self.name_weight)
            share["N"] = self.name_weight.expand_as(parts["N"])
        total = torch.stack([parts[part] * share[part] for part in parts]).sum(0)
        return Scores(total, parts, share), Means.joined(auxiliary)

    def _shares(self, mentions: State, entities: State) -> dict[str, Tensor]:
        """One over the number of averaged parts a pair has (Eq. 25), and one for all others it has."""
        both = (mentions.has_image.unsqueeze(1) & entities.has_image.unsqueeze(0)).to(self.dtype)
        has = {part.name: both if part.needs_image else torch.ones_like(both) for part in self.parts}
        averaged = [has[part.name] for part in self.parts if part.averaged]
        count = torch.stack([torch.zeros_like(both), *averaged]).sum(0).clamp_min(1)
        return {part.name: has[part.name] / count if part.averaged else has[part.name] for part in self.parts}
