"""The mentions' side of a search, prepared once for all segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Float
from scipy import sparse
from torch import Tensor

from otmel.kernels import Senders
from otmel.models.base import State
from otmel.models.composition import Composition


@dataclass(frozen=True, eq=False)
class Askers:
    """``M`` mentions.

    Attributes:
        dense: part → their vectors, float32.
        senders: part → the tokens they send.
        has_image: which have an image.
        words: their names over n-grams, for the part N.
    """

    dense: Mapping[str, Float[Tensor, "M d"]]
    senders: Mapping[str, Senders]
    has_image: Bool[Tensor, " M"]
    words: sparse.csr_matrix | None

    @staticmethod
    def of(mentions: State, composition: Composition) -> Askers:
        """The mentions of a state."""
        dense = {
            part.name: mentions.dense[part.name].detach().float().cpu() for part in composition.parts if part.dense
        }
        senders = {}
        for part in composition.late:
            late = mentions.late[part.name]
            assert late.values is not None
            tokens, values = late.tokens.detach().float().cpu(), late.values.detach().float().cpu()
            senders[part.name] = Senders.of(tokens, values, late.mask.cpu())
        words = None
        if composition.name_weight is not None and mentions.names is not None:
            words, _ = mentions.names.table.rows(mentions.names.index.cpu().numpy())
        return Askers(dense, senders, mentions.has_image.cpu(), words)

    def __len__(self) -> int:
        return len(self.has_image)

    def __getitem__(self, rows: slice | Tensor) -> Askers:
        """Some of the mentions."""
        words = None if self.words is None else self.words[rows.numpy() if isinstance(rows, Tensor) else rows]
        return Askers(
            {part: vectors[rows] for part, vectors in self.dense.items()},
            {part: senders[rows] for part, senders in self.senders.items()},
            self.has_image[rows],
            None if words is None else sparse.csr_matrix(words),
        )
