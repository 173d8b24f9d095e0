"""BERT: a bi-encoder over the text alone, the row "BERT" of Table 1 (App. B).

``score(m, e) = ⟨W t_m, W t_e⟩`` with ``t`` the output embedding of [CLS] of Eq. 4, from the encoder of Devlin et al.,
BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019. The linear layer ``W`` is ours: with a frozen encoder
there would be nothing to train.
"""

from __future__ import annotations

from typing import Literal

from torch import nn
from transformers import BertConfig

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Encoded, Side, State
from otmel.models.composition import Part
from otmel.models.config import LinkerConfig
from otmel.models.model import LinkerModel
from otmel.models.settings import SystemSettings
from otmel.models.systems import System


class BertSettings(SystemSettings):
    """Settings of the bi-encoder; none beyond those that every system has."""

    kind: Literal["bert"] = "bert"


class TextBiEncoder(LinkerModel):
    """One vector per text, one inner product per pair."""

    settings_class = BertSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        norm = nn.LayerNorm(self.widths.text_cls) if self.settings.input_norm else nn.Identity()
        self.project = nn.Sequential(norm, nn.Linear(self.widths.text_cls, self.settings.hidden, self.settings.bias))
        self.post_init()

    @property
    def parts(self) -> tuple[Part, ...]:
        """One inner product."""
        return (Part("T", dense=1.0),)

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """``W t`` of one side; both sides alike."""
        views = self.views(side)
        names = side.names if self.name_weight is not None else None
        return Encoded(State({"T": self.project(views.text.cls)}, {}, views.image.present, names))


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
