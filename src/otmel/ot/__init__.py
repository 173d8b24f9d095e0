"""Correlation assignment by optimal transport and by attention. Knows nothing of mentions and entities."""

from otmel.ot.assignment import Assignment, Attention, Distilled, Transport
from otmel.ot.correlation import Correlation, Shape
from otmel.ot.cost import Marginals, Sides, cosine_cost
from otmel.ot.divergence import Divergence, MeanSquared, RowKL, SymmetricKL
from otmel.ot.pool import LearnedPool, MaxPool, MeanPool, Pool, SoftPool
from otmel.ot.transport import Plan, Problem, Sinkhorn, solve

__all__ = [
    "Assignment",
    "Attention",
    "Correlation",
    "Distilled",
    "Divergence",
    "LearnedPool",
    "Marginals",
    "MaxPool",
    "MeanPool",
    "MeanSquared",
    "Plan",
    "Pool",
    "Problem",
    "RowKL",
    "Shape",
    "Sides",
    "Sinkhorn",
    "SoftPool",
    "SymmetricKL",
    "Transport",
    "cosine_cost",
    "solve",
]
