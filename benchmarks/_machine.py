"""The machine, the versions and the commit that figures were measured with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("otmel", "torch", "numpy", "numba", "triton", "POT", "lancedb", "faiss-cpu")
WIDE: Final = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
"""What decides which instructions a kernel can use."""


def machine() -> dict[str, Any]:
    """Model, cores, memory in GiB and instruction sets of the processor, and the GPU where torch sees one."""
    model, flags = _processor()
    return {
        "cpu": model,
        "cores": len(usable_cores()),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "flags": [flag for flag in WIDE if flag in flags],
        "gpu": _gpu(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> Mapping[str, str]:
    """Python's version and those of the packages that are there."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> tuple[str | None, bool]:
    """The commit that is checked out, and whether code differs from it; ``None`` outside a checkout."""
    if shutil.which("git") is None:
        return None, False
    asked = (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "src", "benchmarks/*.py"))
    head, changed = (
        subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=False) for words in asked
    )
    return (head.stdout.strip(), bool(changed.stdout.strip())) if head.returncode == 0 else (None, False)


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def load() -> float | None:
    """Processes that wanted a core in the last minute, on average; ``None`` where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _processor() -> tuple[str, set[str]]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine(), set()
    told = dict(line.split(":", 1) for line in path.read_text().split("\n\n")[0].splitlines() if ":" in line)
    told = {key.strip(): value.strip() for key, value in told.items()}
    flags = set((told.get("flags") or told.get("Features") or "").split())
    family = f" (family {told['cpu family']}, model {told['model']})" if "cpu family" in told else ""
    return told.get("model name", platform.machine()) + family, flags


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
