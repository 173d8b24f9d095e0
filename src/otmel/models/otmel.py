"""OT-MEL: fusion and unimodal matching behind one score (Eq. 25), as a transformers model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from otmel.encoders import TwoTowerEncoder, Widths, build_encoder
from otmel.models.base import LateState, Scores, Side, State
from otmel.models.composition import Composition, Part
from otmel.models.fusion import Fusion, summed
from otmel.models.matching import Matching
from otmel.models.name_rows import name_scores
from otmel.models.settings import ModelSettings
from otmel.types import Elements, Views


class OTMELConfig(PretrainedConfig):
    """Configuration of ``OTMEL`` in transformers' form.

    Args:
        settings: ``ModelSettings`` as plain values.
        widths: the encoder's widths (``Widths``) as plain values.
        encoder: the encoder's transformers configuration, or ``None`` where ready features are given.
    """

    model_type = "otmel"

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        widths: dict[str, int] | None = None,
        encoder: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.settings = settings or ModelSettings().model_dump(mode="json")
        self.widths = widths or {"text": 64, "image": 64, "text_cls": 64, "image_cls": 64}
        self.encoder = encoder
        super().__init__(**kwargs)


class Projection(nn.Module):
    """From the encoder's widths to the hidden width ``d``, for tokens and [CLS] of one modality."""

    def __init__(self, tokens: int, cls: int, settings: ModelSettings) -> None:
        super().__init__()
        norm = nn.LayerNorm if settings.input_norm else (lambda _: nn.Identity())
        self.tokens = nn.Sequential(norm(tokens), nn.Linear(tokens, settings.hidden, bias=settings.bias))
        self.cls = nn.Sequential(norm(cls), nn.Linear(cls, settings.hidden, bias=settings.bias))

    def forward(self, elements: Elements) -> Elements:
        """The same elements in ``d`` channels; padding is zero."""
        tokens = self.tokens(elements.tokens).masked_fill(~elements.mask.unsqueeze(-1), 0)
        cls = self.cls(elements.cls).masked_fill(~elements.present.unsqueeze(-1), 0)
        return Elements(tokens, elements.mask, cls)


@dataclass(frozen=True)
class Encoded:
    """A state and the auxiliary loss that arose while it was made."""

    state: State
    auxiliary: Float[Tensor, ""] | None


class OTMEL(PreTrainedModel):
    """The linker of the paper: parts F (Eq. 18), T and V (Eq. 24), averaged (Eq. 25); optionally plus N.

    A part that a pair cannot have, because an image is missing, drops out of that pair's mean. N, the name match, is
    added with a learned weight.
    """

    config_class = OTMELConfig
    base_model_prefix = "otmel"
    main_input_name = "mentions"
    supports_gradient_checkpointing = False

    def __init__(self, config: OTMELConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config)
        self.settings = settings = ModelSettings.model_validate(config.settings)
        if encoder is None and config.encoder is not None:
            encoder = build_encoder(config.encoder, settings.cls)
        self.encoder = encoder
        widths = Widths(**config.widths)
        self.text = Projection(widths.text, widths.text_cls, settings)
        self.image = Projection(widths.image, widths.image_cls, settings)
        self.fusion = Fusion(settings) if settings.fusion else None
        self.matching = nn.ModuleDict({"T": Matching(settings), "V": Matching(settings)} if settings.matching else {})
        self.name_weight = nn.Parameter(torch.tensor(1.0)) if settings.name_match else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Nothing: PyTorch's own initialisation stands, and a pretrained encoder keeps its weights."""

    def train(self, mode: bool = True) -> OTMEL:
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

    def projected(self, views: Views) -> Views:
        """Both modalities in the hidden width."""
        return Views(self.text(views.text), self.image(views.image))

    def forward(
        self, mentions: Side, entities: Side, gather: Callable[[State], State] = lambda state: state
    ) -> tuple[Scores, Tensor | None]:
        """Scores of every mention against every entity, and the auxiliary loss (Eq. 28) where the model distils.

        Args:
            mentions: ``M`` mentions.
            entities: ``E`` entities.
            gather: joins the entity states of several training processes.
        """
        entity = self.encode(entities, receives=True)
        mention = self.encode(mentions, receives=False)
        scores, pairs = self.score_with_auxiliary(mention.state, gather(entity.state))
        return scores, summed(entity.auxiliary, mention.auxiliary, pairs)

    def floating_point_ops(self, *_: Any, **__: Any) -> int:
        """Not estimated: transformers' estimate knows only token ids."""
        return 0

    def encode_entities(self, entities: Side) -> State:
        """All the work that needs no mention."""
        return self.encode(entities, receives=True).state

    def encode_mentions(self, mentions: Side) -> State:
        """All the work that needs no entity."""
        return self.encode(mentions, receives=False).state

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """The state of one side: entities receive in Eq. 19–22, mentions send."""
        views = self.projected(self.views(side))
        dense: dict[str, Tensor] = {}
        late: dict[str, LateState] = {}
        auxiliary = None
        if self.fusion is not None:
            dense["F"], auxiliary = self.fusion(views)
        for part, elements in (("T", views.text), ("V", views.image)):
            if part in self.matching:
                dense[part] = elements.cls
                match: Matching = self.matching[part]  # pyright: ignore[reportAssignmentType]
                late[part] = (
                    match.entity(elements.tokens, elements.mask, elements.cls)
                    if receives
                    else match.mention(elements.tokens, elements.mask)
                )
        names = side.names if self.name_weight is not None else None
        return Encoded(State(dense, late, views.image.present, names), auxiliary)

    def score(self, mentions: State, entities: State) -> Scores:
        """Eq. 25 for every pair."""
        return self.score_with_auxiliary(mentions, entities)[0]

    def composition(self) -> Composition:
        """Eq. 18, 24 and 25 as a value."""
        parts = [] if self.fusion is None else [Part("F", dense=1.0)]
        for name in self.matching:
            match: Matching = self.matching[name]  # pyright: ignore[reportAssignmentType]
            parts.append(Part(name, dense=0.5, late=0.5, formula=match.formula(), needs_image=name == "V"))
        return Composition(tuple(parts), None if self.name_weight is None else float(self.name_weight.detach()))

    def score_with_auxiliary(self, mentions: State, entities: State) -> tuple[Scores, Tensor | None]:
        """Eq. 25 for every pair, and what Eq. 28 asks of the matching plans."""
        parts = {part: vector @ entities.dense[part].T for part, vector in mentions.dense.items()}
        auxiliary = []
        for part, state in mentions.late.items():
            pairs, loss = self.matching[part](state, entities.late[part])
            parts[part] = 0.5 * (pairs + parts[part])  # Eq. 24
            auxiliary.append(loss)
        share = self._shares(mentions, entities, list(parts))
        if self.name_weight is not None and mentions.names is not None and entities.names is not None:
            parts["N"] = name_scores(mentions.names, entities.names).to(self.name_weight)
            share["N"] = self.name_weight.expand_as(parts["N"])
        total = torch.stack([parts[part] * share[part] for part in parts]).sum(0)
        return Scores(total, parts, share), summed(*auxiliary)

    def _shares(self, mentions: State, entities: State, parts: list[str]) -> dict[str, Tensor]:
        """One over the number of parts a pair has (Eq. 25); V needs both images."""
        both = (mentions.has_image.unsqueeze(1) & entities.has_image.unsqueeze(0)).to(self.dtype)
        has = {part: both if part == "V" else torch.ones_like(both) for part in parts}
        count = torch.stack(list(has.values())).sum(0).clamp_min(1)
        return {part: present / count for part, present in has.items()}


def new_model(
    settings: ModelSettings, *, encoder: TwoTowerEncoder | None = None, widths: Widths | None = None
) -> OTMEL:
    """A linker with fresh matching weights over a pretrained encoder, or over features of the given widths."""
    if encoder is not None:
        widths = encoder.widths
    assert widths is not None, "give an encoder or the widths of ready features"
    config = OTMELConfig(
        settings=settings.model_dump(mode="json"),
        widths=asdict(widths),
        encoder=None if encoder is None else encoder.config.to_dict(),
    )
    return OTMEL(config, encoder)


def saved_settings(folder: Path) -> ModelSettings:
    """The model settings a folder was saved with."""
    return ModelSettings.model_validate(OTMELConfig.from_pretrained(folder).settings)
