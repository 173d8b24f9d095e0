"""The folder in which copies are kept: for every address one, with views that never change, and one to write in.

    CACHE/people-0f3a…/uri.json         the address
                       lock             taken by whoever fetches or writes
                       fetching/people  what is being fetched; goes on after a crash
                       views/STAMP/people   a complete copy of one state; never changed, removed when long unused
                       lazy/people      files that were asked for one by one, as images are
                       work/people      the copy that a writer changes, and work.json beside it
                       training/    the same for a run that is being trained, which is more than its readers need

Files that two views share are hard links to one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from otmel.checksums import flushed
from otmel.remote.clients import endpoint
from otmel.remote.places import Uri
from otmel.remote.store import Entry, Listing
from otmel.storage import atomic_write_json, refusals_named

CACHE: Final = "OTMEL_CACHE"
"""The variable of the environment that names the folder."""
NAMING: Final = (CACHE, "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")
UNUSED_SECONDS: Final = 7 * 86_400
"""For how long a view must not have been opened before it goes."""
_held: dict[str, int] = {}


def cache_root() -> Path:
    """The folder of all copies: that of ``OTMEL_CACHE``, or ``otmel`` in the user's cache."""
    if named := os.environ.get(CACHE):
        return Path(named).expanduser().absolute()
    user = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(user) if user else Path.home() / ".cache") / "otmel"


@dataclass(frozen=True)
class Nest:
    """The copies of one address.

    Attributes:
        root: their folder.
        name: of the copies: that of the original, which a data set or an index may go by.
    """

    root: Path
    name: str

    @classmethod
    def of(cls, uri: Uri) -> Nest:
        """That of an address (at the server that the environment names), made where there is none yet."""
        key = hashlib.sha256(f"{endpoint() if uri.scheme == 's3' else ''}\0{uri}".encode()).hexdigest()[:16]
        name = "".join(one if one.isalnum() or one in "-_." else "_" for one in uri.name)[:40]
        nest = cls(cache_root() / f"{name}-{key}", name)
        with refusals_named(nest.root):
            nest.views.mkdir(parents=True, exist_ok=True)
            if not (nest.root / "uri.json").exists():
                atomic_write_json(nest.root / "uri.json", {"uri": str(uri)})
        return nest

    @property
    def uri(self) -> Uri | None:
        """The address; ``None`` where nothing says it."""
        try:
            return Uri(json.loads((self.root / "uri.json").read_bytes())["uri"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def views(self) -> Path:
        """Complete copies."""
        return self.root / "views"

    @property
    def fetching(self) -> Path:
        """A copy that is not complete."""
        return self.root / "fetching" / self.name

    @property
    def lazy(self) -> Path:
        """Files that were asked for one by one."""
        return self.root / "lazy" / self.name

    @property
    def work(self) -> Path:
        """The copy that a writer changes."""
        return self.root / "work" / self.name

    def apart(self, kind: str) -> Nest:
        """A nest in this one, for writers to whom what lies at the address is another kind of folder."""
        nest = Nest(self.root / kind, self.name)
        with refusals_named(nest.root):
            nest.root.mkdir(exist_ok=True)
        return nest

    def view(self, stamp: str) -> Path | None:
        """The view of a state, held until this process ends; ``None`` where there is none."""
        path = self.views / stamp
        if not path.is_dir():
            return None
        _hold(path)
        return path / self.name

    def donors(self) -> list[Path]:
        """Where files may lie that need not be fetched again: the newest view, and what was written here."""
        views = sorted(self.views.glob("*/"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [path for path in (*[view / self.name for view in views[:2]], self.work) if path.is_dir()]

    def finish(self, stamp: str) -> Path:
        """Make what was fetched the view of a state. For the holder of the lock."""
        for place in (*self.fetching.rglob("*"), self.fetching, self.fetching.parent):
            if place.is_dir():
                flushed(place)
        path = self.views / stamp
        self.fetching.parent.rename(path)
        flushed(self.views)
        _hold(path)
        self._sweep()
        return path / self.name

    def _sweep(self) -> None:
        """Remove the views that nobody holds and that nobody has opened for long."""
        for path in self.views.iterdir():
            if path.is_dir() and time.time() - path.stat().st_mtime > UNUSED_SECONDS and _free(path):
                shutil.rmtree(path, ignore_errors=True)
                _mark(path).unlink(missing_ok=True)


def lasting(path: str | Path) -> str:
    """What names a file in every copy of an address, on every machine: its nest and its name there; else the path."""
    nest, *inside = within(path) or (None,)
    if nest is None:
        return str(path)
    held = 3 if inside[:1] == ["views"] else 2  # views/STAMP/NAME, and the name alone after the other folders
    return "/".join([nest, *inside[held:]])


def within(path: str | Path) -> tuple[str, ...]:
    """The parts of a path below the folder of all copies; none for what does not lie in it."""
    text, root = str(path), _prefix(*map(os.environ.get, NAMING))
    return Path(text[len(root) :]).parts if text.startswith(root) else ()


@lru_cache(1)
def _prefix(*_: str | None) -> str:
    """What paths in the cache begin with, found anew when one of the variables that name it has changed."""
    return f"{cache_root()}{os.sep}"


def walked(folder: Path) -> Listing:
    """The files of a folder here, as a store would list them; temporary ones are left out."""
    found: Listing = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not (name.startswith(".") and (".tmp" in name or name.endswith(".part"))):
                status = path.stat()
                found[path.relative_to(folder).as_posix()] = Entry(status.st_size, status.st_mtime_ns)
    return found


def link_or_copy(source: Path, target: Path) -> None:
    """Have a file at another place too, without a copy of its bytes where the disk can. Raises ``OSError``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _mark(view: Path) -> Path:
    return view.with_name(f"{view.name}.used")


def _hold(view: Path) -> None:
    """Keep a view from being swept as long as this process lives."""
    import fcntl

    with suppress(OSError):  # a cache that can only be read needs no marks
        os.utime(view)
        if str(view) not in _held:
            handle = os.open(_mark(view), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _held[str(view)] = handle


def _free(view: Path) -> bool:
    import fcntl

    handle = os.open(_mark(view), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(handle)
