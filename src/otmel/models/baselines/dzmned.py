"""DZMNED: words, characters and the image of a mention under modality attention (Table 1, App. B).

Moon, Neves, Carvalho: Multimodal Named Entity Disambiguation for Noisy Social Media Posts, ACL 2018. Three vectors,

    x_w = BiLSTM(words),   x_c = BiLSTM(characters of the name),   x_v = LN(v),

``v`` being the output embedding of the image's [CLS] (Eq. 5), are weighed by attention over the modalities, in the form
in which Moon, Neves, Carvalho: Multimodal Named Entity Recognition for Short Social Media Posts, NAACL 2018, give it:

    [a_w; a_c; a_v] = σ(W [x_w; x_c; x_v] + b),   α = softmax(a),   x̄ = Σ_k α_k P_k x_k
    score(m, e) = ½ (⟨x̄_m, x̄_e⟩ + ⟨L x_c,m, L x_c,e⟩)

The second product is the likeness of the names, beside which the paper, too, ranks. Where the image is missing, the
softmax is over the two others. A name's characters are the bytes of the first tokens, for Eq. 4 writes the name first.

What differs: the paper scores against knowledge graph embeddings, which an entity has only if it was in the graph when
they were trained; here every system must rank a graph it has never seen, so entities are encoded as mentions are. Word
embeddings are trained with the rest rather than GloVe's, characters too rather than beforehand on edit distances (its
"Deep Levenshtein"); the image features are the encoder's, not Inception's; the loss is Eq. 26–27, on both products as
theirs is, and not a hinge. Its text was not at hand beyond its abstract and a figure: widths and depths are choices of
ours. The encoder's text tower is not read but for its token ids.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from otmel.encoders import TwoTowerEncoder
from otmel.errors import ConfigurationError
from otmel.inputs import InputProcessor
from otmel.models.base import Encoded, Side
from otmel.models.baselines.parts import bert_and_vit
from otmel.models.baselines.token_ids import Recurrent, TokenSettings, token_ids, vocabulary
from otmel.models.composition import Part
from otmel.models.config import LinkerConfig
from otmel.models.model import LinkerModel
from otmel.models.systems import System

CHARACTERS_PER_TOKEN = 12
"""Bytes of a token that are read; tokens are seldom longer."""


class DzmnedSettings(TokenSettings):
    """Settings of DZMNED.

    Attributes:
        hidden: must be even: half of it for each direction.
        name_tokens: tokens at a text's beginning, special ones included, whose characters are read.
    """

    kind: Literal["dzmned"] = "dzmned"
    hidden: int = Field(default=96, ge=2, multiple_of=2)
    name_tokens: int = Field(default=8, ge=1)


class Dzmned(LinkerModel):
    """Two inner products per pair: of what modality attention gathers, and of the names' characters."""

    settings_class = DzmnedSettings
    settings: DzmnedSettings
    characters: Int[Tensor, "V C"]

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        width, settings = self.settings.hidden, self.settings
        tokens, channels = vocabulary(settings, self.encoder), self.widths.image_cls
        self.register_buffer("characters", torch.zeros(tokens, CHARACTERS_PER_TOKEN, dtype=torch.int16))
        self.words, self.spelling = Recurrent(tokens, width), Recurrent(257, width)
        self.norm = nn.LayerNorm(channels) if settings.input_norm else nn.Identity()
        self.attention = nn.Linear(2 * width + channels, 3)
        self.project = nn.ModuleList(nn.Linear(size, width, settings.bias) for size in (width, width, channels))
        self.lexical = nn.Linear(width, width, settings.bias)
        self.post_init()

    def prepare(self, processor: InputProcessor) -> None:
        """Take note of every token's characters."""
        self.characters.copy_(spelled(processor, *self.characters.shape))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Two inner products."""
        return Part("F", dense=1.0), Part("T", dense=1.0)

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """``x̄`` and ``L x_c`` of one side; both sides alike."""
        views = self.views(side)
        ids, mask, present = token_ids(views, self.settings), views.text.mask, views.image.present
        word, spelling = self.words(ids, mask), self._spelling(ids, mask)
        image = self.norm(views.image.cls).masked_fill(~present.unsqueeze(1), 0)
        gathered = self.gathered((word, spelling, image), present)
        return Encoded(self.state(side, views, {"F": gathered, "T": self.lexical(spelling)}))

    def gathered(self, modalities: tuple[Tensor, Tensor, Tensor], present: Bool[Tensor, " B"]) -> Float[Tensor, "B d"]:
        """``x̄``: modality attention over words, characters and image."""
        weights = self.attention(torch.cat(modalities, 1)).sigmoid()
        there = torch.stack([torch.ones_like(present), torch.ones_like(present), present], 1)
        weights = weights.masked_fill(~there, -torch.inf).softmax(1)
        seen = [project(one) for project, one in zip(self.project, modalities, strict=True)]
        return (weights.unsqueeze(2) * torch.stack(seen, 1)).sum(1)

    def _spelling(self, ids: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B d"]:
        if not self.characters.any():
            problem = "dzmned does not know its tokens' characters"
            raise ConfigurationError(problem, cure="call prepare(processor) on a new model, as training does")
        first = slice(self.settings.name_tokens)
        bytes_of = self.characters[ids[:, first].masked_fill(~mask[:, first], 0)].long()
        shown = (bytes_of > 0) & mask[:, first].unsqueeze(2)
        return self.spelling(bytes_of.flatten(1), shown.flatten(1))


def spelled(processor: InputProcessor, tokens: int, length: int) -> Int[Tensor, "V C"]:
    """One more than each byte of each token's text, zeros behind it; special tokens have none."""
    tokenizer = processor.tokenizer
    known, special = range(min(tokens, len(tokenizer))), set(tokenizer.all_special_ids)
    table = torch.zeros(tokens, length, dtype=torch.int16)
    for row in known:
        if row not in special:
            text = str(tokenizer.decode([row])).strip().removeprefix("##").encode()[:length]
            table[row, : len(text)] = torch.tensor([1 + byte for byte in text], dtype=torch.int16)
    return table


SYSTEM = System(
    name="dzmned",
    title="DZMNED",
    year=2018,
    citation="Moon, Neves, Carvalho. Multimodal Named Entity Disambiguation for Noisy Social Media Posts. ACL 2018.",
    settings=DzmnedSettings,
    model=Dzmned,
    reads=("text", "image"),
    encoder="bert-base-uncased+google/vit-base-patch16-224",
    published=bert_and_vit,
)
