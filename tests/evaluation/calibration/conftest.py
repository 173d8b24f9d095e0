"""Ranked mentions drawn from a known source."""

from __future__ import annotations

import numpy as np

from otmel.evaluation.calibration.ranked import Ranked, softmax


def drawn(mentions: int, seed: int = 0, temperature: float = 2.0, k: int = 6) -> Ranked:
    """Mentions whose best entity is right with exactly the probability ``softmax(s / T)`` gives it."""
    random = np.random.default_rng(seed)
    scores = -np.sort(-random.normal(0, 3, (mentions, k)), axis=1)
    right = random.random(mentions) < softmax(scores, temperature)[:, 0]
    return Ranked(scores, right, ~right & (random.random(mentions) < 0.5))
