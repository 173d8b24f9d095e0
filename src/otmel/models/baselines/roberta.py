"""RoBERTa: the bi-encoder of ``bert`` over another text encoder, the row "RoBERTa" of Table 1 (App. B).

``score(m, e) = ⟨W t_m, W t_e⟩`` as for BERT, with the encoder of Liu et al., RoBERTa: A Robustly Optimized BERT
Pretraining Approach, 2019.
"""

from __future__ import annotations

from typing import Literal

from transformers import PretrainedConfig, RobertaConfig

from otmel.models.baselines.bert import TextBiEncoder
from otmel.models.settings import SystemSettings
from otmel.models.systems import System


class RobertaSettings(SystemSettings):
    """Settings of the bi-encoder; none beyond those that every system has."""

    kind: Literal["roberta"] = "roberta"


class Roberta(TextBiEncoder):
    """``TextBiEncoder`` under RoBERTa's name."""

    settings_class = RobertaSettings


def published() -> PretrainedConfig:
    """The architecture of ``roberta-base``."""
    return RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)


SYSTEM = System(
    name="roberta",
    title="RoBERTa",
    year=2019,
    citation="Liu, Ott, Goyal, Du, Joshi, Chen, Levy, Lewis, Zettlemoyer, Stoyanov. RoBERTa: A Robustly Optimized BERT "
    "Pretraining Approach. 2019.",
    settings=RobertaSettings,
    model=Roberta,
    reads=("text",),
    encoder="roberta-base",
    published=published,
    group="text",
)
