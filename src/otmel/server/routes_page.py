"""The page: files of ``otmel.web``, read from the package as it is installed."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import xxhash
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from otmel.server.pictures import not_found

router = APIRouter(include_in_schema=False)
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*\.(?:html|js|css|svg|png|ico|woff2)")
"""A file of the page: no folder, no leading dot, nothing that could lead elsewhere."""
TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "woff2": "font/woff2",
}


@router.get("/")
async def page(request: Request) -> Response:
    """Show the page."""
    return _served(request, "index.html")


@router.get("/{name}")
async def file(request: Request, name: str) -> Response:
    """Give one of the page's files."""
    return _served(request, name)


def _served(request: Request, name: str) -> Response:
    content = _content(name) if NAME.fullmatch(name) and len(name) < 100 else None
    if content is None:
        raise not_found("there is no such page")
    data, tag = content
    headers = {"etag": tag, "cache-control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=TYPES[name.rpartition(".")[2]], headers=headers)


@cache
def _listed() -> frozenset[str]:
    """The page's files; asked once, so that names of files that are not there cost nothing."""
    folder = files("otmel").joinpath("web")
    return frozenset(one.name for one in folder.iterdir()) if folder.is_dir() else frozenset()


def _content(name: str) -> tuple[bytes, str] | None:
    return _read(name) if name in _listed() else None


@cache
def _read(name: str) -> tuple[bytes, str]:
    data = files("otmel").joinpath("web").joinpath(name).read_bytes()
    return data, f'"{xxhash.xxh3_64_hexdigest(data)}"'
