"""What the service says of itself: alive, ready, counted, described."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from otmel.server.answers import HealthAnswer, InfoAnswer, ReadyAnswer
from otmel.server.asking import reply, service_of
from otmel.server.description import failures
from otmel.server.errors import unavailable

router = APIRouter(tags=["service"])


@router.get("/v1/info", response_model=InfoAnswer, responses=failures())
async def info(request: Request) -> Response:
    """Say what answers, from what, and within which limits."""
    return reply(request, service_of(request).info())


@router.get("/healthz", response_model=HealthAnswer, responses=failures())
async def healthz() -> Response:
    """Say that the process lives."""
    return JSONResponse({"status": "alive"})


@router.get("/readyz", response_model=ReadyAnswer, responses=failures())
async def readyz(request: Request) -> Response:
    """Say whether requests will be answered, and what is wrong although they are."""
    service = service_of(request)
    if service.draining:
        raise unavailable("draining", "the service is stopping")
    return JSONResponse({"status": "ready", "graph": service.served.graph.snapshot, "trouble": service.trouble or None})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **failures()})
async def metrics(request: Request) -> Response:
    """Count, for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
