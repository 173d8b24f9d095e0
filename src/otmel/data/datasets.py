"""The published benchmarks as values, and ``load_dataset`` for every layout that otmel reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.importers import find_table, open_graph, read_mentions
from otmel.data.melbench import is_melbench, read_melbench
from otmel.data.mention_checks import check_answer
from otmel.data.mimic import read_mimic
from otmel.data.mimic_layout import ENTITY_FILE, EXPECTED, SPLITS, split_files
from otmel.data.records import ImageSource, Mention
from otmel.data.tables import READERS
from otmel.errors import DataError
from otmel.remote import Place, local
from otmel.settings import Settings


class Benchmark(Settings):
    """A published benchmark with its counts in the paper's Table 5.

    Attributes:
        name: its name in the paper.
        prefix: of its split files (``PREFIX_train.json``).
        train: number of mentions; ``dev`` and ``test`` likewise.
        mention_images: number of different images of mentions.
        same_name: number of entities that share their name with another. The paper does not say how it counts, so
            loading does not compare it; ``otmel data check`` prints the data's own number.
        entities: number of entities; ``other_entities``, numbers that other archives of the same set are known to have.
        entities_with_images: number of entities that have an image.
    """

    name: str
    prefix: str
    train: int
    dev: int
    test: int
    mention_images: int
    same_name: int
    entities: int
    entities_with_images: int
    other_entities: tuple[int, ...] = ()

    def differences(self, dataset: Dataset) -> list[str]:
        """Every count in which ``dataset`` differs from Table 5, in words; empty when it agrees."""
        mentions = [mention for split in dataset.splits.values() for mention in split]
        entities = len(dataset.graph)
        counts = {
            "entities": (entities, entities if entities in self.other_entities else self.entities),
            "train mentions": (len(dataset.splits.get("train", ())), self.train),
            "dev mentions": (len(dataset.splits.get("dev", ())), self.dev),
            "test mentions": (len(dataset.splits.get("test", ())), self.test),
            "mention images": (_different_images(mentions), self.mention_images),
            "entities with images": (sum(bool(e.images) for e in dataset.graph), self.entities_with_images),
        }
        return [f"{what}: {here:,} here, {paper:,} there" for what, (here, paper) in counts.items() if here != paper]


def _different_images(mentions: list[Mention]) -> int:
    images: list[ImageSource | None] = [mention.image for mention in mentions]
    return len({str(image) for image in images if image is not None})


WIKIMEL: Final = Benchmark(
    name="WikiMEL",
    prefix="WIKIMEL",
    train=18_092,
    dev=2_585,
    test=5_169,
    mention_images=22_136,
    same_name=616,
    entities=109_976,
    entities_with_images=67_195,
)
RICHPEDIAMEL: Final = Benchmark(
    name="RichpediaMEL",
    prefix="RichpediaMEL",
    train=12_463,
    dev=1_780,
    test=3_562,
    mention_images=15_853,
    same_name=15_514,
    entities=160_933,
    entities_with_images=86_769,
    other_entities=(160_935,),
)
WIKIDIVERSE: Final = Benchmark(
    name="WikiDiverse",
    prefix="wiki_diverse",
    train=11_351,
    dev=1_664,
    test=2_078,
    mention_images=6_697,
    same_name=14_827,
    entities=132_460,
    entities_with_images=67_309,
)
BENCHMARKS: Final[Mapping[str, Benchmark]] = {b.prefix.lower(): b for b in (WIKIMEL, RICHPEDIAMEL, WIKIDIVERSE)}


def recognise(folder: str | Path) -> Benchmark | None:
    """The published benchmark whose split files stand in ``folder``, or ``None``."""
    folder = Path(folder)
    prefixes = {file.prefix.lower() for file in split_files(folder).values()} if folder.is_dir() else set()
    return BENCHMARKS.get(prefixes.pop()) if len(prefixes) == 1 else None


def load_dataset(path: Place, graph: KnowledgeGraph | Place | None = None, strict: bool = False) -> Dataset:
    """Load a data set of any layout.

    - a folder in MIMIC's format; a published benchmark is recognised by its file names, and counts that differ from
      Table 5 are findings ("differs from Table 5");
    - a folder of own data: ``entities.{jsonl,csv,parquet}`` and ``train``, ``dev``, ``test`` in the same formats;
    - an archive of MELBench, which has no entities and so needs ``graph``; its mentions form the split ``all``.

    Args:
        path: folder or archive, or its address (``s3://…``).
        graph: for MELBench, the graph or where to read it.
        strict: for own data, stop at the first row that cannot be used.

    Raises:
        DataError: nothing of the kind is there (says what was looked for), or it cannot be used.
    """
    path = local(path)
    if not path.exists():
        raise DataError("there is no such folder", where=str(path), cure=_LAYOUTS)
    if is_melbench(path) and not (path / ENTITY_FILE).is_file():
        return _load_melbench(path, graph)
    if not path.is_dir():
        raise DataError("a folder was expected, this is a file", where=str(path), cure=_LAYOUTS)
    if find_table(path, "entities"):
        return _load_own(path, strict)
    if not (path / ENTITY_FILE).is_file() and not split_files(path):
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:10]) or "nothing"
        raise DataError(f"no data set is recognised here; the folder holds: {found}", where=str(path), cure=_LAYOUTS)
    dataset, benchmark = read_mimic(path), recognise(path)
    if benchmark is not None:
        for difference in benchmark.differences(dataset):
            dataset.findings.add("differs from Table 5", f"{benchmark.name}: {difference}")
    return dataset


_LAYOUTS = (
    f"a data set is a folder in MIMIC's format ({EXPECTED}), a folder of own data (entities with the suffix "
    f"{', '.join(READERS)}, and train, dev, test likewise), or an archive of MELBench (.zip)"
)


def _load_own(folder: Path, strict: bool) -> Dataset:
    graph, findings = open_graph(folder, strict), Findings()
    findings.merge(graph.findings)
    splits: dict[str, tuple[Mention, ...]] = {}
    for split in SPLITS:
        path = find_table(folder, split) or (find_table(folder, "valid") if split == "dev" else None)
        if path is None:
            continue
        mentions, met = read_mentions(path, strict=strict)
        findings.merge(met)
        if not mentions:
            findings.add("empty split", path.name)
        for number, mention in enumerate(mentions):
            check_answer(mention, graph, findings, f"{path.name}: mention {mention.id or number}")
        splits[split] = tuple(mentions)
    if not splits:
        findings.add("no split found", f"looked for {', '.join(SPLITS)} beside the entities")
    return Dataset(folder.resolve().name, graph, splits, findings, folder)


def _load_melbench(path: Path, graph: KnowledgeGraph | Place | None) -> Dataset:
    if graph is None:
        raise DataError(
            "MELBench's archives hold mentions but no entities, so there is nothing to link to",
            where=str(path),
            cure="give a graph of Wikidata entities (graph=…, --graph), or read the mentions alone with read_melbench",
        )
    graph, findings = graph if isinstance(graph, KnowledgeGraph) else KnowledgeGraph.open(graph), Findings()
    findings.merge(graph.findings)
    mentions = tuple(read_melbench(path, findings))
    for number, mention in enumerate(mentions):
        check_answer(mention, graph, findings, f"{path.name}: mention {mention.id or number}")
    return Dataset(path.stem, graph, {"all": mentions}, findings, path)
