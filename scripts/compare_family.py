"""Compare the family of assignments on the token track at its full size: paired seeds, t intervals, one JSON file.

    python scripts/compare_family.py --out family.json --seeds 8          runs what is missing in the file
    python scripts/compare_family.py --out family.json --only 'added/*'   some points only
    python scripts/compare_family.py --out family.json --jobs 8           eight runs at a time, one thread each

Every point is trained and tested on the same worlds (240 entities, 1,400 training, 200 validation and 500 test mentions
of each seed). A run that is interrupted goes on where it stopped; a file of another protocol is refused.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otmel.data.token_track import TokenTrackSettings, token_track
from otmel.errors import ConfigurationError
from otmel.evaluation.intervals import over_seeds
from otmel.evaluation.scan import encoded, scanned
from otmel.models import family
from otmel.models.model import LinkerModel
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.models.tables import Table
from otmel.models.token_track import feature_widths, features
from otmel.objectives.total import total_loss
from otmel.progress import progress
from otmel.settings import Settings
from otmel.storage import atomic_write_text, json_text
from otmel.training.batches import Collator
from otmel.training.settings import RELEASED

BASE = "messages/balanced"
"""RELEASED's own model."""


class Protocol(Settings):
    """How every point is trained: plain AdamW with warm-up and linear decay, no choice of a checkpoint."""

    epochs: int = 6
    batch: int = 32
    rate: float = 2e-3
    warmup: int = 50


def points() -> dict[str, ModelSettings]:
    """Every model that is compared."""
    base = RELEASED.model
    assert isinstance(base, ModelSettings)
    places = {"messages": family.messages(base), "added": family.added(base), "alone": family.alone(base)}
    return {f"{place}/{name}": model for place, made in places.items() for name, model in made.items()}


def baseline(point: str) -> str:
    """What a point is compared with: the released model, or balanced transport where there is no other part."""
    return "alone/balanced" if point.startswith("alone/") else BASE


def batches(count: int, size: int) -> list[torch.Tensor]:
    """One epoch of whole batches in a drawn order."""
    return list(torch.randperm(count).split(size)[: count // size])


def trained(model: LinkerModel, collate: Collator, protocol: Protocol) -> LinkerModel:
    """The model after training on all mentions of the collator."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=protocol.rate, weight_decay=1e-4)
    total = protocol.epochs * (len(collate.gold) // protocol.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / protocol.warmup) * (1 - step / max(total, 1))
    )
    for rows in (rows for _ in range(protocol.epochs) for rows in batches(len(collate.gold), protocol.batch)):
        loss = total_loss(model, collate(rows.tolist())["batch"]).total  # pyright: ignore[reportArgumentType]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def mrr(model: LinkerModel, entities: Table, mentions: Table, gold: np.ndarray) -> float:
    """MRR in percent, realistic ranks, all entities as candidates."""
    device = torch.device("cpu")
    sent = encoded(model.encode_mentions, mentions, device=device)
    received = encoded(model.encode_entities, entities, device=device)
    found, _ = scanned(model, sent, received, gold, k=1)
    return 100 * float((1 / found.ranks.realistic).mean())


def run(settings: ModelSettings, seed: int, protocol: Protocol) -> dict[str, Any]:
    """One point under one seed: of the world, the initialisation and the order."""
    began = time.process_time()
    track = token_track(TokenTrackSettings(seed=seed))
    entities, tables = features(track.entities), {split: features(one) for split, one in track.splits.items()}
    gold = {split: one.gold for split, one in track.splits.items()}
    torch.manual_seed(seed)
    model = new_model(settings, widths=feature_widths(track.entities)).train()
    nothing = np.zeros((len(gold["train"]), 0), dtype=np.int64)
    trained(model, Collator(tables["train"], entities, gold["train"], nothing), protocol)
    scores = {split: round(mrr(model, entities, tables[split], gold[split]), 4) for split in ("dev", "test")}
    learned = {key: value.item() for key, value in model.state_dict().items() if not value.dim()}
    return {**scores, "learned": learned, "cpu_seconds": round(time.process_time() - began, 1)}


def run_all(missing: Iterable[tuple[str, str]], protocol: Protocol, jobs: int) -> Iterator[tuple[str, str, Any]]:
    """Point, seed and result of every run, as they end; many at a time are processes of one thread each."""
    models = points()
    if jobs == 1:
        yield from ((name, seed, run(models[name], int(seed), protocol)) for name, seed in missing)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # torch reads it when it is imported, in each new process
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        asked = {pool.submit(run, models[name], int(seed), protocol): (name, seed) for name, seed in missing}
        try:
            yield from ((*asked[done], done.result()) for done in as_completed(asked))
        finally:
            pool.shutdown(cancel_futures=True)


def opened(path: Path, protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Runs that the file holds: point → seed → result."""
    if not path.exists():
        return {}
    held = json.loads(path.read_text())
    if held["protocol"] != protocol.model_dump(mode="json"):
        raise ConfigurationError("the file holds runs of another protocol", where=str(path), cure="take another --out")
    return held["runs"]


def differences(runs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Paired differences of every point from its baseline in MRR points of the test mentions, with 95 % t intervals."""
    found = []
    for point in runs:
        other = runs.get(baseline(point), {})
        seeds = sorted(set(runs[point]) & set(other), key=int)
        if point == baseline(point) or len(seeds) < 2:
            continue
        values = np.array([[runs[point][seed]["test"] - other[seed]["test"]] for seed in seeds])
        interval = over_seeds(values)
        limits = {"difference": interval.value, "low": interval.low, "high": interval.high}
        found.append({"point": point, "against": baseline(point), "seeds": len(seeds), **limits})
    return found


def save(path: Path, protocol: Protocol, runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Write everything at one stroke."""
    held = {"protocol": protocol.model_dump(mode="json"), "differences": differences(runs), "runs": runs}
    atomic_write_text(path, json_text(held) + "\n")


def table(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """The differences, a line each."""
    lines = [f"{'point':48}{'MRR':>8}{'difference':>12}   95 % interval"]
    by_point = {one["point"]: one for one in differences(runs)}
    for point, of_seeds in runs.items():
        mean = f"{np.mean([one['test'] for one in of_seeds.values()]):8.2f}"
        one = by_point.get(point)
        rest = f"{one['difference']:+12.2f}   [{one['low']:+.2f}, {one['high']:+.2f}]" if one else ""
        lines.append(f"{point:48}{mean}{rest}")
    return "\n".join(lines)


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to go on with")
    parser.add_argument("--seeds", type=int, default=8, help="how many paired seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--epochs", type=int, default=Protocol().epochs)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--only", default="*", help="a pattern of points; baselines are always run")
    return parser.parse_args()


def main() -> None:
    """Run what is missing, seed by seed, and print the differences."""
    options = asked()
    protocol, models = Protocol(epochs=options.epochs), points()
    wanted = [name for name in models if fnmatch.fnmatch(name, options.only)]
    if not wanted:
        raise ConfigurationError(f"no point is called {options.only!r}", cure=f"points: {', '.join(models)}")
    wanted = list(dict.fromkeys([*(baseline(name) for name in wanted), *wanted]))
    runs = opened(options.out, protocol)
    seeds = [str(options.first + number) for number in range(options.seeds)]
    missing = [(name, seed) for seed in seeds for name in wanted if seed not in runs.get(name, {})]
    with progress("training", len(missing)) as advance:
        for name, seed, result in run_all(missing, protocol, options.jobs):
            runs.setdefault(name, {})[seed] = result
            save(options.out, protocol, runs)
            advance()
    sys.stdout.write(table(runs) + "\n")


if __name__ == "__main__":
    main()
