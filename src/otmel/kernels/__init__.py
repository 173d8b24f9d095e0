"""Scoring kernels: one definition of a late term, and several ways to compute it fast."""

from otmel.kernels.formula import Affine, Formula
from otmel.kernels.layout import LANES, LaneBlocks, Packed, Precision, Senders, pack
from otmel.kernels.registry import Arithmetic, Kernel, Scoring, explained, kernels, select
from otmel.kernels.workers import Workers, default_threads

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
    "Workers",
    "default_threads",
    "explained",
    "kernels",
    "pack",
    "select",
]
