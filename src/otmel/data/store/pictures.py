"""An entity's images as the graph keeps them: bytes copied in as they are, unopened, or paths."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from otmel.data.digest import ABSENT
from otmel.data.findings import Findings
from otmel.data.records import Entity, ImageSource
from otmel.data.store.folder import Images
from otmel.data.store.schema import described


@dataclass(frozen=True, slots=True)
class Pictures:
    """How images are taken in.

    Attributes:
        mode: ``store`` their bytes, or their ``path``.
        cap: bytes above which an image is left out, and counted.
        findings: takes what was left out, and why.
    """

    mode: Images
    cap: int
    findings: Findings

    def taken(self, entity: Entity, where: str) -> tuple[Entity, tuple[tuple[int, int], ...]]:
        """The entity with the images that can be kept, and size and time of those kept as paths."""
        kept: list[Any] = []
        stats: list[tuple[int, int]] = []
        for image in entity.images:
            found = self._one(image, where)
            if isinstance(found, bytes):
                kept.append(found)
            elif found is not None:
                path, description = described(found)
                kept.append(path)
                stats.append(description)
        return (entity if not kept and not entity.images else replace(entity, images=tuple(kept))), tuple(stats)

    def _one(self, image: ImageSource, where: str) -> bytes | Path | None:
        if isinstance(image, bytes):
            return image if self._fits(len(image), where) else None
        if not isinstance(image, (str, Path)):
            self.findings.add("image is neither file nor bytes", where)
            return None
        if self.mode == "store":
            return self._read(image, where)
        if described(image)[1] == ABSENT:
            self.findings.add("image missing", f"{where}: {image}")
            return None
        return Path(image)

    def _read(self, path: str | Path, where: str) -> bytes | None:
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe must not make us wait
            with open(handle, "rb") as file:  # noqa: PTH123 (a handle, no path)
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    self.findings.add("image unreadable", f"{where}: {path} is no regular file")
                elif self._fits(status.st_size, where):
                    return file.read(self.cap)
        except FileNotFoundError:
            self.findings.add("image missing", f"{where}: {path}")
        except (OSError, ValueError) as fault:
            self.findings.add("image unreadable", f"{where}: {path} ({fault})")
        return None

    def _fits(self, size: int, where: str) -> bool:
        if size <= self.cap:
            return True
        self.findings.add("image too large", f"{where}: {size:,} bytes, at most {self.cap:,} are kept")
        return False
