"""Token ids and pixels of several items as one ``Batch``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otmel.types import Batch


def collate(
    ids: Sequence[Sequence[int]], pad: int, pixels: Float[Tensor, "B 3 H W"], has_image: Bool[Tensor, " B"]
) -> Batch:
    """One batch; texts are padded with ``pad`` to the longest, and the mask is ``True`` where there is text."""
    length = max((len(row) for row in ids), default=0)
    input_ids = torch.full((len(ids), length), pad, dtype=torch.long)
    mask = torch.zeros(len(ids), length, dtype=torch.bool)
    for place, row in enumerate(ids):
        input_ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = True
    return Batch(input_ids=input_ids, attention_mask=mask, pixels=pixels, has_image=has_image)
