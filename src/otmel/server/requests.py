"""From a body to mentions: read, checked, and with a reason where it cannot be used."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from otmel.data.images import KINDS, check_header
from otmel.data.records import Mention
from otmel.errors import ImageError
from otmel.server.errors import ApiError, invalid, too_large
from otmel.server.forms import parsed_form
from otmel.server.json_body import parsed_json
from otmel.server.schemas import LinkRequest
from otmel.server.settings import ServerSettings

M = TypeVar("M", bound=BaseModel)
SURROGATE: Final = re.compile("[\ud800-\udfff]")
DATA_URL: Final = re.compile(r"data:[\w/+.-]*;base64,")
LONG: Final = 2**18
"""Bytes above which a body is parsed beside the loop that serves everybody else."""
VALUES_PER_ITEM: Final = 64


@dataclass(frozen=True)
class Asked:
    """A mention that is to be linked.

    Attributes:
        mention: the mention.
        k: how many entities.
        notes: what was odd about it so far.
        image_url: where its image is still to be fetched from.
    """

    mention: Mention
    k: int
    notes: tuple[str, ...] = ()
    image_url: str | None = None


async def read_values(request: Request, settings: ServerSettings, forms: bool = False) -> Mapping[str, Any]:
    """The object in a body: JSON, or a form where ``forms`` are taken. Raises ``ApiError`` (400, 413, 415)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = ("application/json", "multipart/form-data") if forms else ("application/json",)
    if kind not in taken:
        message = f"a body of type {kind!r} is not read" if kind else "the body has no content type"
        raise ApiError(415, "unsupported_type", message, cure=f"send {' or '.join(taken)}")
    body = await request.body()
    if kind != "application/json":
        return await parsed_form(request.headers, body, settings)
    limits = settings.depth, VALUES_PER_ITEM * settings.mentions + settings.candidates
    value = await asyncio.to_thread(parsed_json, body, *limits) if len(body) > LONG else parsed_json(body, *limits)
    if not isinstance(value, dict):
        raise invalid("the body is no object", cure="send {…}")
    return value


def validated(kind: type[M], values: object, place: str = "") -> M:
    """``values`` as a record. Raises ``ApiError`` (422) naming the field at fault."""
    try:
        record = kind.model_validate(values)
    except ValidationError as fault:
        error = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join([*filter(None, [place]), *map(str, error["loc"])]) or None
        raise invalid(error["msg"][:1].lower() + error["msg"][1:], where) from None
    return record


def check_texts(values: object, settings: ServerSettings, place: str = "") -> None:
    """Every text within the limit and of real characters; images are texts of their own kind. Raises ``ApiError``."""
    if isinstance(values, str):
        if SURROGATE.search(values):
            raise invalid("the text holds half a character (a lone surrogate)", place)
        if len(values) > settings.text and not place.startswith(("image", "images")):
            raise too_large(f"{len(values):,} characters are more than the {settings.text:,} that are read", place)
    elif isinstance(values, dict):
        for key, value in values.items():
            check_texts(value, settings, key)
    elif isinstance(values, list):
        for value in values:
            check_texts(value, settings, place)


def asked(values: object, settings: ServerSettings, kind: type[LinkRequest] = LinkRequest, place: str = "") -> Asked:
    """A link request as a mention. Raises ``ApiError`` (422, 413)."""
    record = validated(kind, values, place)
    check_texts(record.model_dump(exclude_defaults=True), settings)
    if record.k > settings.k:
        raise invalid(f"{record.k:,} entities are more than the {settings.k} of an answer", "k")
    if len(record.candidates) > settings.candidates:
        raise too_large(
            f"{len(record.candidates):,} candidates, at most {settings.candidates:,} are read", "candidates"
        )
    if record.image is not None and record.image_url is not None:
        raise invalid("image and image_url are both given", "image_url")
    name = _words(record)
    image, notes = None, ()
    if record.image is not None:
        image, notes = checked_image(decoded(record.image, "image"), settings)
    _check_something(name, image, record.image_url, notes)
    mention = Mention(name, record.context, image, candidates=tuple(record.candidates))
    return Asked(mention, record.k, notes, record.image_url)


def checked_image(data: bytes, settings: ServerSettings) -> tuple[bytes | None, tuple[str, ...]]:
    """An image as it may be decoded later, or ``None`` and why not."""
    try:
        check_header(data, settings.pixels)
    except ImageError as fault:
        return None, (KINDS[fault.reason],)
    return data, ()


def decoded(text: str, where: str) -> bytes:
    """The bytes behind base64 or a data URL. Raises ``ApiError`` (422)."""
    begins = DATA_URL.match(text[:200])
    try:
        return base64.b64decode(text[begins.end() if begins else 0 :], validate=True)
    except (binascii.Error, ValueError) as fault:
        raise invalid(f"this is no base64: {fault}", where) from None


def _words(record: LinkRequest) -> str:
    if record.span is None:
        return record.mention or ""
    start, end = record.span
    if not start < end <= len(record.context):
        length = len(record.context)
        raise invalid(f"from {start} to {end} there is no mention in a context of {length} characters", "span")
    words = record.context[start:end]
    if record.mention not in (None, words):
        raise invalid(f"the mention is {record.mention!r}, at the span stands {words!r}", "span")
    return words


def _check_something(name: str, image: bytes | None, url: str | None, notes: tuple[str, ...]) -> None:
    if not name.strip() and image is None and url is None:
        why = "; ".join(notes) or "no image"
        raise invalid(f"the mention has neither words nor an image ({why})", cure="give it a text or an image")
