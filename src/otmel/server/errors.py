"""What the service answers when it cannot answer: one shape of error, whatever went wrong.

{"error": {"code", "message", "cure"?, "where"?}, "request_id"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from otmel.storage import json_text

GONE: Final = 499
"""What the log calls a request whose client went away; nobody is answered with it."""


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        code: the error's short name, which programs may rely on.
        message: what is wrong.
        cure: what the client can do about it.
        where: field of the request at which it was found.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        cure: str | None = None,
        where: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.message, self.cure, self.where = status, code, message, cure, where
        self.headers = dict(headers or {})
        super().__init__(message)

    def as_json(self) -> dict[str, str]:
        """The error's own values, without those that it does not have."""
        values = {"code": self.code, "message": self.message, "cure": self.cure, "where": self.where}
        return {key: value for key, value in values.items() if value is not None}


class ClientGone(Exception):
    """The client went away: there is nobody to answer."""


def invalid(message: str, where: str | None = None, cure: str | None = None) -> ApiError:
    """A request that can be read and makes no sense: 422."""
    return ApiError(422, "invalid", message, where=where, cure=cure)


def too_large(message: str, where: str | None = None) -> ApiError:
    """More than the service takes at once: 413."""
    return ApiError(413, "too_large", message, where=where, cure="send less at once; GET /v1/info tells the limits")


def busy(message: str, seconds: int) -> ApiError:
    """Too much is waiting already: 429, with the seconds after which to ask again."""
    return ApiError(429, "busy", message, cure=_again(seconds), headers={"retry-after": str(seconds)})


def unavailable(code: str, message: str, seconds: int = 1) -> ApiError:
    """Nothing is wrong with the request: 503, with the seconds after which to ask again."""
    return ApiError(503, code, message, cure=_again(seconds), headers={"retry-after": str(seconds)})


def _again(seconds: int) -> str:
    return f"ask again in {seconds} second" + ("" if seconds == 1 else "s")


def answered(values: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Values as a JSON answer."""
    text = json_text(values, indent=None)
    return Response(text.encode(), status, dict(headers or {}), media_type="application/json")


def refused(error: ApiError, request_id: str) -> Response:
    """An error as an answer."""
    return answered({"error": error.as_json(), "request_id": request_id}, error.status, error.headers)
