"""What comes in, as the API's description has it: closed to unknown fields."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

ID = Annotated[str, Field(min_length=1, max_length=1_000)]
IMAGE = Field(default=None, description="base64 of a JPEG, PNG, GIF, WebP, BMP or TIFF, or a data URL of one")
EXAMPLE = {"mention": "Robert", "context": "The actors Robert and Susan at the premiere.", "k": 3}


class Closed(BaseModel):
    """A record of a request: no further fields, no types but those that are named."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class LinkRequest(Closed):
    """A mention in text, image or both. One of ``mention``, ``span``, ``image`` and ``image_url`` is needed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE, {**EXAMPLE, "mention": None, "span": [11, 17]}]})

    mention: str | None = Field(default=None, description="the words to link, as they stand in the context")
    context: str = Field(default="", description="the sentence around them")
    span: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="start and end of the mention in the context, in code points; instead of mention"
    )
    image: str | None = IMAGE
    image_url: str | None = Field(default=None, description="where the image is; only hosts that are allowed")
    k: int = Field(default=5, ge=1, description="how many entities to return")
    candidates: list[str] = Field(default=[], description="ids to choose among, instead of the whole graph")


class BatchRequest(Closed):
    """Many mentions."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mentions": [EXAMPLE, {"mention": "Susan"}]}]})

    mentions: list[Any] = Field(
        min_length=1, description="link requests (LinkRequest); a bad one is answered by an error in its place"
    )
    k: int | None = Field(default=None, ge=1, description="how many entities to return, where a mention does not say")


class ExplainRequest(LinkRequest):
    """A mention, and the entity whose score is to be explained: by default the best one."""

    entity: ID | None = Field(default=None, description="id of the entity")


class EntityRecord(Closed):
    """An entity as it is put into the graph."""

    id: ID
    name: str = Field(min_length=1)
    aliases: list[str] = []
    description: str = ""
    attributes: str = Field(default="", description="statements about it, separated by periods")
    images: list[str] = Field(default=[], description="each base64, or a data URL")


class UpsertRequest(Closed):
    """Entities to insert, or to put in the place of those with their ids."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"entities": [{"id": "Q1", "name": "Robert", "attributes": "Sex: male."}]}]}
    )

    entities: list[EntityRecord] = Field(min_length=1)
