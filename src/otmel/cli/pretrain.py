"""``otmel pretrain``: an encoder from the data's own texts and images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from otmel.cli.console import Json, Set, emit, note, resumable
from otmel.cli.places import Here, Where

if TYPE_CHECKING:
    from otmel.encoders.contrast import Retrieval
    from otmel.encoders.pretrain import PretrainReport


@dataclass(frozen=True)
class Pretrained:
    """What ``otmel pretrain`` prints."""

    report: PretrainReport
    data: Where

    def as_json(self) -> dict[str, Any]:
        """The whole report."""
        return asdict(self.report)

    def as_text(self) -> str:
        """Sizes, seconds, retrieval, and what to type next."""
        done = self.report
        again = f", of which {done.resumed_from:,} were done before" if done.resumed_from else ""
        lines = [
            f"wrote {done.folder}",
            f"  {done.texts:,} texts, {done.images:,} images",
            f"  {done.parameters:,} trained parameters, {done.vocabulary:,} tokens",
            f"  {done.steps:,} steps{again}, {done.seconds:.0f} s, loss {done.loss:.3f}",
        ]
        found = {"entities": done.entities, "captions not trained on": done.held_out}
        lines += [f"  {_told(what, part)}" for what, part in found.items() if part is not None]
        lines += [f"  found while reading: {kind}, {number:,} times" for kind, number in done.findings.items()]
        return "\n".join([*lines, f"next: otmel train {self.data} --out RUN --encoder {done.folder}"])


def pretrain(
    data: Where,
    *,
    out: Where,
    text: str | None = None,
    captions: Here | None = None,
    seed: int | None = None,
    set: Set = (),
    json: Json = False,
) -> None:
    """Train an encoder.

    Args:
        data: the data set; of its mentions only the training ones are read. It and the encoder may be addresses:
            s3://BUCKET/PATH.
        out: the folder to write, for --encoder of otmel train.
        text: a pretrained text tower that stays as it is: minilm, a folder, or a name on the Hugging Face Hub.
        captions: a JSONL file of {"text", "image"} to learn from too; by default the data set's own captions.jsonl.
        seed: of initialisation, order and augmentation.
        set: override a setting of the towers or of their training.
        json: print the result as JSON, and nothing else.
    """
    from otmel.data.datasets import load_dataset
    from otmel.encoders import pretrain as pretraining
    from otmel.encoders.settings import PretrainSettings
    from otmel.remote import TREE, changing
    from otmel.settings import overridden

    given = {"text": text, "seed": seed}
    chosen = PretrainSettings().model_copy(update={key: value for key, value in given.items() if value is not None})
    settings = overridden(chosen, set)
    dataset = load_dataset(data)
    again = "run the same command again: it goes on from the last state that was saved"
    with resumable(again), changing(out, TREE, note=note) as folder:
        report = pretraining.pretrain(dataset, settings, folder, captions)
    emit(Pretrained(report, data), json)


def _told(what: str, found: Retrieval) -> str:
    hits = f"H@1 {100 * found.hit1:.1f} %, H@10 {100 * found.hit10:.1f} %, MRR {100 * found.mrr:.1f} %"
    return f"text finds image, {what}: {hits} among {found.candidates:,} (chance: H@1 {100 * found.chance:.1f} %)"
