"""GEMEL: a causal language model names the entity, the row "GEMEL" of Table 7 (App. G).

Shi, Xu, Hu, Zhang, Generative Multimodal Entity Linking, LREC-COLING 2024: both pretrained parts are frozen, a linear
feature mapper turns the image into ``k`` visual tokens, and the language model writes the entity's name behind them and
the mention, as GENRE does (De Cao et al., Autoregressive Entity Retrieval, ICLR 2021), token by token along a trie of
all names. As implemented:

    prompt(m)  = [W v_m]_1 … [W v_m]_k, E([CLS] m^n [SEP] m^c [END]), p_1 … p_q
    s(m, name) = 1/N Σ_i log p(name_i | prompt(m), name_<i),   name_N = [SEP]                   (second stage)
    x          = W_t t + 1[image] W_v v,   score(m, e) = ⟨x_m, x_e⟩                             (first stage)

``t`` is the language model's state of a text's last token, ``v`` the vision tower's summary, ``E`` its token embedding.
The second stage's loss is ``−s(m, true name)``, under teacher forcing. Without an image there are no visual tokens.

What differs, and why. The search here starts from one inner product, so ``rescore`` ranks its best entities by their
names' likelihood; decoding over the whole trie is ``otmel.linking.generative`` (``otmel generate``). ``q`` learned
vectors stand where GEMEL words a question and shows retrieved examples: their wording lies in no data set, and a prompt
of frozen words could not be shared by models and languages. GEMEL's language models are far larger;
any causal one loads by name. ``k``, ``q`` and the width of the beam are choices of ours: the paper's own values could
not be checked.

Entities of one name get one score to the last bit, whatever else tells them apart: that is the lexical ambiguity of
App. G, which the ranks show as ties.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from transformers import CLIPVisionConfig, OPTConfig

from otmel.encoders import TwoTowerEncoder
from otmel.encoders.causal import CausalEncoder, Prompt
from otmel.encoders.causal_model import CausalVisionConfig
from otmel.encoders.causal_text import names_of
from otmel.encoders.tiny_causal import small_causal
from otmel.errors import ConfigurationError
from otmel.models.base import Side
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import entrance
from otmel.models.settings import SystemSettings
from otmel.models.systems import System
from otmel.types import Batch, Views


class GemelSettings(SystemSettings):
    """Settings of the generative linker.

    Attributes:
        prefix: visual tokens ``k`` of an image.
        prompt: learned tokens ``q`` behind the mention.
        beams: names that decoding follows at once.
        again: entities of the first stage that are ranked again by their names' likelihood.
    """

    kind: Literal["gemel"] = "gemel"
    prefix: int = Field(default=4, ge=1)
    prompt: int = Field(default=4, ge=1)
    beams: int = Field(default=5, ge=1)
    again: int = Field(default=32, ge=0)


class Gemel(OneVector):
    """A first stage of one inner product, a second that asks a language model for the name."""

    settings_class = GemelSettings
    encoder: CausalEncoder

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        if not isinstance(self.encoder, CausalEncoder):
            raise ConfigurationError(
                "the system gemel writes names with a causal language model, and the encoder is none",
                cure="name one with a vision tower: --encoder facebook/opt-125m+openai/clip-vit-base-patch32",
            )
        width, settings = self.encoder.embedding_width, self.settings
        self.mapper = nn.Linear(self.widths.image_cls, settings.prefix * width)
        self.prompt = nn.Parameter(0.02 * torch.randn(settings.prompt, width))
        self.text, self.image = entrance(self.widths.text_cls, settings), entrance(self.widths.image_cls, settings)
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``W_t t + 1[image] W_v v``, the first stage; both sides alike."""
        image = self.image(views.image.cls).masked_fill(~views.image.present.unsqueeze(-1), 0)
        return self.text(views.text.cls) + image

    @property
    def second_stage(self) -> int:
        """How many entities' names are asked for."""
        return self.settings.again

    def prompts(self, mentions: Side) -> Prompt:
        """What the language model is to continue with each mention's entity."""
        ids, mask = tokens_of(mentions)
        content = mentions.content
        image = self.encoder.image(content) if isinstance(content, Batch) else self.views(mentions).image
        prefix = self.mapper(image.cls).unflatten(1, (self.settings.prefix, -1))
        question = self.prompt.expand(len(ids), -1, -1)
        seen = image.present.unsqueeze(1).expand(-1, prefix.shape[1])
        asked = mask.new_ones(question.shape[:2])
        return Prompt.of(
            torch.cat([prefix, self.encoder.embedded(ids), question], 1), torch.cat([seen, mask, asked], 1)
        )

    def names(self, side: Side) -> Int[Tensor, "B N"]:
        """The names as the language model writes them: their tokens, the separator, then ``-1``."""
        return names_of(*tokens_of(side), self.encoder.separator)

    def rescore(
        self, mentions: Side, entities: Side, pairs: tuple[Int[Tensor, " P"], Int[Tensor, " P"]]
    ) -> Float[Tensor, " P"]:
        """``s(m, name(e))``; entities of one name are asked for once, so that their scores are one."""
        names, own = self.names(entities).unique(dim=0, return_inverse=True)
        asked, place = (pairs[0] * len(names) + own[pairs[1]]).unique(return_inverse=True)
        rows = asked // len(names)
        return self.encoder.log_likelihood(self.prompts(mentions), rows, names[asked % len(names)])[place]

    def second_stage_loss(self, mentions: Side, entities: Side, candidates: Int[Tensor, "M k"]) -> Tensor:
        """``−s(m, true name)``, the mean over the mentions: the true name against all that could be written."""
        rows = torch.arange(len(candidates), device=candidates.device)
        names = self.names(entities)[candidates[:, 0]]
        return -self.encoder.log_likelihood(self.prompts(mentions), rows, names).mean()


def tokens_of(side: Side) -> tuple[Int[Tensor, "B L"], Tensor]:
    """Token ids and their mask. Raises ``ConfigurationError`` where features come without them."""
    content = side.content
    if isinstance(content, Batch):
        return content.input_ids, content.attention_mask
    if content is None or content.ids is None:
        raise ConfigurationError("the system gemel reads token ids, and these features come without them")
    return content.ids, content.text.mask


def published() -> CausalVisionConfig:
    """The architecture of ``facebook/opt-125m`` beside the vision tower of ``openai/clip-vit-base-patch32``."""
    return CausalVisionConfig(OPTConfig(), CLIPVisionConfig())


SYSTEM = System(
    name="gemel",
    title="GEMEL",
    year=2024,
    citation="Shi, Xu, Hu, Zhang. Generative Multimodal Entity Linking. LREC-COLING 2024.",
    settings=GemelSettings,
    model=Gemel,
    reads=("text", "image"),
    encoder="facebook/opt-125m+openai/clip-vit-base-patch32",
    published=published,
    small=small_causal,
    group="generative",
)
