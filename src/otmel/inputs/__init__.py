"""Records as batches: wording (Eq. 4), pixels (Eq. 5), masks for padding and missing images."""

from otmel.inputs.processor import InputProcessor
from otmel.inputs.settings import InputSettings

__all__ = ["InputProcessor", "InputSettings"]
