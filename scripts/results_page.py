"""Write ``docs/results.md`` and its pictures from the committed reproductions in ``docs/results``.

    python scripts/results_page.py --take reproduction             copy its reports to docs/results, then write the page
    python scripts/results_page.py --take other --as congress      the same beside them, as table1@congress and so on
    python scripts/results_page.py                                 write the page
    python scripts/results_page.py --check                         fail when the page is out of date

``otmel reproduce`` makes the JSON; nothing on the page is typed by hand but its introduction.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

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


def page(records: Records) -> str:
    """The page, as Markdown."""
    listed = [f"- [{name}](#{name}): {record['title']}" for name, record in records.items()]
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
    return "\n".join(part.rstrip() + "\n" for part in parts)


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
    text = page(read())
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            return "docs/results.md is out of date: run scripts/results_page.py and commit what it writes"
        return None
    PAGE.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
