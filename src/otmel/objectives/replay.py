"""Work that is done twice draws the same random numbers both times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Chance:
    """The state of the generators that dropout draws from.

    Attributes:
        device: where the work is done.
        cpu: the CPU's generator.
        cuda: the device's, where it is a CUDA device.
    """

    device: torch.device
    cpu: Tensor
    cuda: Tensor | None

    @staticmethod
    def now(device: torch.device) -> Chance:
        """What is drawn from next."""
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return Chance(device, torch.get_rng_state(), cuda)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw once more what was drawn from here on; afterwards the generators stand where they stood before."""
        with torch.random.fork_rng([] if self.cuda is None else [self.device]):
            torch.set_rng_state(self.cpu)
            if self.cuda is not None:
                torch.cuda.set_rng_state(self.cuda, self.device)
            yield
