"""The image folders of MIMIC's format: found under any of their names, scanned once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from otmel.data.findings import Findings
from otmel.data.images import leaves_folder, resolve_image
from otmel.data.images_ahead import images_ahead
from otmel.remote import lazy

T = TypeVar("T")
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
        self.root, self._late, self._findings = root, lazy.is_late(root), findings
        self._files: dict[str, str] = {}
        self._outside: set[str] = set()
        self.folders = self._named(FOLDER_NAMES[side])
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
                return self._arrived(Path(self._files[name]), where)
        if leaves_folder(stated) or not self._outside.isdisjoint(names):
            self._findings.add("image outside its folder", f"{where}: {stated!r}")
        elif self.folders and "/" in stated:
            return resolve_image(self.folders[0], stated, self._findings, where)
        else:
            self._findings.add("image missing", f"{where}: {stated!r}")
        return None

    def ahead(self, rows: Iterable[T], names: Callable[[T], Iterable[str]]) -> Iterator[T]:
        """The rows; from a store, the images that they name are sent for before they are used (``images_ahead``)."""
        return images_ahead(rows, self.root, lambda row: self.known(names(row)))

    def known(self, names: Iterable[str]) -> Iterator[str]:
        """Those of the names that are files here, relative to the root."""
        return (str(Path(self._files[name]).relative_to(self.root)) for name in names if name in self._files)

    def _arrived(self, path: Path, where: str) -> Path | None:
        """A file that was there when the folder was scanned; from a store, its copy."""
        found = lazy.fetched_late(path) if self._late else path
        if found is None:
            self._findings.add("image missing", f"{where}: {path.name!r}")
        return found

    def _named(self, names: Sequence[str]) -> list[Path]:
        """The folders in the root that bear one of the names, in the order of these; or a root in a store that does."""
        if self._late and self.root.name.casefold() in names:
            return [self.root]
        there = lazy.inside(self.root)[0] if self._late else [one.name for one in self.root.iterdir() if one.is_dir()]
        return [self.root / one for name in names for one in sorted(there) if one.casefold() == name]

    def _scan(self, folder: Path) -> None:
        if self._late:
            self._files.update((name, str(folder / name)) for name in lazy.inside(folder)[1])
            return
        root = os.path.realpath(folder)
        shown = str(folder.absolute())
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
                    self._outside.add(entry.name)
                elif entry.is_file():
                    self._files[entry.name] = os.path.join(shown, entry.name)  # noqa: PTH118 (160,000 times)
