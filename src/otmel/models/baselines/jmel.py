"""JMEL: unigrams, bigrams and BERT's summary beside the image, joined by a dense layer (Table 1, App. B).

Adjali, Besançon, Ferret, Le Borgne, Grau: Multimodal Entity Linking for Tweets, ECIR 2020, their model of a joint
representation of mentions and entities from text and image. ``i_1 … i_L`` are a text's token ids:

    u = mean_j U[i_j],   b = mean_j B[h(i_j, i_{j+1})],   z = [u; b; LN(t); LN(v)],   f = tanh(W z)
    score(m, e) = ⟨f_m, f_e⟩

with learned tables ``U`` and ``B``, ``t`` and ``v`` the output embeddings of [CLS] of text (Eq. 4) and image (Eq. 5),
``v = 0`` where the image is missing, and ``h`` a hash, for bigrams share ``buckets`` rows of ``B``.

What differs: the paper takes n-gram embeddings pretrained on tweets and Inception's image features; here the tables are
trained with the rest, BERT joins them as our paper says, and the image features are the encoder's. The paper minimises
a triplet loss, and gives what it learns to a classifier beside popularity and BM25; here the loss is Eq. 26–27, and the
inner product ranks. Its text was not at hand beyond abstract and introduction: ``tanh``, the hash and one dense layer
for all are choices of ours. Both sides are encoded alike.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from otmel.encoders import TwoTowerEncoder
from otmel.models.baselines.parts import bert_and_vit
from otmel.models.baselines.token_ids import TokenSettings, embedded_mean, token_ids, vocabulary
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.systems import System
from otmel.types import Views

FACTOR = 2_654_435_761
"""Of the hash: the prime next to 2³² over the golden ratio."""


class JmelSettings(TokenSettings):
    """Settings of JMEL.

    Attributes:
        buckets: rows of the table of bigrams.
    """

    kind: Literal["jmel"] = "jmel"
    buckets: int = Field(default=2**15, ge=1)


def bigrams(ids: Int[Tensor, "B L"], buckets: int) -> Int[Tensor, "B K"]:
    """The bucket of each pair of neighbours, ``K = L − 1``; which pairs count, the mask says."""
    return (ids[:, :-1] * FACTOR + ids[:, 1:]) % buckets


class Jmel(OneVector):
    """One vector per side from n-grams, summary and image, one inner product per pair."""

    settings_class = JmelSettings
    settings: JmelSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        width, settings = self.settings.hidden, self.settings
        self.unigrams = nn.Embedding(vocabulary(settings, self.encoder), width)
        self.bigrams = nn.Embedding(settings.buckets, width)
        channels = {"T": self.widths.text_cls, "V": self.widths.image_cls}
        self.norms = nn.ModuleDict(
            {part: nn.LayerNorm(size) if settings.input_norm else nn.Identity() for part, size in channels.items()}
        )
        self.join = nn.Linear(2 * width + sum(channels.values()), width, settings.bias)
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``f`` of one side; both sides alike."""
        image = self.norms["V"](views.image.cls).masked_fill(~views.image.present.unsqueeze(1), 0)
        joined = torch.cat([*self.n_grams(views), self.norms["T"](views.text.cls), image], 1)
        return self.join(joined).tanh()

    def n_grams(self, views: Views) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]:
        """``u`` and ``b``; ``b`` is zero for a text of one token."""
        ids, mask = token_ids(views, self.settings), views.text.mask
        pairs: Bool[Tensor, "B K"] = mask[:, :-1] & mask[:, 1:]
        buckets = bigrams(ids, self.settings.buckets)
        return embedded_mean(self.unigrams, ids, mask), embedded_mean(self.bigrams, buckets, pairs)


SYSTEM = System(
    name="jmel",
    title="JMEL",
    year=2020,
    citation="Adjali, Besançon, Ferret, Le Borgne, Grau. Multimodal Entity Linking for Tweets. ECIR 2020.",
    settings=JmelSettings,
    model=Jmel,
    reads=("text", "image"),
    encoder="bert-base-uncased+google/vit-base-patch16-224",
    published=bert_and_vit,
)
