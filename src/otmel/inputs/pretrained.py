"""Reading files of transformers: the disk first, quietly, and with one clear error."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import huggingface_hub
import transformers.utils.logging as transformers_logging
from huggingface_hub.utils import logging as hub_logging

from otmel.errors import CheckpointError

T = TypeVar("T")


@contextmanager
def quiet() -> Iterator[None]:
    """Neither progress bars nor notices of transformers and huggingface_hub; their state is restored afterwards."""
    levels = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(levels[0])
        hub_logging.set_verbosity(levels[1])
        if bars:
            transformers_logging.enable_progress_bar()


def read_pretrained(load: Callable[..., T], name: str, what: str, **options: Any) -> T:
    """``load(name, **options)``, where ``load`` is a ``from_pretrained`` of transformers.

    A folder and a name whose files are in the local cache are read without opening a socket.

    Args:
        load: the function that reads.
        name: a folder or a name on the Hugging Face Hub.
        what: what is read, for the error (``the tokenizer``).
        options: passed on.

    Raises:
        CheckpointError: nothing by that name, a missing or broken file, or no network to fetch it.
    """
    with quiet():
        try:
            return load(name, local_files_only=True, **options)
        except Exception as fault:  # transformers raises a dozen kinds for a missing or broken file
            if is_folder(name):
                raise unreadable(name, what, fault) from fault
        if not _online():
            raise CheckpointError(
                f"{what} of {name!r} is not on this machine, and there is no network to fetch it",
                cure=f"give a folder, or fetch it where there is a network with: hf download {name}",
            )
        try:
            return load(name, **options)
        except Exception as fault:
            raise unreadable(name, what, fault) from fault


def unreadable(name: str, what: str, fault: Exception) -> CheckpointError:
    """The error for files that are missing or broken."""
    if is_folder(name) and not Path(name).is_dir():
        cure = "give a folder or a name on the Hugging Face Hub"
        return CheckpointError("there is no such folder", where=name, cure=cure)
    first = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
    held = sorted(p.name for p in Path(name).iterdir()) if Path(name).is_dir() else []
    cure = f"the folder holds: {', '.join(held) or 'nothing'}" if is_folder(name) else None
    return CheckpointError(f"{what} cannot be read: {first}", where=name, cure=cure)


def is_folder(name: str) -> bool:
    """Whether ``name`` means a place on the disk and not a name on the Hub (``owner/model`` or ``model``)."""
    return Path(name).exists() or name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def _online() -> bool:
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    if any(key.lower() in {"https_proxy", "all_proxy"} for key in os.environ):
        return True  # behind a proxy names need not resolve here
    try:
        socket.getaddrinfo(urlsplit(huggingface_hub.constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True
