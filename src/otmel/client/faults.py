"""What goes wrong with a request, as exceptions.

ServiceError
├── BadRequest    the request makes no sense to the service (400, 405, 413, 415, 422)
├── NotAllowed    the token is missing or wrong (401), or changing the graph is not enabled (403)
├── NotFound      there is no such thing (404)
├── Overloaded    the service had no time, however often it was asked (429, 503)
└── Unreachable   there was no answer: nobody is there, or it took too long
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otmel.errors import OtmelError


class ServiceError(OtmelError):
    """The service did not answer as was hoped.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        code: the error's short name.
        request_id: by which the service's log names the request.
    """

    def __init__(self, problem: str, *, status: int = 0, code: str = "unreachable", **more: str | None) -> None:
        super().__init__(problem, where=more.get("where"), cure=more.get("cure"))
        self.status, self.code, self.request_id = status, code, more.get("request_id") or ""


class BadRequest(ServiceError):
    """The request makes no sense to the service (400, 405, 413, 415, 422)."""


class NotAllowed(ServiceError):
    """The token is missing or wrong (401), or changing the graph is not enabled (403)."""


class NotFound(ServiceError):
    """There is no such thing (404)."""


class Overloaded(ServiceError):
    """The service had no time, however often it was asked (429, 503)."""


class Unreachable(ServiceError):
    """There was no answer: nobody is there, or it took too long."""


KINDS: Final[Mapping[int, type[ServiceError]]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    429: Overloaded,
}


def fault_of(status: int, values: object, request_id: str = "") -> ServiceError:
    """The exception for an answer."""
    said: Any = values.get("error") if isinstance(values, dict) else None
    if not isinstance(said, dict) or not isinstance(said.get("message"), str):
        said = {"code": "unknown", "message": f"the answer has the status {status}, and is no answer of otmel serve"}
    kind = KINDS.get(status, BadRequest if status < 500 else Overloaded)
    more = {name: said.get(name) for name in ("where", "cure")}
    return kind(said["message"], status=status, code=str(said.get("code")), request_id=request_id, **more)
