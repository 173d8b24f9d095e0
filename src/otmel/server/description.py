"""The API's description (OpenAPI): bodies that are read by hand, errors, and the token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from otmel.server.answers import ErrorAnswer
from otmel.server.schemas import BatchRequest, ExplainRequest, LinkRequest, UpsertRequest

REF: Final = "#/components/schemas/{model}"
BODIES: Final[tuple[type[BaseModel], ...]] = (LinkRequest, BatchRequest, ExplainRequest, UpsertRequest)
SAID: Final[Mapping[int, str]] = {
    400: "The body cannot be read.",
    401: "The token is missing or wrong.",
    403: "Not enabled.",
    404: "There is no such thing.",
    405: "Not with this method.",
    413: "More than is taken at once.",
    415: "A body of this type is not read.",
    422: "It can be read, and makes no sense.",
    429: "Too much is waiting; ask again.",
    503: "Not now; ask again.",
}
AGAIN: Final = {"Retry-After": {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}

TOKEN: Final[Mapping[str, Any]] = {"security": [{"token": []}]}
"""Of routes that change the graph."""


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route; 405 and 503 are everybody's."""
    return {
        status: {
            "model": ErrorAnswer,
            "description": SAID[status],
            **({"headers": AGAIN} if status in (429, 503) else {}),
        }
        for status in sorted({*statuses, 405, 503})
    }


def body_of(kind: type[BaseModel], form: bool = False) -> dict[str, Any]:
    """The body of a route."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": REF.format(model=kind.__name__)}}}
    if form:
        content["multipart/form-data"] = {"schema": {"$ref": REF.format(model=f"{kind.__name__}Form")}}
    return {"requestBody": {"required": True, "content": content}}


def described(app: FastAPI) -> dict[str, Any]:
    """The whole description, made once."""
    if not app.openapi_schema:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = made["components"]["schemas"]
        for kind in BODIES:
            schema = kind.model_json_schema(ref_template=REF)
            schemas |= schema.pop("$defs", {})
            schemas[kind.__name__] = schema
            if issubclass(kind, LinkRequest):
                schemas[f"{kind.__name__}Form"] = _form(schema)
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = made
    return app.openapi_schema


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields in a form, where every value is a text, a repeated one, or a file."""
    fields: dict[str, Any] = {name: {"type": "string"} for name in schema["properties"]}
    fields["image"] = {"type": "string", "format": "binary", "description": "an image file"}
    fields["k"] = {"type": "integer", "minimum": 1}
    fields["candidates"] = {"type": "array", "items": {"type": "string"}}
    fields["span"] = {"type": "string", "pattern": "^[0-9]{1,9},[0-9]{1,9}$", "description": "start,end"}
    return {"title": f"{schema['title']}Form", "type": "object", "additionalProperties": False, "properties": fields}
