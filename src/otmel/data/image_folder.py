"""The image folders of MIMIC's format: found under any of their names, scanned once."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from otmel.data.findings import Findings
from otmel.data.image_root import HasValues, ImageRoot
from otmel.data.images import leaves_folder, resolve_image
from otmel.remote import lazy

R = TypeVar("R", bound=HasValues)
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
        self.root, self._images, self._findings = root, ImageRoot(root), findings
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
        if (name := self._first(names)) is not None:
            if name == stated != names[0]:
                self._findings.add("image found by its whole name", f"{where}: {name!r}, not {names[0]!r}")
            return self._arrived(Path(self._files[name]), where)
        if leaves_folder(stated) or not self._outside.isdisjoint(names):
            self._findings.add("image outside its folder", f"{where}: {stated!r}")
        elif self.folders and "/" in stated:
            return resolve_image(self.folders[0], stated, self._findings, where, self._images.look)
        else:
            self._findings.add("image missing", f"{where}: {stated!r}")
        return None

    def ahead(self, rows: Iterable[R], names: Callable[[R], Iterable[Sequence[str]]]) -> Generator[R]:
        """The rows; from a store, the images that they name have been sent for (``ImageRoot.ahead``).

        Args:
            rows: the rows.
            names: those of a row's images, for each as ``find`` takes them; raises nothing.
        """
        return self._images.ahead(rows, lambda row: filter(None, map(self._there, names(row))))

    def _first(self, names: Sequence[str]) -> str | None:
        return next((name for name in names if name in self._files), None)

    def _there(self, names: Sequence[str]) -> tuple[str, ...]:
        """Where ``find`` looks for an image, relative to the root."""
        if (name := self._first(names)) is not None:
            return (str(Path(self._files[name]).relative_to(self.root)),)
        inside = self.folders and "/" in names[-1] and not leaves_folder(names[-1])
        return (str((self.folders[0] / names[-1]).relative_to(self.root)),) if inside else ()

    def _arrived(self, path: Path, where: str) -> Path | None:
        """A file that was there when the folder was scanned; from a store, its copy."""
        found = self._images.look(path) if self._images.in_store else path
        if found is None:
            self._findings.add("image missing", f"{where}: {path.name!r}")
        return found

    def _named(self, names: Sequence[str]) -> list[Path]:
        """The folders in the root that bear one of the names, in the order of these; or a root in a store that does."""
        if not self._images.in_store:
            entries = sorted(self.root.iterdir())
            return [one for name in names for one in entries if one.name.casefold() == name and one.is_dir()]
        there, files = lazy.inside(self.root)
        if self.root.name.casefold() in names:
            return [self.root] if there or files else []
        return [self.root / one for name in names for one in there if one.casefold() == name]

    def _scan(self, folder: Path) -> None:
        if self._images.in_store:
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
