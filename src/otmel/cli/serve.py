"""``otmel serve``: a run over a graph, as a service over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from otmel.cli.console import Set, note
from otmel.cli.places import Here, Where
from otmel.cli.search_options import SearchOptions
from otmel.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from otmel.server.settings import ServerSettings

TOKEN = "OTMEL_TOKEN"
PACKAGES = ("fastapi", "uvicorn", "python_multipart", "structlog", "prometheus_client", "httpx")


def serve(
    run: Where,
    *,
    graph: Where | None = None,
    data: Where | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: Here | None = None,
    image_hosts: str = "",
    options: SearchOptions | None = None,
    set: Set = (),
) -> int:
    """Serve a run.

    Args:
        run: the run folder. It, graph, data and index may be addresses (s3://BUCKET/PATH); a graph is then served as it
            is at the start, and cannot be changed through the service.
        graph: the entities: a graph (otmel graph build), a folder or a file (.jsonl, .csv, .parquet).
        data: a data set whose graph to use, instead of --graph.
        host: the address to listen on; 0.0.0.0 for all.
        port: the port; 0 for any that is free.
        token_file: a file with the token that may change the graph; by default that in OTMEL_TOKEN, if any.
        image_hosts: hosts, separated by commas, that images may be fetched from by their address; by default none.
        options: how entities are searched.
        set: a limit: key=value, such as body, mentions, pixels, queue, seconds. May be given often.
    """
    _check_extra()
    from otmel.server.logs import start_logs
    from otmel.server.opening import opened_service
    from otmel.server.run import serve as run_server

    settings = _settings({"host": host, "port": port, "image_hosts": _hosts(image_hosts)}, set)
    token = _token(token_file)
    place = graph or data
    if place is None:
        from otmel.cli.link import remembered

        place = remembered(run)
    if place is None:
        cure = "name it: --graph FOLDER_OR_FILE, or --data the data set's folder"
        raise ConfigurationError("the run does not say where its graph is", where=str(run), cure=cure)
    search = options or SearchOptions()
    start_logs()
    service = opened_service(run, place, search.index, search.settings(), (settings, token))
    listened = run_server(service, lambda host, port: note(f"serving http://{_named(host)}:{port} (Ctrl-C stops it)"))
    return 0 if listened else 2


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _settings(values: dict[str, object], assignments: tuple[str, ...]) -> ServerSettings:
    from otmel.server.settings import ServerSettings
    from otmel.settings import overridden, validated

    return overridden(validated(ServerSettings, values), assignments)


def _hosts(listed: str) -> tuple[str, ...]:
    return tuple(host.strip().lower() for host in listed.split(",") if host.strip())


def _token(file: Path | None) -> str | None:
    """The token, which is never shown. Raises ``ConfigurationError``."""
    if file is None:
        token = os.environ.get(TOKEN)
        where = TOKEN
    else:
        where = str(file)
        try:
            token = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigurationError(f"the token cannot be read: {type(fault).__name__}", where=where) from None
    if token is None:
        return None
    token = token.strip()
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            "a token has at least 16 printable characters and no spaces", where=where, cure="openssl rand -hex 32"
        )
    return token


def _check_extra() -> None:
    from importlib.util import find_spec

    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra(package, "serve", "the service")
