"""To come."""

from __future__ import annotations

from otmel.reproduction.collected import Collected
from otmel.reproduction.jobs import Say
from otmel.reproduction.part import Part


def entropy(found: Collected, say: Say) -> Part:
    """To come."""
    raise NotImplementedError
