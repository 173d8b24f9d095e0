"""The verbs of the command line, in the order in which ``otmel --help`` lists them.

A verb's module is imported when the verb is called, and not before; nor may that module import torch, transformers,
scikit-learn or matplotlib outside a function, so that its own ``--help`` is quick too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        name: the word to type; two words (``data check``) for a verb of a group.
        place: ``module:function``. The function's signature is the verb's options, its ``Args`` their help; it returns
            ``None``, or the exit status.
        summary: what it does: one sentence for the list, and more after an empty line for the verb's own page.
        examples: commands that work.
    """

    name: str
    place: str
    summary: str
    examples: tuple[str, ...]


GROUPS = {"data": "Look at data sets, or generate one."}

VERBS = (
    Verb(
        "data check",
        "otmel.cli.data_check:data_check",
        "Report what a data set holds, and what is wrong with it.\n\n"
        "Counts, dangling ids, image coverage, ambiguity of the names, leakage between the splits, and statistics of "
        "tokens and objects. Reads a folder in MIMIC's format, a folder of one's own tables, or MELBench's archives.",
        (
            "otmel data check data/WikiMEL",
            "otmel data check data/WikiMEL --no-decode --plot report.png",
            "otmel data check data/WikiMEL --json > report.json",
        ),
    ),
    Verb(
        "data info",
        "otmel.cli.data_info:data_info",
        "Print how many entities, mentions and images a data set has, in a second.",
        ("otmel data info data/WikiMEL", "otmel data info data/WikiMEL --json"),
    ),
    Verb(
        "data world",
        "otmel.cli.data_world:data_world",
        "Generate a benchmark of people with shared names, and write it in MIMIC's format.\n\n"
        "The same seed gives the same files.",
        ("otmel data world --out data/world", "otmel data world --out data/world --seed 7 --set entities=200"),
    ),
    Verb(
        "pretrain",
        "otmel.cli.pretrain:pretrain",
        "Train a small encoder on a data set's own texts and images.\n\n"
        "For data without pretrained weights: a BPE and a small CLIP, learned by contrasting entities, training "
        "mentions and captions with their images. With --text, a vision tower beside a pretrained text tower. The same "
        "command goes on where it was interrupted.",
        (
            "otmel pretrain data/world --out encoders/world",
            "otmel pretrain data/world --out encoders/world --text minilm --set steps=400",
        ),
    ),
    Verb(
        "train",
        "otmel.cli.train:train",
        "Train a linker, or go on with an interrupted run.\n\n"
        "Settings start from a preset; a file, the options and --set change them, in this order. Several processes "
        "share the work under torchrun.",
        (
            "otmel train data/world --out runs/world --encoder encoders/world",
            "otmel train data/world --out runs/kd --encoder encoders/world --variant kd --set training.epochs=10",
            "otmel train data/WikiMEL --out runs/wikimel --config configs/paper-wikimel.toml",
            "otmel train data/world --out runs/world --resume",
        ),
    ),
    Verb(
        "evaluate",
        "otmel.cli.evaluate:evaluate",
        "Rank every mention of a split against all entities, with name match beside it.\n\n"
        "Prints H@k, MRR and mean rank, under all tie policies and by each part of the score alone, and writes the "
        "results with one row per mention.",
        (
            "otmel evaluate runs/world",
            "otmel evaluate runs/world data/world --split test --slices",
            "otmel evaluate runs/world --format markdown > table.md",
        ),
    ),
    Verb(
        "compare",
        "otmel.cli.compare:compare",
        "Compare evaluated runs: paired differences with intervals, and whether these contain 0.\n\n"
        "Runs that differ in nothing but the seed are one system. Name match is compared with too.",
        (
            "otmel compare runs/ot runs/kd",
            "otmel compare OT=runs/ot-0 OT=runs/ot-1 ATT=runs/att-0 ATT=runs/att-1 --baseline ATT --split test",
            "otmel compare runs/ot runs/kd --method mentions --measures H@1,H@5,MRR --plot differences.png",
        ),
    ),
    Verb(
        "models",
        "otmel.cli.models:models",
        "List the presets and the variants of the model.",
        ("otmel models", "otmel models --json"),
    ),
)
