"""Pretrained encoders: batches to elements of text and image."""

from otmel.encoders.loading import build_encoder, load_encoder, own_memory, save_encoder, wrapped
from otmel.encoders.towers import Cls, TwoTowerEncoder, Widths

__all__ = ["Cls", "TwoTowerEncoder", "Widths", "build_encoder", "load_encoder", "own_memory", "save_encoder", "wrapped"]
