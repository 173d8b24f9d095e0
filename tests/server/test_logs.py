"""The service's messages go to the error stream of the moment, one JSON object a line."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from otmel.server.logs import log, start_logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is the process's: it is left as it was."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "otmel")]
    before = [(one.handlers, one.propagate, one.level) for one in loggers]
    yield
    structlog.reset_defaults()
    for one, (handlers, propagate, level) in zip(loggers, before, strict=True):
        one.handlers, one.propagate, one.level = handlers, propagate, level


def test_an_error_stream_that_was_exchanged_and_closed_breaks_no_message(monkeypatch):
    gone, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", gone)
    start_logs()
    log.info("before")
    assert json.loads(gone.getvalue())["event"] == "before"
    gone.close()
    monkeypatch.setattr(sys, "stderr", now)
    log.info("serving", port=1)
    logging.getLogger("uvicorn.error").warning("slow")
    said = [json.loads(line) for line in now.getvalue().splitlines()]
    assert [line["event"] for line in said] == ["serving", "slow"]
    assert said[0]["port"] == 1


def test_a_stream_of_ones_own_gets_them():
    own = io.StringIO()
    start_logs(own)
    log.debug("too fine")
    log.warning("refused", status=429)
    (line,) = own.getvalue().splitlines()
    assert json.loads(line) | {"event": "refused", "level": "warning", "status": 429} == json.loads(line)
