"""The report of a reproduction: Markdown, LaTeX, CSV, JSON and pictures, the paper's own figures beside."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from otmel.evaluation.grid import Grid
from otmel.evaluation.results import versions
from otmel.reproduction.collected import Collected
from otmel.reproduction.part import Part
from otmel.storage import atomic_write_json, atomic_write_text

PICTURE_KINDS = (".png", ".svg")
FORMAT = "otmel reproduction 1"


@dataclass(frozen=True)
class Content:
    """What a report says."""

    found: Collected
    part: Part

    @property
    def deviations(self) -> tuple[str, ...]:
        """In what it differs from the paper."""
        request = self.found.plan.request
        if not request.target.rows:
            return request.target.deviations  # nothing is trained: a scale changes nothing
        own = [f"settings of every run, on top: {' '.join(request.set)}"] if request.set else []
        own += [f"preset {request.preset} in place of {request.scale.preset}"] if request.preset else []
        return (*request.target.deviations, *request.scale.deviations, *own)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks of the plan and of the analysis."""
        return (*self.found.plan.notes, *self.part.notes)

    @property
    def grids(self) -> tuple[Grid, ...]:
        """What was measured, then the paper's own tables."""
        return (*self.part.grids, *(printed.grid() for printed in self.found.plan.request.target.printed))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        plan = self.found.plan
        request = plan.request
        return {
            "format": FORMAT,
            "target": request.target.name,
            "title": request.target.title,
            "place": request.target.place,
            "scale": request.scale.name,
            "seeds": request.seeds,
            "command": shlex.join(request.words()),
            "tables": [asdict(grid) for grid in self.grids],
            "values": dict(self.part.values),
            "unavailable": plan.unavailable,
            "notes": list(self.notes),
            "deviations": list(self.deviations),
            "pictures": sorted(self.part.pictures),
            "threads": request.threads,
            "versions": versions(),
        }


@dataclass(frozen=True)
class Report:
    """A report on the disk.

    Attributes:
        content: what it says.
        files: where; the Markdown first.
    """

    content: Content
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """What the JSON file says, and where the files are."""
        return {**self.content.as_json(), "files": [str(path) for path in self.files]}

    def as_text(self) -> str:
        """The page, as Markdown."""
        return markdown(self.content.as_json()) + "\nwrote " + ", ".join(map(str, self.files)) + "\n"


def written(content: Content, folder: Path) -> Report:
    """Write a report. Raises ``StorageError``."""
    name = content.found.plan.request.target.name
    values = content.as_json()
    texts = {
        ".md": markdown(values),
        ".tex": "\n".join(grid.as_latex() for grid in content.grids),
        ".csv": "\n".join(f"# {grid.title}\n{grid.as_csv()}" for grid in content.grids),
    }
    files = [folder / f"{name}{suffix}" for suffix in texts]
    for path, text in zip(files, texts.values(), strict=True):
        atomic_write_text(path, text)
    atomic_write_json(folder / f"{name}.json", values)
    files.append(folder / f"{name}.json")
    for picture, draw in content.part.pictures.items():
        for kind in PICTURE_KINDS:
            draw(folder / f"{picture}{kind}")
            files.append(folder / f"{picture}{kind}")
    return Report(content, tuple(files))


def markdown(values: Mapping[str, Any], pictures: str = "", depth: int = 1) -> str:
    """A report's JSON as a page.

    Args:
        values: of the JSON file.
        pictures: folder of the pictures, relative to the page, with a slash at its end.
        depth: level of the title.
    """
    place = f" ({values['place']})" if values["place"] else ""
    lines = [f"{'#' * depth} {values['target']}: {values['title']}{place}", ""]
    for grid in values["tables"]:
        lines += [
            Grid(grid["title"], tuple(grid["columns"]), tuple(map(tuple, grid["rows"])), grid["caption"]).as_markdown()
        ]
    lines += [f"![{name}]({pictures}{name}{PICTURE_KINDS[1]})\n" for name in values["pictures"]]
    for head, key in (("Notes", "notes"), ("Deviations from the paper", "deviations")):
        if values[key]:
            lines += [f"{head}:", "", *(f"- {one}" for one in values[key]), ""]
    used = ", ".join(f"{name} {version}" for name, version in values["versions"].items())
    lines += [
        "Run it again:",
        "",
        "```bash",
        values["command"],
        "```",
        "",
        f"{used}; {values['threads']} threads a run.",
    ]
    return "\n".join(lines).rstrip() + "\n"
