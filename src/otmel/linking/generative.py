"""Linking by writing the name: a causal language model decodes over a trie of all entity names (GENRE, GEMEL).

Decoding is a beam search of transformers that may write nothing but names of the graph; it sees no candidates and no
index. A name that several entities share is one leaf, and which of them is meant the search cannot say (App. G).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.encoders.causal_text import names_of
from otmel.errors import CheckpointError
from otmel.inputs import InputProcessor
from otmel.linking.name_trie import NameTrie
from otmel.models.base import Side
from otmel.models.baselines.gemel import Gemel
from otmel.models.bundle import Bundle
from otmel.progress import Advance

AT_ONCE = 16
"""Mentions that are decoded together."""


@dataclass(frozen=True)
class WrittenName:
    """A name that was written for a mention.

    Attributes:
        name: as the graph has it, of the first entity that bears it.
        log_probability: of the whole name, its end included.
        tokens: how many tokens that is.
        rows: graph rows of all entities that share it.
    """

    name: str
    log_probability: float
    tokens: int
    rows: tuple[int, ...]

    @property
    def score(self) -> float:
        """Log-probability per token, by which names are ranked."""
        return self.log_probability / self.tokens


@dataclass(frozen=True)
class Writer:
    """What writes names: a trained model, its processor, a graph and the trie of its names."""

    model: Gemel
    processor: InputProcessor
    graph: KnowledgeGraph
    trie: NameTrie

    @classmethod
    def of(cls, bundle: Bundle, graph: KnowledgeGraph) -> Writer:
        """The writer of a run over a graph. Raises ``CheckpointError`` where the run's system writes no names."""
        model, processor = bundle.model, bundle.processor
        if not isinstance(model, Gemel) or processor is None:
            problem = f"the run's system {model.settings.kind!r} writes no names"
            raise CheckpointError(problem, cure="train one that does: otmel train DATA --system gemel --encoder …")
        return cls(model.eval(), processor, graph, trie_of(model, processor, graph))

    @torch.no_grad()
    def write(
        self, mentions: Sequence[Mention], beams: int, advance: Advance | None = None
    ) -> Iterator[list[WrittenName]]:
        """The ``beams`` likeliest names that the search finds for each mention, likeliest first."""
        for start in range(0, len(mentions), AT_ONCE):
            some = mentions[start : start + AT_ONCE]
            width = max(beams, 2)  # one beam alone has no score
            sequences, scores = self._decoded(some, width)
            for own, worth in zip(sequences.split(width), scores.split(width), strict=True):
                yield self._named(own.tolist(), worth.tolist())[:beams]
            if advance is not None:
                advance(len(some))

    def _decoded(self, mentions: Sequence[Mention], beams: int) -> tuple[Tensor, Tensor]:
        batch = self.processor.mentions(mentions).to(self.model.device)
        prompts, encoder = self.model.prompts(Side(batch)), self.model.encoder
        encoder.check_length(prompts, self.trie.depth)
        options: dict[str, Any] = {"num_beams": beams, "num_return_sequences": beams, "max_new_tokens": self.trie.depth}
        written = encoder.text_tower.generate(  # pyright: ignore[reportCallIssue]
            inputs_embeds=prompts.embeddings,
            attention_mask=prompts.mask.long(),
            prefix_allowed_tokens_fn=self._allowed(encoder.separator),
            eos_token_id=encoder.separator,
            pad_token_id=encoder.separator,
            do_sample=False,
            length_penalty=1.0,
            early_stopping="never",  # a long name may still overtake a short one, for both are judged by the token
            return_dict_in_generate=True,
            output_scores=True,
            **options,
        )
        return written.sequences, written.sequences_scores

    def _allowed(self, end: int) -> Callable[[int, Tensor], list[int]]:
        """What may follow; where nothing can, on beams of probability zero, an end that ``_named`` leaves out."""
        return lambda _, written: self.trie.after(written.tolist()) or [end]

    def _named(self, sequences: list[list[int]], scores: list[float]) -> list[WrittenName]:
        """Beams as names; with more beams than names, the surplus ones are none."""
        found: dict[tuple[int, ...], WrittenName] = {}
        end = self.model.encoder.separator
        for sequence, score in zip(sequences, scores, strict=True):
            tokens = sequence[: sequence.index(end) + 1] if end in sequence else sequence
            rows = self.trie.rows(tokens)
            if rows and rows not in found:
                found[rows] = WrittenName(self.graph[rows[0]].name, score * len(tokens), len(tokens), rows)
        return sorted(found.values(), key=lambda one: -one.score)


def trie_of(model: Gemel, processor: InputProcessor, graph: KnowledgeGraph) -> NameTrie:
    """The trie of a graph's names, tokenised and cut as those of its entities are wherever the model reads them."""
    return NameTrie(_tokens(model, processor, graph))


def _tokens(model: Gemel, processor: InputProcessor, graph: KnowledgeGraph) -> Iterator[list[int]]:
    for entities in graph.batches(images=False):
        batch = processor.texts([(entity.name, "") for entity in entities])
        names = names_of(batch.input_ids, batch.attention_mask, model.encoder.separator)
        yield from ([token for token in name if token >= 0] for name in names.tolist())


def generate_links(
    bundle: Bundle, graph: KnowledgeGraph, mentions: Sequence[Mention], k: int
) -> list[list[WrittenName]]:
    """The ``k`` likeliest names for each mention, each with all entities that share it.

    Raises:
        CheckpointError: the run's system writes no names.
        ConfigurationError: a prompt and the longest name are more than the language model reads.
    """
    return list(Writer.of(bundle, graph).write(mentions, k))
