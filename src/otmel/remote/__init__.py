"""Storage by address: what lies at ``s3://…`` or elsewhere is read through checked copies, and written by commits.

``local`` turns a place into a path to read from, ``changing`` into a folder to change, ``written`` into a file to
write. Of a path on this machine they make nothing else; of an address, a copy in the folder that ``OTMEL_CACHE`` names.
The names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otmel.remote.layouts import RUN, TREE, Layout, Tree
    from otmel.remote.opening import local
    from otmel.remote.places import Place, Uri, is_remote, placed
    from otmel.remote.writing import changing, written

_HOME_OF: Final = {
    "RUN": "layouts",
    "TREE": "layouts",
    "Layout": "layouts",
    "Place": "places",
    "Tree": "layouts",
    "Uri": "places",
    "changing": "writing",
    "is_remote": "places",
    "local": "opening",
    "placed": "places",
    "written": "writing",
}

__all__ = ["RUN", "TREE", "Layout", "Place", "Tree", "Uri", "changing", "is_remote", "local", "placed", "written"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
