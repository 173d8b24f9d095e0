"""Contrastive pretraining for data without pretrained weights: a BPE and a small CLIP, or a vision tower alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.progress import tracked
from otmel.encoders.contrast import Retrieval, contrast, retrieval
from otmel.encoders.corpus import NONE, Corpus, read_corpus
from otmel.encoders.learners import Learner, make_learner
from otmel.encoders.loading import save_encoder
from otmel.encoders.pretrain_state import Progress
from otmel.encoders.settings import PretrainSettings
from otmel.encoders.views import learning_rate
from otmel.errors import StorageError, TrainingError
from otmel.storage import atomic_folder, atomic_write_json

REPORT, LOG, CAPTIONS = "pretrain_report.json", "pretrain_log.jsonl", "captions.jsonl"
VIEW_SCALE = 10.0  # inverse temperature between two texts, or two images, of the same thing
SCALE_MOST = 4.0  # of the learned one between text and image, as a logarithm: 55
LOG_EVERY = 10
COLUMNS = TEXT, OTHER_TEXT, IMAGE, OTHER_IMAGE = 1, 2, 3, 4  # of a corpus's samples
PAIRS = {
    "text_image": ((TEXT, IMAGE), (OTHER_TEXT, OTHER_IMAGE), (TEXT, OTHER_IMAGE), (OTHER_TEXT, IMAGE)),
    "text_views": ((TEXT, OTHER_TEXT),),
    "image_views": ((IMAGE, OTHER_IMAGE),),
}
RETRIEVAL_MOST = 2000
Encode: TypeAlias = Callable[[np.ndarray, np.random.Generator], Tensor]


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
    report = _report(learner, corpus, settings, progress, (str(out), resumed, time.monotonic() - started))
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
        losses = _one_step(learner, corpus, settings, progress.optimizer, step)
        if step % LOG_EVERY == 0 or step == settings.steps - 1:
            progress.write({"step": step, **losses, "seconds": round(time.monotonic() - began, 2)})
        if (step + 1) % settings.checkpoint_every == 0 or step == settings.steps - 1:
            progress.save(step + 1)


def _one_step(
    learner: Learner, corpus: Corpus, settings: PretrainSettings, optimizer: torch.optim.Optimizer, step: int
) -> dict[str, float]:
    random = np.random.default_rng([settings.seed, 1, step])  # of its own: a resumed run draws the same
    rows = _rows_of(step, len(corpus.samples), settings)
    parts = _losses(learner, corpus.samples[rows], settings, random)
    loss = torch.stack([getattr(settings, name) * part for name, part in parts.items()]).sum()
    if not torch.isfinite(loss):
        places = corpus.samples[rows][:5, 1]
        texts = ", ".join(repr(corpus.texts[place].name) for place in places)
        raise TrainingError(
            f"the loss of step {step} is {loss.item()}; its batch begins with the texts of {texts}",
            cure="lower learning_rate",
        )
    rate = learning_rate(step, settings.steps, settings.warmup, settings.learning_rate)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(learner.parameters, 1.0)
    optimizer.step()
    with torch.no_grad():
        learner.scale.clamp_(max=SCALE_MOST)
    return {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}, "learning_rate": rate}


def _rows_of(step: int, samples: int, settings: PretrainSettings) -> np.ndarray:
    """The samples of a step: each epoch is a permutation of its own, and its last, incomplete batch is left out."""
    size = min(settings.batch, samples)
    epoch, place = divmod(step, samples // size)
    order = np.random.default_rng([settings.seed, 0, epoch]).permutation(samples)
    return order[place * size : (place + 1) * size]


def _losses(
    learner: Learner, samples: np.ndarray, settings: PretrainSettings, random: np.random.Generator
) -> dict[str, Tensor]:
    """The contrasts that have a weight and at least two rows; all texts, and all images, in one pass."""
    things = torch.from_numpy(samples[:, 0])
    samples = samples.copy()
    samples[:, 3] = np.where(samples[:, 3] == NONE, samples[:, 4], samples[:, 3])
    if not settings.text_views:
        samples[:, 2] = NONE
    if not settings.image_views:
        samples[:, 4] = NONE
    has = torch.from_numpy(samples != NONE)
    texts = _both(learner.texts, samples[:, 1], samples[:, 2], random)
    images = _both(learner.images, samples[:, 3], samples[:, 4], random)
    views = dict(zip(COLUMNS, (*texts, *images), strict=True))
    losses = {}
    for name, pairs in PAIRS.items():
        scale = learner.scale.exp() if name == "text_image" else VIEW_SCALE
        found = []
        for a, b in pairs if getattr(settings, name) else ():
            rows = has[:, a] & has[:, b]
            if rows.sum() > 1:
                found.append(contrast(views[a][rows], views[b][rows], things[rows], scale))
        if found:
            losses[name] = torch.stack(found).mean()
    if not losses:
        raise TrainingError("no weight of a contrast is above 0 for which the data have pairs")
    return losses


def _both(encode: Encode, first: np.ndarray, second: np.ndarray, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Vectors of both columns of places, from one pass; zeros where a place is ``NONE``."""
    places = np.concatenate([first, second])
    present = torch.from_numpy(places != NONE)
    if not present.any():
        return torch.zeros(len(first), 1), torch.zeros(len(first), 1)
    vectors = encode(places[present.numpy()], random)
    spread = vectors.new_zeros(len(places), vectors.shape[1]).index_put((present,), vectors)
    return spread[: len(first)], spread[len(first) :]


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
