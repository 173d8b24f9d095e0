"""The image folders of MIMIC's format: found under any of their names, scanned once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from otmel.data.findings import Findings
from otmel.data.images import leaves_folder, resolve_image

FOLDER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "entity": ("kb_image", "kb_images", "kb_img", "kb_imgs", "entity_image", "entity_images"),
    "mention": ("mention_image", "mention_images", "mention_img", "mention_imgs"),
}
"""Side → the names under which its image folder is looked for, in any case; the first is the format's own."""


class ImageFolder:
    """The images of one side of a data set.

    Every folder that bears one of the side's names is used, the format's own name first. What was found under another
    name, and what was not found at all, goes to ``findings``.

    Args:
        root: the folder of the data set.
        side: ``entity`` or ``mention``.
        findings: takes what is reported.
    """

    def __init__(self, root: Path, side: str, findings: Findings) -> None:
        self._findings = findings
        self._files: dict[str, str] = {}
        self._outside: set[str] = set()
        self.folders = _named(root, FOLDER_NAMES[side])
        own = FOLDER_NAMES[side][0]
        for folder in reversed(self.folders):
            self._scan(folder)
        if not self.folders:
            findings.add("image folder missing", f"{side} images: looked for {', '.join(FOLDER_NAMES[side])} in {root}")
        for folder in self.folders:
            if folder.name != own:
                findings.add("image folder under another name", f"{side} images: {folder.name}/ is used for {own}/")

    def find(self, names: Sequence[str], where: str) -> Path | None:
        """The first of ``names`` that is a file here, or ``None`` and a count of why there is none.

        The last name is the one the row states: when another was asked for first and only the last is there, that
        is counted too.
        """
        stated = names[-1]
        for name in names:
            if name in self._files:
                if name == stated != names[0]:
                    self._findings.add("image found by its whole name", f"{where}: {name!r}, not {names[0]!r}")
                return Path(self._files[name])
        if leaves_folder(stated) or not self._outside.isdisjoint(names):
            self._findings.add("image outside its folder", f"{where}: {stated!r}")
        elif self.folders and "/" in stated:
            return resolve_image(self.folders[0], stated, self._findings, where)
        else:
            self._findings.add("image missing", f"{where}: {stated!r}")
        return None

    def _scan(self, folder: Path) -> None:
        root = os.path.realpath(folder)
        shown = str(folder.absolute())
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
                    self._outside.add(entry.name)
                elif entry.is_file():
                    self._files[entry.name] = os.path.join(shown, entry.name)  # noqa: PTH118 (160,000 times)


def _named(root: Path, names: Sequence[str]) -> list[Path]:
    found = {name.casefold(): [] for name in names}
    for path in sorted(root.iterdir()):
        if path.name.casefold() in found and path.is_dir():
            found[path.name.casefold()].append(path)
    return [path for name in names for path in found[name]]
