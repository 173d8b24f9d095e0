"""``train``: from a data set and settings to a run folder. Resumable at any step, to the same bits."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from otmel.data.dataset import Dataset
from otmel.encoders import TwoTowerEncoder, load_encoder
from otmel.errors import ConfigurationError
from otmel.inputs.pretrained import quiet
from otmel.models.bundle import Bundle
from otmel.models.device import placed
from otmel.models.model import LinkerModel
from otmel.models.names import NameVectorizer, names_of
from otmel.models.registry import new_model
from otmel.objectives.caching import check_pieces
from otmel.objectives.gather import agreed, is_first, processes
from otmel.progress import progress
from otmel.remote import Place
from otmel.remote.told import told
from otmel.training.address import RunFolder, run_folder
from otmel.training.batches import Collator, Rows
from otmel.training.callbacks import Bar, ExtraCheckpoints, Interruption, JsonLog, Sending
from otmel.training.checkpoints import dated_by_step, newest_sound, step_of
from otmel.training.claim import CHECKPOINTS, LOG_FILE, check_free, claim, record_of
from otmel.training.material import Material, Say, prepared
from otmel.training.optimizer import optimizer
from otmel.training.settings import RunSettings
from otmel.training.sharded import ShardedTrainer
from otmel.training.sharding import check_shards, shard, whole
from otmel.training.trainer import LinkerTrainer, training_arguments
from otmel.training.validation import validated_by_ranking


def train(
    dataset: Dataset,
    settings: RunSettings,
    out: Place | RunFolder,
    *,
    resume: bool = False,
    say: Say = print,
    features: Path | None = None,
) -> Bundle:
    """Train a linker on a data set and write the run to ``out``.

    Args:
        dataset: graph and splits; ``train`` is needed, and the split that ``settings.training.validation`` names.
        settings: everything else.
        out: the run folder; made if absent. To an address (``s3://…``) every checkpoint is sent when it is finished.
        resume: go on with the run that stands there.
        say: told each step of the way, one line at a time.
        features: a folder in which what a frozen encoder gives is kept for further runs on the same data.

    Raises:
        ConfigurationError: no encoder is named, the split for validation is missing, or ``training.chunk`` is set for a
            system whose batches cannot be cut, or ``training.parallel`` where nothing can be sharded.
        CheckpointError: ``out`` holds a run already, or one of other settings, data or number of processes.
        TrainingError: nothing to train on, or the loss is no number any more.
        StorageError: the disk or the store refused a checkpoint, or another process trains at the address.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written.
    """
    if settings.encoder is None:
        raise ConfigurationError("no encoder is named", cure="name one with --encoder, or make one: otmel pretrain")
    with run_folder(out, say=say) as folder:
        bundle, material = _begun(dataset, settings, folder.path, (resume, say, features))
        return fit(bundle, material, settings, folder, resume=resume, say=say)


def _begun(
    dataset: Dataset, settings: RunSettings, out: Path, how: tuple[bool, Say, Path | None]
) -> tuple[Bundle, Material]:
    """The model at its start, and what it is trained on; the folder is taken."""
    resume, say, features = how
    assert settings.encoder is not None
    record = record_of(dataset, settings)
    check_free(out, record, resume)
    set_seed(settings.seed)
    with quiet():
        encoder, processor = load_encoder(settings.encoder, settings=settings.inputs, cls=settings.model.cls)
    vectorizer = NameVectorizer.fit(name for entity in dataset.graph for name in names_of(entity))
    model = _model(settings, encoder)
    model.prepare(processor)
    _check(model, settings)  # before the features are computed
    material = prepared(dataset, settings, (model, processor, vectorizer), say, features)
    _steps_per_epoch(len(material.train), settings)
    claim(out, record)
    return Bundle(model, processor, vectorizer, record), material


def fit(
    bundle: Bundle,
    material: Material,
    settings: RunSettings,
    folder: Path | RunFolder,
    *,
    resume: bool = False,
    say: Say = print,
) -> Bundle:
    """Train ``bundle.model`` on prepared material; ``train`` without the reading."""
    folder = folder if isinstance(folder, RunFolder) else RunFolder(folder)
    out = folder.path
    out.mkdir(parents=True, exist_ok=True)
    # One process looks, and removes what is broken; the others go by what it found.
    resumed, broken = agreed(newest_sound(out / CHECKPOINTS) if resume and is_first() else (None, []))
    if resume and is_first():
        dated_by_step(out / CHECKPOINTS)
    for checkpoint in broken:
        say(f"{checkpoint.name} is incomplete or damaged and was removed")
    if resume:
        say(f"resuming after step {step_of(resumed)}" if resumed else "no checkpoint yet: starting from the beginning")
    model = bundle.model
    model.train()
    _check(model, settings)
    if settings.training.parallel == "sharded":
        shard(model)
    per_epoch = _steps_per_epoch(len(material.train), settings)
    with progress("training", per_epoch * settings.training.epochs) as advance, Interruption() as stop:
        trainer = _trainer(model, material, settings, out, per_epoch)
        trainer.add_callback(Bar(advance, say))
        trainer.add_callback(stop)
        trainer.add_callback(Sending(folder.send))
        trainer.remove_callback(PrinterCallback)  # prints every log line to the output stream
        with quiet():
            trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    if stop.asked:
        raise KeyboardInterrupt(f"a checkpoint is written: go on with --resume (run folder {told(str(out))})")
    best = trainer.state.best_metric
    bundle.record["best"] = {"mrr": best, "step": trainer.state.best_global_step, "steps": trainer.state.global_step}
    if settings.training.parallel == "sharded":
        bundle.model = whole(model)
    bundle.model.eval()
    if trainer.is_world_process_zero():
        bundle.save(out)
        folder.send(ended=True)
    return bundle


def _check(model: LinkerModel, settings: RunSettings) -> None:
    if settings.training.chunk is not None:
        check_pieces(model)
    if settings.training.parallel == "sharded":
        check_shards(model)


def _trainer(model: LinkerModel, material: Material, settings: RunSettings, out: Path, per_epoch: int) -> LinkerTrainer:
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
    kind = ShardedTrainer if settings.training.parallel == "sharded" else LinkerTrainer
    return kind(
        model=model,
        args=arguments,
        train_dataset=Rows(len(material.train)),
        eval_dataset=Rows(len(material.validation)),
        data_collator=Collator(material.train, material.entities, material.train_gold, material.negatives),
        callbacks=callbacks,
        optimizers=(optimizer(model, settings.training), None),
        validate=lambda: validated_by_ranking(model, material),
        names=material.train_names,
        chunk=settings.training.chunk,
    )


def _model(settings: RunSettings, encoder: TwoTowerEncoder) -> LinkerModel:
    if settings.training.freeze_encoder:
        encoder.requires_grad_(False)
    return placed(new_model(settings.model, encoder=encoder))


def _steps_per_epoch(mentions: int, settings: RunSettings) -> int:
    world = processes()
    steps = mentions // (settings.training.batch_size * world)
    if steps == 0:
        raise ConfigurationError(
            f"a batch of {settings.training.batch_size} × {world} is more than the {mentions} training mentions",
            cure="--set training.batch_size=… to less",
        )
    return steps


def discard_checkpoints(out: Path) -> None:
    """Remove the checkpoints of a finished run."""
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
