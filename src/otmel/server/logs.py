"""Structured logs: one JSON object a line on the error stream; no bodies, no tokens."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, TextIO

import structlog

log: Any = structlog.get_logger("otmel.server")

_SHARED: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


class _ErrorStream:
    """The error stream of the moment: whoever exchanges ``sys.stderr`` and closes it later breaks no message."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def start_logs(stream: TextIO | None = None) -> None:
    """Write the service's and uvicorn's messages to ``stream`` (the error stream by default), from ``INFO`` up."""
    target: Any = stream or _ErrorStream()
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer(sort_keys=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False),
            ],
        )
    )
    for name in ("uvicorn", "otmel"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.level = [handler], False, logging.WARNING
