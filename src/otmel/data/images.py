"""Open images safely: a missing or broken one is an ``ImageError`` with a short reason, never a black square."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otmel.data.findings import Findings
from otmel.data.pixels import as_rgb, quiet_pillow, upright
from otmel.data.records import ImageSource
from otmel.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 64_000_000
"""Pixels above which an image is refused from its header (a decoded one would take 200 MB and more)."""

FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")

KINDS: Final[Mapping[str, str]] = {
    "missing": "image missing",
    "unreadable": "image unreadable",
    "empty file": "image file empty",
    "not an image": "image file is no image",
    "too many pixels": "image has too many pixels",
    "truncated": "image truncated",
    "broken": "image broken",
}
"""Reason of an ``ImageError`` → the kind under which it is counted."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode an image to RGB, eight bits a channel.

    The EXIF orientation is applied, transparency is laid on white, 16-bit grey is scaled by 1/257 (32-bit and
    floating-point grey is stretched to the range it uses), and of an animation the first frame is taken; the others
    are not looked at. Formats: JPEG, PNG, GIF, WebP, BMP, TIFF.

    Args:
        source: a path, encoded bytes or an opened Pillow image (which is left as it is).
        max_pixels: width × height above which the image is refused before it is decoded.

    Raises:
        ImageError: with a ``reason`` that is one of the keys of ``KINDS``.
    """
    from PIL import Image

    with quiet_pillow():
        if isinstance(source, Image.Image):
            return _decoded(source, "<image>", max_pixels)
        where = "<bytes>" if isinstance(source, bytes) else str(source)
        data = io.BytesIO(source) if isinstance(source, bytes) else _opened_file(source)
        with data:
            return _decoded(_identified(data, where, max_pixels), where, max_pixels)


def try_open(source: ImageSource, findings: Findings, where: str, max_pixels: int = MAX_PIXELS) -> Image | None:
    """``open_image``, or ``None`` and one more count in ``findings`` under the reason's kind."""
    try:
        return open_image(source, max_pixels)
    except ImageError as fault:
        findings.add(KINDS[fault.reason], where)
        return None


def check_header(data: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Look at an image's header and decode nothing. Raises ``ImageError`` as ``open_image`` does."""
    with quiet_pillow(), io.BytesIO(data) as file:
        _check_pixels(_identified(file, "<bytes>", max_pixels).size, "<bytes>", max_pixels)


def found_there(path: Path) -> Path | None:
    """The file at a path; a copy of it where its folder stands for one in a store (``--image-root s3://…``)."""
    from otmel.remote import lazy

    if lazy.is_late(path.parent):
        return lazy.fetched_late(path)
    return path if path.is_file() else None


def resolve_image(
    folder: Path, name: str, findings: Findings, where: str, look: Callable[[Path], Path | None] = found_there
) -> Path | None:
    """The file ``name`` inside ``folder``, or ``None`` and a count of why not.

    Absolute names, ``..`` and links that lead out of the folder count as "image outside its folder", an empty name
    as "image not stated", an address on the net as "image is an address, not fetched". ``look`` gives the file at a
    path, if there is one.
    """
    kind = name_fault(name)
    if kind is None:
        kind = "image missing"
        try:
            root = Path(os.path.realpath(folder))
            path = Path(os.path.realpath(root / name))
            if not path.is_relative_to(root):
                kind = "image outside its folder"
            elif found := look((folder / name).absolute()):
                return found
        except (OSError, ValueError):  # a NUL, a lone surrogate or a name too long for the file system
            pass
    findings.add(kind, f"{where}: {name!r}" if name else where)
    return None


def name_fault(name: str) -> str | None:
    """Why no folder can hold an image of this name, as it is counted; ``None`` where one can."""
    if not name:
        return "image not stated"
    if "://" in name:
        return "image is an address, not fetched"
    return "image outside its folder" if leaves_folder(name) else None


def leaves_folder(name: str) -> bool:
    """Whether a relative name could lead out of its folder (Windows' spellings included)."""
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or (name != "" and parts[0] == "") or parts[0][1:2] == ":"


def _opened_file(source: str | Path) -> io.BufferedReader:
    where = str(source)
    try:
        status = Path(source).stat()
        # Opening a pipe would wait for a writer that never comes.
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("unreadable", "this is no regular file", where=where)
        return Path(source).open("rb")
    except FileNotFoundError:
        raise ImageError("missing", "there is no such file", where=where) from None
    except (OSError, ValueError) as fault:
        raise ImageError("unreadable", f"the file cannot be read ({fault})", where=where) from None


def _identified(data: io.BufferedReader | io.BytesIO, where: str, max_pixels: int) -> Image:
    """The image with its header read and nothing decoded."""
    from PIL import Image, UnidentifiedImageError

    head = data.read(32)
    data.seek(0)
    if not head:
        raise ImageError("empty file", "the file is empty", where=where)
    _check_pixels(_webp_canvas(head), where, max_pixels)
    try:
        return Image.open(data, formats=FORMATS)
    except Image.DecompressionBombError as fault:
        raise ImageError("too many pixels", str(fault), where=where) from None
    except UnidentifiedImageError:
        if head.startswith(_SIGNATURES):
            raise ImageError("broken", "it starts like an image, but its header is broken", where=where) from None
        raise ImageError("not an image", f"it is none of {', '.join(FORMATS)}", where=where) from None
    except Exception as fault:
        raise _decoding_error(fault, where) from None


def _decoded(image: Image, where: str, max_pixels: int) -> Image:
    _check_pixels(image.size, where, max_pixels)
    try:
        image.load()
        return as_rgb(upright(image))
    except Exception as fault:
        raise _decoding_error(fault, where) from None


def _decoding_error(fault: Exception, where: str) -> ImageError:
    # Decoders meet hostile bytes with every kind of exception; whatever it is, the file is at fault, not the program.
    cut = isinstance(fault, EOFError) or "truncated" in str(fault).lower() or "unexpected end" in str(fault).lower()
    reason = "truncated" if cut else "broken"
    return ImageError(reason, f"it cannot be decoded ({type(fault).__name__}: {fault})", where=where)


def _check_pixels(size: tuple[int, int] | None, where: str, max_pixels: int) -> None:
    if size is not None and size[0] * size[1] > max_pixels:
        problem = f"{size[0]:,} × {size[1]:,} pixels are more than the {max_pixels:,} allowed"
        raise ImageError("too many pixels", problem, where=where)


def _webp_canvas(head: bytes) -> tuple[int, int] | None:
    """Width and height of an extended WebP file: its decoder reserves two canvases before it tells their size."""
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or len(head) < 30:
        return None
    return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
