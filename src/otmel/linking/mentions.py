"""What is looked at around the linking of a mention: its image's place, its text, and what was odd about both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from otmel.data.findings import Findings
from otmel.data.images import resolve_image, try_open
from otmel.data.mention_checks import check_text
from otmel.data.records import Mention
from otmel.errors import DataError

NO_VISION = "image not used: the model reads text alone"


def prepared(mention: Mention, place: str, image_root: Path | None, findings: Findings) -> Mention:
    """A mention ready to be linked.

    Args:
        mention: the mention.
        place: what to call it in findings and errors.
        image_root: the folder that image paths must stay in and are relative to; ``None``: paths are taken as given.
        findings: takes what is odd. A refused image is taken from the mention.

    Raises:
        DataError: neither text nor an image that opens: nothing to link by.
    """
    if image_root is not None and isinstance(mention.image, (str, Path)):
        mention = replace(mention, image=_inside(image_root, mention.image, findings, place))
    if not mention.name.strip() and (mention.image is None or try_open(mention.image, findings, place) is None):
        why = "; ".join(findings.counts) or "no image"
        raise DataError(
            f"the mention has neither words nor an image ({why})", where=place, cure="give it a text or an image"
        )
    check_text(mention, findings, place)
    return mention


def note_unseen(mention: Mention, place: str, findings: Findings, *, sees: bool) -> None:
    """Say why the image of a mention was masked out. ``sees``: whether the model reads images at all."""
    if mention.image is None:
        return
    if not sees:
        findings.add(NO_VISION, place)
    else:
        try_open(mention.image, findings, place)


def place_of(mention: Mention, number: int) -> str:
    """What to call the mention with this number (from 0) in findings and errors."""
    called = mention.id or mention.name
    return f"mention {number + 1} ({called!r})" if called else f"mention {number + 1}"


def _inside(root: Path, image: str | Path, findings: Findings, place: str) -> Path | None:
    path, root = Path(image), root.absolute()
    relative = path.relative_to(root) if path.is_absolute() and path.is_relative_to(root) else image
    return resolve_image(root, str(relative), findings, place)
