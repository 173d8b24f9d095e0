"""Contrastive pretraining for data without pretrained weights: a BPE and a small CLIP, or a vision tower alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.progress import tracked
from otmel.encoders.contrast import Retrieval, retrieval
from otmel.encoders.corpus import Corpus, read_corpus
from otmel.encoders.learners import Learner, make_learner
from otmel.encoders.loading import save_encoder
from otmel.encoders.pretrain_state import Progress
from otmel.encoders.pretrain_step import train_step
from otmel.encoders.settings import PretrainSettings
from otmel.errors import StorageError
from otmel.remote.told import told
from otmel.storage import atomic_folder, atomic_write_json

REPORT, LOG, CAPTIONS = "pretrain_report.json", "pretrain_log.jsonl", "captions.jsonl"
LOG_EVERY = 10
RETRIEVAL_MOST = 2000


@dataclass(frozen=True)
class PretrainReport:
    """What ``pretrain`` did; saved as ``pretrain_report.json``.

    Attributes:
        folder: where the encoder is.
        steps: optimiser steps in all.
        resumed_from: the step at which an unfinished run was taken up; 0 for none.
        seconds: wall-clock time of this call.
        loss: mean over the last steps.
        parameters: trained parameters.
        vocabulary: tokens of the tokenizer.
        texts: texts read.
        images: images read.
        entities: how often an entity's text finds its image among those of all entities (at most 2,000).
        held_out: the same for captions that were not trained on; ``None`` without captions.
        findings: what could not be used, by kind.
    """

    folder: str
    steps: int
    resumed_from: int
    seconds: float
    loss: float
    parameters: int
    vocabulary: int
    texts: int
    images: int
    entities: Retrieval | None
    held_out: Retrieval | None
    findings: dict[str, int]


def pretrain(
    data: Dataset | KnowledgeGraph, settings: PretrainSettings, out: str | Path, captions: str | Path | None = None
) -> PretrainReport:
    """Train an encoder on the data's own texts and images and save it where ``load_encoder(out)`` finds it.

    The unfinished state is kept in ``<out>.unfinished``; the same call takes it up again after Ctrl-C or a kill and
    ends in the same weights, bit for bit (same machine and number of threads).

    Args:
        data: a data set, of whose mentions only the training ones are read, or a graph alone.
        settings: see ``PretrainSettings``.
        out: the folder to write; an earlier result there is replaced.
        captions: a JSONL file of ``{"text", "image"}``; by default the data set's own ``captions.jsonl``, if any.

    Raises:
        DataError: nothing to learn from, or a broken caption file.
        TrainingError: the loss is no longer finite.
        StorageError: the disk refused, or ``out`` holds something else.
    """
    started, out = time.monotonic(), Path(out)
    _refuse_foreign(out)
    dataset = Dataset("graph", data, {}) if isinstance(data, KnowledgeGraph) else data
    corpus = read_corpus(dataset, settings, _captions_of(dataset, captions))
    learner = make_learner(corpus, settings)
    optimizer = torch.optim.AdamW(learner.parameters, lr=0.0, weight_decay=settings.weight_decay)
    unfinished = out.with_name(out.name + ".unfinished")
    progress = Progress(unfinished, learner.parameters, optimizer, _fingerprint(corpus, settings))
    resumed = progress.restore()
    _train(learner, corpus, settings, progress, resumed)
    report = _report(learner, corpus, settings, progress, (told(str(out)), resumed, time.monotonic() - started))
    with atomic_folder(out) as folder:
        save_encoder(learner.encoder, learner.processor, folder)
        shutil.copy(progress.log, folder / LOG)
        record = {"format": "otmel pretraining 1", "settings": settings.model_dump(mode="json"), **asdict(report)}
        atomic_write_json(folder / REPORT, record)
    progress.discard()
    return report


def _captions_of(dataset: Dataset, captions: str | Path | None) -> Path | None:
    if captions is not None:
        return Path(captions)
    own = dataset.root / CAPTIONS if dataset.root is not None else None
    return own if own is not None and own.is_file() else None


def _refuse_foreign(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / REPORT).is_file():
        raise StorageError("the folder holds something else", where=str(out), cure="name a new folder")


def _fingerprint(corpus: Corpus, settings: PretrainSettings) -> str:
    plain = settings.model_dump(mode="json", exclude={"checkpoint_every"})
    return hashlib.sha256((json.dumps(plain, sort_keys=True) + corpus.digest()).encode()).hexdigest()[:16]


def _train(learner: Learner, corpus: Corpus, settings: PretrainSettings, progress: Progress, first: int) -> None:
    began = time.monotonic()
    for step in tracked(range(first, settings.steps), settings.steps - first, "pretraining"):
        losses = train_step(learner, corpus, settings, progress.optimizer, step)
        if step % LOG_EVERY == 0 or step == settings.steps - 1:
            progress.write({"step": step, **losses, "seconds": round(time.monotonic() - began, 2)})
        if (step + 1) % settings.checkpoint_every == 0 or step == settings.steps - 1:
            progress.save(step + 1)


def _report(
    learner: Learner, corpus: Corpus, settings: PretrainSettings, progress: Progress, told: tuple[str, int, float]
) -> PretrainReport:
    found = [_found(learner, pairs[:RETRIEVAL_MOST]) for pairs in (corpus.entities, corpus.held_out)]
    return PretrainReport(
        folder=told[0],
        steps=settings.steps,
        resumed_from=told[1],
        seconds=round(told[2], 1),
        loss=progress.recent_loss(),
        parameters=sum(parameter.numel() for parameter in learner.parameters),
        vocabulary=len(learner.processor.tokenizer),
        texts=len(corpus.texts),
        images=len(corpus.images),
        entities=found[0],
        held_out=found[1],
        findings=dict(corpus.findings.counts),
    )


def _found(learner: Learner, pairs: np.ndarray) -> Retrieval | None:
    if len(pairs) < 2:
        return None
    with torch.no_grad():
        texts = torch.cat([learner.texts(part[:, 0], None) for part in np.array_split(pairs, -(-len(pairs) // 256))])
        images = torch.cat([learner.images(part[:, 1], None) for part in np.array_split(pairs, -(-len(pairs) // 256))])
    return retrieval(texts, images)
