"""Numbers that stay finite in every precision, float16 included."""

from __future__ import annotations

import torch
from torch import Tensor


def promoted(tensor: Tensor) -> Tensor:
    """Half precision as float32; everything else as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def far(dtype: torch.dtype) -> float:
    """A score that no softmax and no maximum notices, yet finite, so that an empty set gives zeros and not NaN."""
    return max(-1e9, torch.finfo(dtype).min / 2)
