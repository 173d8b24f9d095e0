"""Write ``docs/equations.md``: where each equation of the paper lives, from the docstrings that say ``Eq. N``.

    python scripts/equations.py            write the page
    python scripts/equations.py --check    fail when an equation has no place or the page is out of date

An equation's place is a docstring in one of its home packages. A range of more than seven equations (``Eq. 1–35``)
says where a chapter is, not where an equation is, and does not count.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "equations.md"
LONGEST_RANGE = 7
MOST_PLACES = 3
NUMBERS = r"\d+(?:\s*[–-]\s*\d+)?"
MENTION = re.compile(rf"\b(?:Eqs?\.|Equations?)\s+({NUMBERS}(?:\s*(?:,|=|and|or|,\s*and)\s*{NUMBERS})*)")
ALGORITHM = re.compile(r"\b(?:Alg\.|Algorithm)\s+1\b")
RANGE = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")

HOMES = {
    "1": ("the task: the most probable entity of a mention", "objectives"),
    "2": ("optimal transport as a linear programme", "ot"),
    "3": ("entropic optimal transport", "ot"),
    "4": ("wording and features of the text", "inputs encoders"),
    "5": ("patches and features of the image", "inputs encoders"),
    "6": ("queries, keys and values of the attention", "ot"),
    "7": ("attention as an assignment", "ot"),
    "8": ("what the attention transports", "ot"),
    "9": ("queries, keys and values of the transport", "ot"),
    "10": ("cosine cost", "ot"),
    "11": ("the transport plan as an assignment", "ot"),
    "12": ("what the plan transports", "ot"),
    "13": ("softpool: a weighted sum", "ot models"),
    "14": ("softpool: its weights", "ot"),
    "15": ("the mention's image, pooled", "models"),
    "16": ("the entity's text, pooled", "models"),
    "17": ("the entity's image, pooled", "models"),
    "18": ("S_F, the fused score", "models"),
    "19": ("projections of unimodal matching", "models ot"),
    "20": ("cost of unimodal matching", "models ot"),
    "21": ("plan of unimodal matching", "models ot"),
    "22": ("what is transported from mention to entity", "models ot"),
    "23": ("the transported mention, pooled", "models"),
    "24": ("S_T and S_V, the unimodal scores", "models"),
    "25": ("S_O, the overall score", "models"),
    "26": ("contrastive loss on the overall score", "objectives"),
    "27": ("contrastive losses on the parts", "objectives"),
    "28": ("distillation: two-sided divergence from the plan", "ot"),
    "29": ("overall loss with distillation", "objectives"),
    "30": ("Monge's problem", "ot"),
    "31": ("Kantorovich's problem", "ot"),
    "32": ("Kantorovich's problem in discrete form", "ot"),
    "33": ("its entropic form", "ot"),
    "34": ("H@k", "evaluation"),
    "35": ("MRR", "evaluation"),
    "Alg. 1": ("the Sinkhorn-Knopp algorithm", "ot"),
}
HEADER = """# Where each equation of the paper lives

Written by `make docs` from the docstrings that say `Eq. N`; `make equations` fails when one is missing. A whole module
is named where the equation is told in its first lines, and a function or class where it is computed.

| equation | what it says | place |
|---|---|---|
"""


@dataclass(frozen=True, order=True)
class Place:
    """A docstring: its file, relative to the repository, and the name of what it documents (empty for a module)."""

    file: str
    name: str

    @property
    def package(self) -> str:
        """The first folder or module below ``otmel``."""
        return Path(self.file).parts[2].removesuffix(".py")

    def link(self) -> str:
        """A Markdown link."""
        module = ".".join(Path(self.file).with_suffix("").parts[2:]).removesuffix(".__init__")
        return f"[`{module}{'.' if self.name else ''}{self.name}`](../{self.file})"


def docstrings(root: Path = ROOT) -> Iterator[tuple[Place, str]]:
    """Every docstring of the package."""
    for path in sorted((root / "src" / "otmel").rglob("*.py")):
        file = path.relative_to(root).as_posix()
        yield from _docstrings_within(ast.parse(path.read_text(encoding="utf-8")), file, ())


def _docstrings_within(node: ast.AST, file: str, names: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
        yield Place(file, ".".join(names)), text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from _docstrings_within(child, file, (*names, child.name))


def equations_in(text: str) -> set[str]:
    """The equations a docstring speaks of."""
    found = {"Alg. 1"} if ALGORITHM.search(text) else set()
    for mention in MENTION.finditer(text):
        for first, last in RANGE.findall(mention.group(1)):
            numbers = range(int(first), int(last or first) + 1)
            if len(numbers) <= LONGEST_RANGE:
                found.update(map(str, numbers))
    return found


def places(documented: Iterable[tuple[Place, str]]) -> Mapping[str, Sequence[Place]]:
    """Equation → the places of its home packages that speak of it, the one that speaks of it alone first."""
    found: dict[str, list[tuple[bool, int, Place]]] = defaultdict(list)
    for place, text in documented:
        told = equations_in(text)
        for equation in told:
            if place.package in HOMES.get(equation, ("", ""))[1].split():
                found[equation].append((not place.name, len(told), place))
    return {equation: [place for *_, place in sorted(there)] for equation, there in found.items()}


def page(found: Mapping[str, Sequence[Place]]) -> str:
    """The page, as Markdown."""
    rows = []
    for equation, (meaning, _) in HOMES.items():
        name = equation if equation.startswith("Alg") else f"Eq. {equation}"
        links = ", ".join(place.link() for place in found.get(equation, ())[:MOST_PLACES]) or "**missing**"
        rows.append(f"| {name} | {meaning} | {links} |")
    return HEADER + "\n".join(rows) + "\n"


def main(arguments: Sequence[str]) -> str | None:
    """Write or check the page; what is wrong, or ``None``."""
    found = places(docstrings())
    text = page(found)
    missing = [f"{equation} (expected in {HOMES[equation][1]})" for equation in HOMES if not found.get(equation)]
    if "--check" not in arguments:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        return "docs/equations.md is out of date: run `make docs` and commit it"
    return f"no docstring says where these are: {', '.join(missing)}" if missing else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
