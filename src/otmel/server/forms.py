"""Forms: ``multipart/form-data`` with the fields of a link request, the image as a file."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from otmel.server.errors import invalid
from otmel.server.json_body import unparsable
from otmel.server.settings import ServerSettings

NUMBERS: Final = ("k",)
LISTS: Final = ("span", "candidates")


async def parsed_form(headers: Headers, body: bytes, settings: ServerSettings) -> Mapping[str, Any]:
    """The fields of a form, as those of JSON would be.

    Raises:
        ApiError: it is no form, or cut off (400); a field occurs twice or is no number (422).
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    fields = settings.candidates + 16
    _check_whole(headers, body)
    try:
        parser = MultiPartParser(headers, stream(), max_files=1, max_fields=fields, max_part_size=settings.body)
        form = await parser.parse()
    except (MultiPartException, FormParserError, UnicodeDecodeError, KeyError, ValueError) as fault:
        message = fault.message if isinstance(fault, MultiPartException) else str(fault)
        raise unparsable(f"this form cannot be read: {message}") from None
    try:
        return {name: await _value(form, name) for name in form}
    finally:
        await form.close()


def _check_whole(headers: Headers, body: bytes) -> None:
    """Refuse a form that ends before its last boundary: what it lacks would be lost in silence."""
    boundary = headers["content-type"].partition("boundary=")[2].partition(";")[0].strip().strip('"')
    if not boundary:
        raise unparsable("the form's content type names no boundary")
    if f"--{boundary}--".encode("latin-1", "replace") not in body[-len(boundary) - 1_000 :]:
        raise unparsable("the form is cut off: its last boundary is missing")


async def _value(form: FormData, name: str) -> Any:
    values = form.getlist(name)
    if name in LISTS:
        return _listed(name, [str(value) for value in values])
    if len(values) > 1:
        raise invalid("the field occurs twice", name)
    value = values[0]
    if isinstance(value, UploadFile):
        if name != "image":
            raise invalid("a file is taken as image alone", name)
        return base64.b64encode(await value.read()).decode()
    return _number(name, value) if name in NUMBERS else value


def _listed(name: str, values: list[str]) -> list[Any]:
    """Repeated fields, or one with a JSON list or numbers between commas."""
    if len(values) == 1 and values[0].lstrip().startswith("["):
        try:
            found = json.loads(values[0])
        except (ValueError, RecursionError):
            raise invalid("this is no JSON list", name) from None
        return found
    if name == "span":
        parts = values[0].split(",") if len(values) == 1 else values
        return [_number(name, part.strip()) for part in parts]
    return values


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(f"{text[:40]!r} is no whole number", name)
    return int(text)
