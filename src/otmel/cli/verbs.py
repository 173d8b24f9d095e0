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
)
