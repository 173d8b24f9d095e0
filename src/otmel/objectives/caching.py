"""Gradient caching: the gradients of a large batch with the memory of a small piece of it.

Gao, Zhang, Han, Callan: Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, RepL4NLP 2021. Their
§3.2 has two sides of encoders; here a late term, whose plans are of every pair, stands between them and the loss:

1. Both sides are encoded piece by piece; the states are kept, not the graphs (their steps 1 and 2 begin here).
2. Scores of every pair are computed tile by tile from the states, and kept. The loss is a function of this small
   matrix: its gradient with respect to the scores is that of the whole batch.
3. Each tile is scored once more and given its part of that gradient, which arrives at the states and at the weights of
   the late terms.
4. Each piece is encoded once more and given the gradients of its states, which arrive at all other weights (step 3).

Dropout draws the same numbers both times. What a piece or a tile adds to the loss beside its scores (Eq. 28) is kept as
sums and counts (``Means``), so that its weight in the whole is known when its gradient is needed. The gradients are
those of a plain batch but for rounding; states and scores are all that grows with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from otmel.errors import ConfigurationError
from otmel.models.base import Encoded, Scores, Side, State
from otmel.models.model import LinkerModel
from otmel.objectives.gather import from_all, gathered_state, mean_over_processes, used_anywhere
from otmel.objectives.leaves import block, floats, gradients, joined, leaf, pull, slices
from otmel.objectives.replay import Chance
from otmel.objectives.total import Losses, TrainingBatch, losses_of
from otmel.ot.means import Means
from otmel.types import concatenate


@dataclass(frozen=True)
class Pieces:
    """How a batch is cut.

    Attributes:
        size: mentions, or entities, in a piece; a tile is a piece of each.
        arithmetic: the context that encoding and scoring run in, such as autocast's; entered anew for every piece, for
            what autocast has cast without a graph must not be taken for the same with one.
        together: whether all processes encode as many pieces as any of them, as weights in shards ask.
    """

    size: int
    arithmetic: Callable[[], AbstractContextManager[object]] = nullcontext
    together: bool = False


def check_pieces(model: LinkerModel) -> None:
    """Make sure that a system's loss can be computed in pieces.

    Raises:
        ConfigurationError: it has a second stage, or something in it depends on the whole batch.
    """
    why = None
    if model.second_stage:
        why = "has a second stage, which is trained on the hardest entities of a whole batch"
    elif not model.by_rows:
        why = "adds a loss of its own that is of a whole batch"
    elif type(model).forward is not LinkerModel.forward:
        why = "computes its training step in a way of its own"
    elif any(isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training for module in model.modules()):
        why = "has a BatchNorm, whose statistics are of a whole batch"
    if why is not None:
        raise ConfigurationError(
            f"the system {model.settings.kind!r} {why}: a batch in pieces would have other gradients",
            where="training.chunk",
            cure="--set training.chunk=null, and a training.batch_size that fits into memory",
        )


def cached_gradients(model: LinkerModel, batch: TrainingBatch, pieces: Pieces) -> Losses:
    """Eq. 29 on a batch, as ``total_loss`` gives it; its gradients are added to those of the weights.

    With several processes every mention meets the entities of all of them, and the gradients are this process's own:
    their mean over the processes is that of the whole (``gather.average_gradients``).

    Args:
        model: the model itself, not a wrapped one.
        batch: of this process.
        pieces: how the batch is cut.
    """
    entities = _Half(model, batch.entities, pieces, receives=True)
    mentions = _Half(model, batch.mentions, pieces, receives=False)
    tiles = _Tiles(model, mentions.chunks, entities.chunks, pieces)
    scores = tiles.scores
    auxiliary = Means.joined([entities.auxiliary, mentions.auxiliary, tiles.auxiliary])
    losses = losses_of(scores, batch, {} if auxiliary is None else {"KD": auxiliary})
    losses.total.backward()
    for one in (tiles, entities, mentions):
        one.backward()
    return Losses(losses.total.detach(), {name: term.detach() for name, term in losses.terms.items()})


class _Half:
    """One side of a batch.

    Attributes:
        auxiliary: what its pieces add to the loss.
        chunks: its state in pieces, with gradients to come; of an entity's side, those of all processes.
    """

    def __init__(self, model: LinkerModel, side: Side, pieces: Pieces, *, receives: bool) -> None:
        self.model, self.pieces, self.receives = model, pieces, receives
        self.sides, self.chances, made = [side[rows] for rows in slices(len(side), pieces.size)], [], []
        self.idle = max(from_all(len(self.sides))) - len(self.sides) if pieces.together else 0
        for one in self.sides:
            self.chances.append(Chance.now(model.device))
            made.append(self._encoded(one))
            made[-1] = Encoded(made[-1].state._map(Tensor.detach), _detached(made[-1].auxiliary))
        for _ in range(self.idle):
            self._idly()
        self.auxiliary = Means.added([one.auxiliary for one in made])
        self.own = leaf(concatenate([one.state for one in made]))
        self.met = gathered_state(self.own) if receives else self.own
        self.chunks = [leaf(self.met[rows]) for rows in slices(len(self.met), pieces.size)]

    def backward(self) -> None:
        """Steps 3 and 4: from the gradients of the chunks, of all processes, to the weights."""
        met, come = floats(self.met), gradients(self.chunks)
        pull(met, used_anywhere(met, come) if self.receives else come)
        whole, worth = [tensor.grad for tensor in floats(self.own)], _worth(self.auxiliary)
        for side, chance, rows in zip(self.sides, self.chances, slices(len(self.own), self.pieces.size), strict=True):
            with chance.again():
                encoded = self._encoded(side)
            own = [None if gradient is None else gradient[rows] for gradient in whole]
            pull([*floats(encoded.state), *_sums(encoded.auxiliary)], [*own, *worth])
        for _ in range(self.idle):
            encoded = self._idly()
            own = [None if gradient is None else torch.zeros_like(gradient[:1]) for gradient in whole]
            pull([*floats(encoded.state), *_sums(encoded.auxiliary)], [*own, *map(torch.zeros_like, worth)])

    def _idly(self) -> Encoded:
        """Encode along with a process that has more pieces: nothing is drawn, and nothing comes of it."""
        with Chance.now(self.model.device).again():
            return self._encoded(self.sides[0][:1])

    def _encoded(self, side: Side) -> Encoded:
        with self.pieces.arithmetic():
            return self.model.encode(side, receives=self.receives)


class _Tiles:
    """The scores of every pair, a tile at a time.

    Attributes:
        scores: of the whole batch, with gradients to come.
        auxiliary: what the tiles add to the loss.
    """

    def __init__(
        self, model: LinkerModel, mentions: Sequence[State], entities: Sequence[State], pieces: Pieces
    ) -> None:
        self.model, self.pieces = model, pieces
        self.pairs = [(mention, entity) for mention in mentions for entity in entities]
        self.chances: list[Chance] = []
        blocks, auxiliary = [], []
        for pair in self.pairs:
            self.chances.append(Chance.now(model.device))
            scores, loss = self._scored(pair)
            blocks.append(scores)
            auxiliary.append(_detached(loss))
        self.scores, self.auxiliary = joined(blocks, len(entities)), Means.added(auxiliary)

    def backward(self) -> None:
        """From the gradients of the scores to those of the states, and to the weights of the late terms."""
        worth, row, column = _worth(self.auxiliary), 0, 0
        for pair, chance in zip(self.pairs, self.chances, strict=True):
            with chance.again(), self.pieces.arithmetic():
                scores, loss = self.model.score_with_auxiliary(*pair)
            place = slice(row, row + len(pair[0])), slice(column, column + len(pair[1]))
            tensors, given = block(scores, self.scores, place)
            pull([*tensors, *_sums(loss)], [*given, *worth])
            column = place[1].stop
            if column == self.scores.total.shape[1]:
                row, column = place[0].stop, 0

    def _scored(self, pair: tuple[State, State]) -> tuple[Scores, Means | None]:
        with self.pieces.arithmetic():
            scores, loss = self.model.score_with_auxiliary(*pair)
        parts, share = ({name: one.detach() for name, one in of.items()} for of in (scores.parts, scores.share))
        return Scores(scores.total.detach(), parts, share), loss


def _detached(loss: Means | None) -> Means | None:
    return None if loss is None else Means(loss.sums.detach(), loss.counts)


def _sums(loss: Means | None) -> list[Tensor]:
    return [] if loss is None else [loss.sums]


def _worth(loss: Means | None) -> list[Tensor]:
    """The gradient of the whole loss with respect to the sums of each piece."""
    return [] if loss is None else [mean_over_processes(loss.counts).to(loss.sums.dtype).reciprocal()]
