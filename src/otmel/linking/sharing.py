"""What mentions that are linked together share: an image is opened, decoded and read by the vision tower once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from otmel.data.findings import Findings
from otmel.data.records import Mention
from otmel.index.encode import Encoding
from otmel.inputs import InputProcessor
from otmel.linking.mentions import note_unseen
from otmel.models.model import LinkerModel
from otmel.models.shared_images import SharedImages


@dataclass(frozen=True)
class Sharing:
    """For one call of a linker.

    Attributes:
        processor: opens every image once.
        encoding: lets the vision tower read it once.
    """

    processor: InputProcessor
    encoding: Encoding

    @staticmethod
    def of(model: LinkerModel, processor: InputProcessor) -> Sharing:
        """What the mentions of a new call share."""
        encoding = replace(Encoding.mentions(model), encode=SharedImages(model).encode_mentions)
        return Sharing(processor.shared(), encoding)

    def note_unseen(self, mention: Mention, place: str, findings: Findings, *, sees: bool) -> None:
        """As ``mentions.note_unseen``, without opening again what has just been found broken."""
        kind = None if mention.image is None or not sees else self.processor.fault(mention.image)
        if kind is None:
            note_unseen(mention, place, findings, sees=sees)
        else:
            findings.add(kind, place)
