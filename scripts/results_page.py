"""Write ``docs/results.md`` and its pictures from the committed reproductions in ``docs/results``.

    python scripts/results_page.py --take reproduction             copy its reports to docs/results, then write the page
    python scripts/results_page.py --take other --as congress      the same beside them, as table1@congress and so on
    python scripts/results_page.py                                 write the page
    python scripts/results_page.py --check                         fail when the page is out of date

``otmel reproduce`` makes the JSON, and ``scripts/compare_family.py`` that of the family of assignments; nothing on the
page is typed by hand but its introduction.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

from otmel.evaluation.grid import Grid
from otmel.reproduction.report import FORMAT, markdown
from otmel.reproduction.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"
Records: TypeAlias = Mapping[str, dict[str, Any]]

NOT_RUN = "<!-- not run: it trains for minutes to days -->"
"""What a block's reader in the tests looks for."""

HEADER = """# Results

Written by `python scripts/results_page.py` from `docs/results/*.json`, which `otmel reproduce` wrote. Each section is a
table or a figure of the paper (or an experiment of later work), measured here and printed beside the paper's own
figures, with what differs from the paper and the command that runs it again. Ranks are over all entities, ties are
realistic; a difference whose interval contains 0 is "not separated". Figures at the scale tiny are of small or
generated data with small encoders: they show that everything runs and how the systems stand to each other *there*, not
what the paper's data would give.
"""


def page(records: Records, further: str = "") -> str:
    """The page, as Markdown; ``further`` is its last section."""
    listed = [f"- [{name}](#{name}): {record['title']}" for name, record in records.items()]
    listed += ["- [family](#family): assignments beyond the two of the paper"] if further else []
    measured = {record["target"] for record in records.values()}
    absent = [name for name in TARGETS if name not in measured]
    parts = [HEADER, "\n".join(listed) or "Nothing has been reproduced yet."]
    if absent:
        parts.append(f"Not measured yet: {', '.join(absent)}.")
    for name, record in records.items():
        body = markdown(record, pictures=f"results/{name}/", depth=2).split("\n", 1)
        place = f", {record['place']}" if record["place"] else ""
        text = body[1].replace("```bash", f"{NOT_RUN}\n```bash")
        parts.append(f'<a id="{name}"></a>\n\n## {name}: {record["title"]}{place}\n{text}')
    parts += [further] if further else []
    return "\n".join(part.rstrip() + "\n" for part in parts)


FAMILIES: Mapping[str, str] = {
    "token-track.json": "token track, test: 240 entities, 500 mentions a seed, all entities as candidates",
    "congress.json": "congress, dev: 6,382 entities, 196 mentions, MiniLM's text tower, all entities as candidates",
}
"""Comparisons of the family of assignments, and what was measured in each."""
OF_FAMILY = "Differences from messages/balanced (alone/…: from alone/balanced), 95% t intervals over seeds."


def family(folder: Path = RESULTS / "family") -> str:
    """The section on assignments beyond the paper's, in MRR points; nothing where none was compared."""
    files = {folder / name: title for name, title in FAMILIES.items()}
    held = {title: json.loads(path.read_text(encoding="utf-8")) for path, title in files.items() if path.is_file()}
    if not held:
        return ""
    head = '<a id="family"></a>\n\n## family: assignments beyond the two of the paper\n\n'
    said = "\nWhat each point is, and how to run it again: [Beyond the two assignments](family.md).\n"
    return head + "\n".join(_compared(title, one).as_markdown() for title, one in held.items()) + said


def _compared(title: str, held: Mapping[str, Any]) -> Grid:
    """Means over all seeds of a point, best first; differences are paired over the seeds that both have."""
    differences = {one["point"]: one for one in held["differences"]}
    means = {point: fmean(run["test"] for run in runs.values()) for point, runs in held["runs"].items()}
    rows = []
    for point in sorted(means, key=lambda point: -means[point]):
        one, against = differences.get(point), "–"
        if one:
            apart = "separated" if one["low"] > 0 or one["high"] < 0 else "not separated"
            against = f"{one['difference']:+.1f} [{one['low']:+.1f}, {one['high']:+.1f}], {apart}"
        rows.append((point, f"{means[point]:.1f}", against, str(len(held["runs"][point]))))
    return Grid(title, ("point", "MRR %", "paired difference", "seeds"), tuple(rows), held.get("caption", OF_FAMILY))


def read(folder: Path = RESULTS) -> Records:
    """The reports by name, in the order of the targets; ``table1@congress.json`` is a further one of table1."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    strange = [name for name, record in found.items() if record.get("format") != FORMAT]
    if strange:
        raise SystemExit(f"{strange[0]}.json is no report of otmel reproduce ({FORMAT})")
    order = list(TARGETS)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[1]["target"]), item[0])))


def take(source: Path, folder: Path = RESULTS, suffix: str = "") -> list[str]:
    """Copy every report in a reproduction's folder, with its pictures; the names under which they were taken."""
    taken = []
    for name in TARGETS:
        report = source / name / f"{name}.json"
        if report.is_file():
            taken.append(f"{name}{suffix}")
            (folder / taken[-1]).mkdir(parents=True, exist_ok=True)
            values = json.loads(report.read_text(encoding="utf-8"))
            # Where folders lay on the machine that measured says nothing to a reader: their names do.
            words = [Path(word).name if word.startswith("/") else word for word in shlex.split(values["command"])]
            values["command"] = shlex.join(words)
            text = json.dumps(values, ensure_ascii=False, indent=1)
            (folder / f"{taken[-1]}.json").write_text(text + "\n", encoding="utf-8")
            for picture in values["pictures"]:
                shutil.copy(source / name / f"{picture}.svg", folder / taken[-1])
    return taken


def main(arguments: Sequence[str]) -> str | None:
    """Take, write or check; what is wrong, or ``None``."""
    if "--take" in arguments:
        given = dict(zip(arguments[::2], arguments[1::2], strict=True))
        source = Path(given["--take"])
        if not take(source, suffix=f"@{given['--as']}" if "--as" in given else ""):
            return f"{source} holds no report: otmel reproduce writes OUT/TARGET/TARGET.json"
    text = page(read(), family())
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            return "docs/results.md is out of date: run scripts/results_page.py and commit what it writes"
        return None
    PAGE.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
