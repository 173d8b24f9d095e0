"""``Linker``: a trained run over a graph whose entities are encoded once; every mention meets all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.errors import CheckpointError
from otmel.index.answers import Query
from otmel.index.encode import Encoding, encoded_alike
from otmel.index.expected import Expected
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage, answered
from otmel.index.source import inputs_hash
from otmel.index.store import StoredIndex, open_index
from otmel.inputs import InputProcessor
from otmel.linking.confidence import Calibration, Judgement, judged, read_calibration, remark
from otmel.linking.explain import explained
from otmel.linking.explanation import Explanation
from otmel.linking.link import Link
from otmel.linking.mentions import note_unseen, place_of, prepared
from otmel.linking.ranking import by_parts, by_scores, own_candidates
from otmel.linking.settings import LinkSettings, Options
from otmel.linking.sharing import Sharing
from otmel.models.base import State
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.tables import Table, entity_table, mention_table
from otmel.progress import progress
from otmel.remote import RUN, Place, local

if TYPE_CHECKING:
    from otmel.linking.follow import Recent

BATCH = 32
WORTH_A_BAR = 8 * BATCH
"""Mentions above which one call shows its progress; who links a stream in smaller pieces shows its own."""


class Linker:
    """Links mentions to the entities of a graph by exact search.

    Args:
        bundle: the trained model with its processor.
        graph: the entities; without an index they are encoded here, once.
        model_hash: what to call the weights in answers.
        index: the entities of this graph as this model encodes them (``otmel index build``).
        settings: how to search.

    Attributes:
        findings: what was odd about the mentions so far, counted.
        calibration: how sure its links are (``otmel calibrate``); ``None`` where the run is not calibrated.

    Raises:
        CheckpointError: the model was trained on ready features and cannot read text and images.
    """

    def __init__(
        self,
        bundle: Bundle,
        graph: KnowledgeGraph,
        model_hash: str = "",
        index: StoredIndex | None = None,
        settings: LinkSettings | None = None,
    ) -> None:
        if bundle.processor is None:
            raise CheckpointError(
                "the run was trained on ready features: it cannot read text and images",
                cure="link with a run that has an encoder (otmel train DATA --encoder …)",
            )
        self.bundle, self.graph, self.model_hash = bundle, graph, model_hash
        self.processor: InputProcessor = bundle.processor
        self.findings = Findings()
        self.calibration: Calibration | None = None
        self.recent: Recent | None = None
        self.settings = settings or LinkSettings()
        composition = bundle.model.composition()
        if index is not None:
            self.index = index.index(composition, self.settings.index)
        elif len(graph):
            self.index = EntityIndex.of(self._encoded(), composition, settings=self.settings.index)
        else:
            self.index = EntityIndex(composition, [], self.settings.index)

    @classmethod
    def load(
        cls,
        run: Place,
        graph: KnowledgeGraph | Place,
        index: Place | None = None,
        settings: LinkSettings | None = None,
    ) -> Linker:
        """The linker of a run folder over a graph, or over the graph in a folder or file.

        Args:
            run: the run folder. All three may be addresses, such as ``s3://…``.
            graph: the graph, or where it is.
            index: the folder of its index; without one, the entities are encoded in memory.
            settings: how to search.

        Raises:
            CheckpointError: the run is incomplete or broken, or reads no text; the index is broken, or belongs to
                another model or graph; the calibration is broken, or belongs to other weights.
            DataError: the graph cannot be read.
        """
        run = local(run, RUN)
        bundle, model = Bundle.load(run), weights_hash(run)
        calibration = read_calibration(run, model)
        if not isinstance(graph, KnowledgeGraph):
            graph = KnowledgeGraph.open(graph)
        stored = None
        if index is not None:
            stored = open_index(index, Expected(model=model, inputs=inputs_hash(run), graph=graph.snapshot))
        linker = cls(bundle, graph, model, stored, settings)
        linker.calibration = calibration
        return linker

    @property
    def sees(self) -> bool:
        """Whether the model reads images."""
        return self.processor.image_processor is not None

    @property
    def remark(self) -> str | None:
        """What is to be known of all its links: that they are calibrated on another graph."""
        return remark(self.calibration, self.graph)

    def sought(self, k: int) -> int:
        """How many best entities are searched for where ``k`` are asked for.

        A margin needs two, a probability as many as the calibration reads.
        """
        return max(k, 2, 0 if self.calibration is None else self.calibration.k)

    def link(
        self,
        mentions: Mention | Sequence[Mention],
        k: int = 5,
        *,
        image_root: str | Path | None = None,
        given_candidates: bool = False,
        places: Sequence[str] | None = None,
    ) -> list[Link]:
        """The ``k`` best entities of every mention, in the order of the mentions.

        An image that several of the mentions share is opened once, and read by the vision tower once.

        Args:
            mentions: one or more mentions. Text and image may be missing, or the image broken: what is there is used,
                and the link's ``notes`` say what is not.
            k: how many entities to return.
            image_root: the folder that image paths are relative to and may not leave; without it, paths are taken as
                they are.
            given_candidates: choose among a mention's own candidates where it has any, not in the whole graph.
            places: what to call the mentions in errors and findings, such as a file's lines; by default their numbers.

        Raises:
            DataError: a mention has neither words nor an image; nothing was linked then.
            ValueError: ``k`` is less than one.
        """
        if k < 1:
            raise ValueError(f"k = {k}: at least one entity must be asked for")
        options = Options(k, None if image_root is None else Path(image_root), given_candidates)
        sharing = Sharing.of(self.bundle.model, self.processor)
        listed = [mentions] if isinstance(mentions, Mention) else list(mentions)
        found = [Findings() for _ in listed]
        places = list(places or map(place_of, listed, range(len(listed))))
        ready = [prepared(m, p, options.image_root, f) for m, p, f in zip(listed, places, found, strict=True)]
        links: list[Link] = []
        bar = progress("linking", len(ready)) if len(ready) > WORTH_A_BAR else nullcontext(lambda done: None)
        with bar as advance:
            for start in range(0, len(ready), BATCH):
                rows = slice(start, start + BATCH)
                links += self._linked(ready[rows], places[rows], found[rows], (options, sharing))
                advance(len(ready[rows]))
        for one in found:
            self.findings.merge(one)
        return links

    def at(self, graph: KnowledgeGraph) -> Linker:
        """The same linker over another snapshot of its graph: only what changed is encoded; this one goes on as it is.

        It answers as one that is made anew does, to the last bit.
        """
        from otmel.linking.follow import followed

        return followed(self, graph)

    def explain(self, mention: Mention, entity_id: str | None = None, k: int = 1) -> Explanation:
        """Why a mention gets its score with an entity.

        Args:
            mention: the mention.
            entity_id: the entity; without it, the ``k``-th best one.
            k: 1 is the best entity, 2 the second …

        Raises:
            DataError: there is no such entity, or the mention has neither words nor an image.
        """
        findings = Findings()
        mention = prepared(mention, place_of(mention, 0), None, findings)
        if entity_id is None:
            entity_id = self.link(mention, k)[0].candidates[-1].id
        entity = self.graph.entity(entity_id)
        note_unseen(mention, place_of(mention, 0), findings, sees=self.sees)
        origin = {"model": self.model_hash, "graph": self.graph.snapshot, "notes": tuple(findings.counts)}
        return explained(replace(self.bundle, processor=self.processor.shared()), mention, entity, origin)

    @torch.no_grad()
    def _linked(
        self, mentions: list[Mention], places: list[str], found: list[Findings], how: tuple[Options, Sharing]
    ) -> list[Link]:
        options, sharing = how
        table = mention_table(mentions, sharing.processor, self.bundle.vectorizer)
        states = encoded_alike(sharing.encoding, table)
        for mention, place, one, seen in zip(mentions, places, found, states.has_image.tolist(), strict=True):
            if not seen:
                sharing.note_unseen(mention, place, one, sees=self.sees)
        query = Query(self.sought(options.k), method=self.settings.method)
        second = SecondStage.of(self.bundle.model, table, self._entities) if self.bundle.model.second_stage else None
        answers = list(answered(partial(self.index.search, states), query, second))
        own = [bool(options.given_candidates and mention.candidates) for mention in mentions]
        rows = [
            own_candidates(self.graph, mention) if by_own else answer.rows.tolist()
            for mention, by_own, answer in zip(mentions, own, answers, strict=True)
        ]
        if second is None:
            ranked = by_parts(self.index, self.graph, states, rows)
        else:
            scores = [
                second.scores(row, np.array(rows[row], dtype=np.int64)) if own[row] else answer.scores
                for row, answer in enumerate(answers)
            ]
            ranked = [by_scores(self.graph, *both) for both in zip(rows, scores, strict=True)]
        links = []
        for row, (mention, answer) in enumerate(zip(mentions, answers, strict=True)):
            judgement = judged(ranked[row], None if own[row] else self.calibration)
            link = self._link(mention, judgement, found[row], options.k)
            links.append(link if own[row] else replace(link, certificate=answer.certificate))
        return links

    @cached_property
    def _entities(self) -> Table:
        return entity_table(self.graph, self.processor, self.bundle.vectorizer)

    def _encoded(self) -> State:
        with progress("encoding entities", len(self._entities)) as advance:
            return encoded_alike(Encoding.entities(self.bundle.model), self._entities, advance=advance)

    def _link(self, mention: Mention, judgement: Judgement, findings: Findings, k: int) -> Link:
        first, second = (*judgement.candidates, None, None)[:2]
        return Link(
            mention=mention,
            entity=None if first is None else self.graph.entity(first.id),
            candidates=judgement.candidates[:k],
            margin=None if first is None or second is None else first.score - second.score,
            notes=tuple(findings.counts),
            model=self.model_hash,
            graph=self.graph.snapshot,
            linker=self,
            probability=judgement.probability,
            nil=judgement.nil,
        )
