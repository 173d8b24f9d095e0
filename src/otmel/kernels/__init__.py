"""Scoring kernels: one definition of a late term, and several ways to compute it fast."""

from otmel.kernels.formula import Affine, Formula
from otmel.kernels.layout import LANES, LaneBlocks, Packed, Precision, Senders, pack
from otmel.kernels.registry import Arithmetic, Kernel, Scoring, explained, kernels, select

__all__ = [
    "LANES",
    "Affine",
    "Arithmetic",
    "Formula",
    "Kernel",
    "LaneBlocks",
    "Packed",
    "Precision",
    "Scoring",
    "Senders",
    "explained",
    "kernels",
    "pack",
    "select",
]
