"""The loop: what it logs, when it stops, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from otmel.errors import ConfigurationError, TrainingError
from otmel.models.bundle import WEIGHTS_FILE, Bundle
from otmel.objectives.total import total_loss
from otmel.training.batches import Collator
from otmel.training.checkpoints import is_sound, seal, step_of
from otmel.training.claim import CHECKPOINTS, LOG_FILE
from otmel.training.optimizer import optimizer
from otmel.training.run import discard_checkpoints, fit
from otmel.training.settings import TrainingSettings
from otmel.training.validation import validated_by_ranking
from otmel.types import Elements, Views

STEPS = 16


def log(out) -> list[dict]:
    return [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]


def loss_of(bundle: Bundle, material) -> float:
    collate = Collator(material.train, material.entities, material.train_gold, material.negatives)
    with torch.no_grad():
        batch = collate(range(34))["batch"].to(bundle.model.device)
        return total_loss(bundle.model.eval(), batch).total.item()


def test_the_loss_falls_and_the_log_says_so(uninterrupted, train_small, with_batch, tmp_path):
    material = with_batch(0, lambda side: side)
    start = train_small(tmp_path, epochs=1, learning_rate=1e-12)
    end = Bundle.load(uninterrupted)
    assert loss_of(end, material) < 0.9 * loss_of(start, material)
    rows = [row for row in log(uninterrupted) if "loss" in row]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    for row in rows:
        assert row["loss"] == pytest.approx(sum(row[f"loss_{term}"] for term in "OFTV"), rel=1e-5)
        assert {"learning_rate", "grad_norm", "epoch", "seconds"} <= row.keys()
    assert sum(row["loss"] for row in rows[-4:]) < sum(row["loss"] for row in rows[:4])


def test_each_epoch_is_validated_on_the_whole_graph_and_the_best_is_kept(uninterrupted, with_batch):
    validations = {row["step"]: row for row in log(uninterrupted) if "eval_mrr" in row}
    assert list(validations) == [4, 8, 12, 16]
    best = Bundle.load(uninterrupted)
    mrr = max(row["eval_mrr"] for row in validations.values())
    assert best.record["best"]["mrr"] == mrr
    assert validations[best.record["best"]["step"]]["eval_mrr"] == mrr
    measured = validated_by_ranking(best.model, with_batch(0, lambda side: side))
    assert measured["mrr"] == pytest.approx(mrr)
    assert measured["h1"] == pytest.approx(validations[best.record["best"]["step"]]["eval_h1"])


def test_the_kept_checkpoints_are_sealed_and_the_best_is_among_them(uninterrupted):
    kept = sorted((uninterrupted / CHECKPOINTS).glob("checkpoint-*"), key=step_of)
    assert 2 <= len(kept) <= 3
    assert all(is_sound(checkpoint) for checkpoint in kept)
    assert [step_of(checkpoint) for checkpoint in kept][-2:] == [14, 16]
    best = Bundle.load(uninterrupted).record["best"]["step"]
    assert best in [step_of(checkpoint) for checkpoint in kept]
    weights = (uninterrupted / CHECKPOINTS / f"checkpoint-{best}" / WEIGHTS_FILE).read_bytes()
    assert (uninterrupted / WEIGHTS_FILE).read_bytes() == weights


def test_the_same_seed_gives_the_same_bits(uninterrupted, train_small, tmp_path):
    train_small(tmp_path)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (uninterrupted / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize(("epochs", "every", "steps"), [(1, 2, [4]), (3, 2, [8, 12]), (2, 1, [4, 8])])
def test_the_last_epoch_is_always_validated(train_small, tmp_path, epochs, every, steps):
    bundle = train_small(tmp_path, epochs=epochs, evaluate_every=every)
    assert [row["step"] for row in log(tmp_path) if "eval_mrr" in row] == steps
    assert bundle.record["best"]["step"] in steps


def test_it_stops_early_without_gain(train_small, tmp_path):
    said: list[str] = []
    bundle = train_small(tmp_path, learning_rate=1e-12, patience=1, say=said.append)
    assert bundle.record["best"]["steps"] == 8
    assert bundle.record["best"]["step"] == 4
    assert sum("on the validation mentions" in line for line in said) == 2


def poisoned(side):
    """The batch's second mention has a NaN in its text."""
    views = side.content
    tokens = views.text.tokens.clone()
    tokens[1, 0, 0] = float("nan")
    return replace(side, content=Views(Elements(tokens, views.text.mask, views.text.cls), views.image))


def test_a_loss_that_is_no_number_stops_naming_the_batch_and_keeps_the_last_checkpoint(
    train_small, with_batch, tmp_path
):
    material = with_batch(7, poisoned)
    asked = []
    object.__setattr__(material.train, "happens", lambda side: asked.append(len(side)) or poisoned(side))
    with pytest.raises(TrainingError, match="the loss is nan at step 7") as fault:
        train_small(tmp_path, material=material, checkpoint_every=2)
    assert fault.value.where.startswith("batch of the mentions mention ")
    assert "learning_rate" in str(fault.value)
    kept = sorted((tmp_path / CHECKPOINTS).glob("checkpoint-*"), key=step_of)
    assert step_of(kept[-1]) == 6
    assert all(is_sound(checkpoint) for checkpoint in kept)
    assert not (tmp_path / WEIGHTS_FILE).exists()
    assert asked == [8]


def test_weights_that_are_no_numbers_do_not_become_a_checkpoint(train_small, tmp_path):
    """The loss was finite, the weights that come to be saved are not."""
    models = []

    def say(line: str) -> None:
        if line.startswith("epoch 2"):
            models[0].matching["T"].correlation.query.weight.data[0, 0] = float("nan")

    with pytest.raises(TrainingError, match=r"after step 8 1 weights .* matching.T.correlation.query.weight"):
        train_small(tmp_path, see=models.append, say=say)
    (kept,) = (tmp_path / CHECKPOINTS).glob("checkpoint-*")
    assert step_of(kept) == 4
    assert is_sound(kept)


def test_a_batch_larger_than_the_mentions_is_refused(train_small, tmp_path):
    with pytest.raises(ConfigurationError, match="a batch of 35 × 1 is more than the 34 training mentions"):
        train_small(tmp_path, batch_size=35)


def test_the_encoder_has_its_own_rate_and_vectors_do_not_decay(uninterrupted):
    model = Bundle.load(uninterrupted).model
    model.encoder = torch.nn.Linear(3, 3)
    model.text.requires_grad_(False)
    settings = TrainingSettings(learning_rate=0.1, encoder_learning_rate=0.01, weight_decay=0.5, adam_epsilon=1e-5)
    made = optimizer(model, settings)
    seen = {}
    names = {id(weight): name for name, weight in model.named_parameters()}
    for group in made.param_groups:
        assert group["eps"] == 1e-5
        for weight in group["params"]:
            name = names[id(weight)]
            seen[name] = (group["lr"], group["weight_decay"])
            assert group["lr"] == (0.01 if name.startswith("encoder.") else 0.1)
            assert group["weight_decay"] == (0.5 if weight.dim() > 1 else 0.0)
    assert set(seen) == {name for name, weight in model.named_parameters() if not name.startswith("text.")}


def test_checkpoints_may_be_discarded(train_small, tmp_path):
    train_small(tmp_path, epochs=1)
    discard_checkpoints(tmp_path)
    assert not (tmp_path / CHECKPOINTS).exists()
    assert Bundle.load(tmp_path).processor is None
    discard_checkpoints(tmp_path)  # nothing there is no fault


def test_a_best_checkpoint_damaged_while_training_is_not_loaded(train_small, with_batch, tmp_path):
    from otmel.errors import CheckpointError

    def damage(side):
        (best,) = (tmp_path / CHECKPOINTS).glob("checkpoint-4")
        (best / WEIGHTS_FILE).write_bytes(b"nothing")
        return side

    with pytest.raises(CheckpointError, match="the best checkpoint is damaged"):
        train_small(tmp_path, material=with_batch(7, damage), learning_rate=1e-12, epochs=2)


def test_fit_makes_its_folder(train_small, tmp_path):
    out = tmp_path / "a" / "b"
    train_small(out, epochs=1)
    assert (out / LOG_FILE).exists()
    assert callable(fit)


def test_a_seal_covers_every_file(tmp_path):
    checkpoint = tmp_path / "checkpoint-3"
    (checkpoint / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (checkpoint / name).write_text(name)
    assert not is_sound(checkpoint)
    seal(checkpoint)
    assert is_sound(checkpoint)
    (checkpoint / "sub" / "b").write_text("c")
    assert not is_sound(checkpoint)
    (checkpoint / "seal.json").write_text("[]")
    assert not is_sound(checkpoint)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_pieces_it_trains_as_it_does_with_whole_batches(train_small, tmp_path, precision):
    """A piece as large as the batch draws its dropout as the batch does: step by step it is the same training."""
    how = {"epochs": 1, "precision": precision}
    train_small(tmp_path / "whole", **how)
    train_small(tmp_path / "pieces", chunk=64, **how)
    whole, pieces = (
        [(row["loss"], row["loss_V"], row["grad_norm"]) for row in log(tmp_path / name) if "loss" in row]
        for name in ("whole", "pieces")
    )
    assert len(whole) == 4
    for one, other in zip(whole, pieces, strict=True):
        assert other == pytest.approx(one, rel=1e-4 if precision == "float32" else 2e-2)


def test_in_small_pieces_it_resumes_to_the_bit(train_small, with_batch, tmp_path):
    def stop(side):
        raise InterruptedError

    how = {"epochs": 2, "chunk": 3, "checkpoint_every": 2}
    train_small(tmp_path / "whole", **how)
    with pytest.raises(InterruptedError):
        train_small(tmp_path / "cut", material=with_batch(7, stop), **how)
    train_small(tmp_path / "cut", resume=True, **how)
    assert (tmp_path / "cut" / WEIGHTS_FILE).read_bytes() == (tmp_path / "whole" / WEIGHTS_FILE).read_bytes()
