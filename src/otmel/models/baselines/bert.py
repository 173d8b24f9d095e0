"""BERT: a bi-encoder over the text alone, the row "BERT" of Table 1 (App. B).

``score(m, e) = ⟨W t_m, W t_e⟩`` with ``t`` the output embedding of [CLS] of Eq. 4, from the encoder of Devlin et al.,
BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019. The linear layer ``W`` is ours: with a frozen encoder
there would be nothing to train.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor
from transformers import BertConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.config import LinkerConfig
from otmel.models.one_vector import OneVector
from otmel.models.projection import entrance
from otmel.models.settings import SystemSettings
from otmel.models.systems import System
from otmel.types import Views


class BertSettings(SystemSettings):
    """Settings of the bi-encoder; none beyond those that every system has."""

    kind: Literal["bert"] = "bert"


class TextBiEncoder(OneVector):
    """One vector per text, one inner product per pair."""

    settings_class = BertSettings
    part = "T"

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        self.project = entrance(self.widths.text_cls, self.settings)
        self.post_init()

    def vector(self, views: Views, *, receives: bool) -> Float[Tensor, "B d"]:
        """``W t`` of one side; both sides alike."""
        return self.project(views.text.cls)


SYSTEM = System(
    name="bert",
    title="BERT",
    year=2019,
    citation="Devlin, Chang, Lee, Toutanova. BERT: Pre-training of Deep Bidirectional Transformers for Language "
    "Understanding. NAACL 2019.",
    settings=BertSettings,
    model=TextBiEncoder,
    reads=("text",),
    encoder="bert-base-uncased",
    published=BertConfig,
    group="text",
)
