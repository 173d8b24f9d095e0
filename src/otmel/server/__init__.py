"""The service: ``otmel serve`` answers over HTTP what ``Linker`` answers in a program.

    create_app(service)      the application, for any ASGI server
    serve(service, ready)    runs it on uvicorn until it is told to stop

Needs the extra ``serve``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otmel.server.app import create_app
    from otmel.server.run import serve
    from otmel.server.service import Service
    from otmel.server.settings import ServerSettings

_HOME_OF: Final = {"ServerSettings": "settings", "Service": "service", "create_app": "app", "serve": "run"}

__all__ = ["ServerSettings", "Service", "create_app", "serve"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
