"""Write ``constraints.txt``: the exact version of every package that otmel with its extras needs, as installed now.

Versions lose their local part (``+cpu``, ``+cu126``) and packages that only some builds of torch bring (``nvidia-…``)
are left out, so that the file serves every build. A package whose release needs a newer Python than otmel does is
pinned for those versions of Python only.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

TARGET = Path(__file__).parents[1] / "constraints.txt"
EXTRAS = ("dev", "minilm", "fast", "cuda", "candidates", "serve", "client", "spacy", "docs", "cluster")
OLDEST_PYTHON = "3.10"
ONLY_SOME_BUILDS = re.compile(r"nvidia-|cuda-")
LINUX_ONLY = ("triton",)
HEADER = "# Tested versions of all packages otmel needs. Written by `make constraints`; do not edit by hand.\n"


def requirements(package: Distribution, extras: tuple[str, ...]) -> list[Requirement]:
    """What ``package`` with ``extras`` asks for on this machine."""
    asked = [Requirement(line) for line in package.requires or ()]
    return [
        need
        for need in asked
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def closure() -> dict[str, Distribution]:
    """Every installed package that otmel needs, directly or not, by canonical name."""
    found: dict[str, Distribution] = {}
    visited: set[tuple[str, tuple[str, ...]]] = set()
    waiting = [("otmel", EXTRAS)]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in visited or ONLY_SOME_BUILDS.match(name):
            continue
        visited.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is needed and not installed: run make install") from None
        waiting += [
            (canonicalize_name(need.name), tuple(sorted(need.extras))) for need in requirements(found[name], extras)
        ]
    del found["otmel"]
    return found


def pin(name: str, package: Distribution) -> str:
    """``name==version``, with a marker where the release does not serve the oldest Python."""
    version = package.version.partition("+")[0]
    needed = SpecifierSet(package.metadata["Requires-Python"] or "")
    lowest = next(f"3.{minor}" for minor in range(10, 30) if needed.contains(f"3.{minor}.20"))
    markers = [f'python_version >= "{lowest}"'] * (lowest != OLDEST_PYTHON) + ['platform_system == "Linux"'] * (
        name in LINUX_ONLY
    )
    return f"{name}=={version}" + (f"; {' and '.join(markers)}" if markers else "")


def main() -> None:
    """Write the file."""
    pins = [pin(name, package) for name, package in sorted(closure().items())]
    TARGET.write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
