"""Where models compute: one rule for training, indexing, linking, evaluation and service alike."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def device() -> torch.device:
    """CUDA where torch sees such a device, of several processes each its own; else the CPU.

    Who wants the CPU hides the others from torch: ``CUDA_VISIBLE_DEVICES=""``.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def placed(model: M) -> M:
    """``model`` on that device."""
    nn.Module.to(model, device())
    return model
