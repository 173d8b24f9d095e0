"""``train``: from a data set and settings to a run folder. Resumable at any step, to the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn
from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.encoders import TwoTowerEncoder, load_encoder
from otmel.errors import CheckpointError, ConfigurationError
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.measures import MRR, Hit
from otmel.evaluation.results import versions
from otmel.evaluation.scan import encoded, scanned
from otmel.inputs import InputProcessor
from otmel.inputs.pretrained import quiet
from otmel.models.bundle import RUN_FILE, Bundle, read_record
from otmel.models.names import NameVectorizer, names_of
from otmel.models.otmel import OTMEL, new_model
from otmel.models.tables import Table, bytes_held, entity_table, held, mention_table
from otmel.progress import progress
from otmel.storage import atomic_write_json
from otmel.training.batches import Collator, Rows, hard_negatives, trainable
from otmel.training.callbacks import Bar, ExtraCheckpoints, Interruption, JsonLog
from otmel.training.checkpoints import newest_sound, step_of
from otmel.training.settings import RunSettings
from otmel.training.trainer import LinkerTrainer, optimizer, training_arguments

Say = Callable[[str], None]
CHECKPOINTS, LOG_FILE = "checkpoints", "log.jsonl"
HELD_OUT = "held-out"


@dataclass(frozen=True)
class Material:
    """What a run is trained on, ready to be batched.

    Attributes:
        entities: the graph as a table.
        train, validation: mentions as tables.
        train_gold, validation_gold: rows of their true entities.
        train_names: what to call the training mentions.
        negatives: rows of the hard negatives.
    """

    entities: Table
    train: Table
    validation: Table
    train_gold: NDArray[np.int64]
    validation_gold: NDArray[np.int64]
    train_names: list[str]
    negatives: NDArray[np.int64]


def train(
    dataset: Dataset, settings: RunSettings, out: str | Path, *, resume: bool = False, say: Say = print
) -> Bundle:
    """Train a linker on a data set and write the run to ``out``.

    Args:
        dataset: graph and splits; ``train`` is needed, and the split that ``settings.training.validation`` names.
        settings: everything else.
        out: the run folder; made if absent.
        resume: go on with the run that stands there.
        say: told each step of the way, one line at a time.

    Raises:
        ConfigurationError: no encoder is named, or the split for validation is missing.
        CheckpointError: ``out`` holds a run already, or one of other settings or data.
        TrainingError: nothing to train on, or the loss is no number any more.
        StorageError: the disk refused a checkpoint.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written.
    """
    out = Path(out)
    if settings.encoder is None:
        raise ConfigurationError("no encoder is named", cure="name one with --encoder, or make one: otmel pretrain")
    record = _record(dataset, settings)
    _check_free(out, record, resume)
    set_seed(settings.seed)
    with quiet():
        encoder, processor = load_encoder(settings.encoder, settings=settings.inputs, cls=settings.model.cls)
    vectorizer = NameVectorizer.fit(name for entity in dataset.graph for name in names_of(entity))
    model = _model(settings, encoder)
    material = _material(dataset, settings, (model, processor, vectorizer), say)
    _steps_per_epoch(len(material.train), settings)
    _claim(out, record)
    bundle = Bundle(model, processor, vectorizer, record)
    return fit(bundle, material, settings, out, resume=resume, say=say)


def fit(
    bundle: Bundle, material: Material, settings: RunSettings, out: Path, *, resume: bool = False, say: Say = print
) -> Bundle:
    """Train ``bundle.model`` on prepared material; ``train`` without the reading."""
    out.mkdir(parents=True, exist_ok=True)
    resumed, broken = newest_sound(out / CHECKPOINTS) if resume else (None, [])
    for checkpoint in broken:
        say(f"{checkpoint.name} is incomplete or damaged and was removed")
    if resume:
        say(f"resuming after step {step_of(resumed)}" if resumed else "no checkpoint yet: starting from the beginning")
    model = bundle.model
    model.train()
    per_epoch = _steps_per_epoch(len(material.train), settings)
    with progress("training", per_epoch * settings.training.epochs) as advance, Interruption() as stop:
        trainer = _trainer(model, material, settings, out, per_epoch)
        trainer.add_callback(Bar(advance, say))
        trainer.add_callback(stop)
        trainer.remove_callback(PrinterCallback)  # prints every log line to the output stream
        with quiet():
            trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    if stop.asked:
        raise KeyboardInterrupt(f"a checkpoint is written: go on with --resume (run folder {out})")
    best = trainer.state.best_metric
    bundle.record["best"] = {"mrr": best, "step": trainer.state.best_global_step, "steps": trainer.state.global_step}
    model.eval()
    if trainer.is_world_process_zero():
        bundle.save(out)
    return bundle


def _trainer(model: OTMEL, material: Material, settings: RunSettings, out: Path, per_epoch: int) -> LinkerTrainer:
    arguments = training_arguments(
        settings.training,
        settings.seed,
        per_epoch,
        output_dir=str(out / CHECKPOINTS),
        report_to=list(settings.training.report_to),
        run_name=out.name,
    )
    callbacks = [JsonLog(out / LOG_FILE), EarlyStoppingCallback(settings.training.patience)]
    if settings.training.checkpoint_every:
        callbacks.append(ExtraCheckpoints(settings.training.checkpoint_every))
    return LinkerTrainer(
        model=model,
        args=arguments,
        train_dataset=Rows(len(material.train)),
        eval_dataset=Rows(len(material.validation)),
        data_collator=Collator(material.train, material.entities, material.train_gold, material.negatives),
        callbacks=callbacks,
        optimizers=(optimizer(model, settings.training), None),
        validate=lambda: validated_by_ranking(model, material),
        names=material.train_names,
    )


def validated_by_ranking(model: OTMEL, material: Material) -> dict[str, float]:
    """H@1 and MRR of the validation mentions against the whole graph, realistic ranks."""
    entities = encoded(model.encode_entities, material.entities, device=model.device)
    mentions = encoded(model.encode_mentions, material.validation, device=model.device)
    found, _ = scanned(model, mentions, entities, material.validation_gold, k=1)
    ranks = found.ranks[found.ranks.ranked].realistic
    return {"mrr": MRR(ranks), "h1": Hit(1)(ranks)}


def _model(settings: RunSettings, encoder: TwoTowerEncoder) -> OTMEL:
    if settings.training.freeze_encoder:
        encoder.requires_grad_(False)
    model = new_model(settings.model, encoder=encoder)
    nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    return model


def _material(
    dataset: Dataset, settings: RunSettings, made: tuple[OTMEL, InputProcessor, NameVectorizer], say: Say
) -> Material:
    model, processor, vectorizer = made
    train_mentions, validation_mentions = validation_split(dataset, settings)
    train_gold = gold_rows(train_mentions, dataset.graph)
    count = settings.training.hard_negatives
    tables = [
        entity_table(dataset.graph, processor, vectorizer),
        mention_table(train_mentions, processor, vectorizer),
        mention_table(validation_mentions, processor, vectorizer),
    ]
    entities, train_table, validation = in_memory(tables, model, settings, say)
    for kind, number in processor.findings.counts.most_common():
        say(f"{number:,} × {kind}: masked out")
    return Material(
        entities=entities,
        train=train_table,
        validation=validation,
        train_gold=train_gold,
        validation_gold=gold_rows(validation_mentions, dataset.graph),
        train_names=[m.id or m.name for m in train_mentions],
        negatives=hard_negatives(train_mentions, train_gold, dataset.graph, vectorizer, count),
    )


def validation_split(dataset: Dataset, settings: RunSettings) -> tuple[list[Mention], list[Mention]]:
    """Training and validation mentions; ``held-out`` takes every tenth training mention for validation."""
    mentions, graph = trainable(dataset.split("train"), dataset.graph), dataset.graph
    name = settings.training.validation
    if name != HELD_OUT:
        return mentions, _answered(dataset.split(name), graph)
    order = np.random.default_rng(0).permutation(len(mentions))
    chosen = set(order[: max(1, len(mentions) // 10)].tolist())
    kept = [m for row, m in enumerate(mentions) if row not in chosen]
    return trainable(kept, graph), [m for row, m in enumerate(mentions) if row in chosen]


def _answered(mentions: tuple[Mention, ...], graph: KnowledgeGraph) -> list[Mention]:
    kept = [m for m in mentions if m.answer in graph]
    if not kept:
        raise ConfigurationError("no validation mention has its answer in the graph", cure="run `otmel data check`")
    return kept


def in_memory(tables: list[Table], model: OTMEL, settings: RunSettings, say: Say) -> list[Table]:
    """The tables held in memory, as features if the encoder is frozen, as its inputs if not; or live, if too large."""
    frozen = model if settings.training.freeze_encoder else None
    needed = sum(bytes_held(table, frozen) for table in tables) / 2**30
    if needed > settings.training.memory_gib:
        say(f"{needed:.1f} GiB of model input do not fit into training.memory_gib: read anew in every epoch")
        return tables
    with progress("encoding once" if frozen else "reading once", sum(map(len, tables))) as advance:
        return [held(table, frozen, advance=advance) for table in tables]


def _steps_per_epoch(mentions: int, settings: RunSettings) -> int:
    world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    steps = mentions // (settings.training.batch_size * world)
    if steps == 0:
        raise ConfigurationError(
            f"a batch of {settings.training.batch_size} × {world} is more than the {mentions} training mentions",
            cure="--set training.batch_size=… to less",
        )
    return steps


def _record(dataset: Dataset, settings: RunSettings) -> dict[str, Any]:
    return {
        "settings": settings.model_dump(mode="json"),
        "dataset": dataset.name,
        "dataset_root": None if dataset.root is None else str(dataset.root),
        "data": {"train": dataset.digest("train"), "graph": dataset.graph.snapshot, "entities": len(dataset.graph)},
        "versions": versions(),
    }


def _claim(out: Path, record: dict[str, Any]) -> None:
    """Take the folder, once nothing stands in the way of training; of several processes, the first one takes it."""
    several = distributed.is_available() and distributed.is_initialized()
    if several:
        distributed.barrier()  # every process has found the folder free
    if not (out / RUN_FILE).exists() and (not several or distributed.get_rank() == 0):
        atomic_write_json(out / RUN_FILE, record)


def _check_free(out: Path, record: dict[str, Any], resume: bool) -> None:
    """Make sure that no run stands in the folder, or that it is the one to resume."""
    if not (out / RUN_FILE).exists():
        if resume and out.exists() and any(out.iterdir()):
            raise CheckpointError("there is no run to resume", where=str(out), cure="start without --resume")
        return
    if not resume:
        raise CheckpointError(
            "a run stands here already", where=str(out), cure="resume it with --resume, or choose another --out"
        )
    before = read_record(out)
    for key in ("settings", "data"):
        if before.get(key) != record[key]:
            raise CheckpointError(
                f"the run was started with other {key}: {_difference(before.get(key), record[key])}",
                where=str(out),
                cure="resume with the same command, or start a new run in another folder",
            )


def _difference(before: Any, now: Any, place: str = "") -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                return _difference(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    return f"{place} was {before!r} and is now {now!r}"


def discard_checkpoints(out: Path) -> None:
    """Remove the checkpoints of a finished run."""
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
