"""``InputProcessor``: mentions and entities as batches for an encoder."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, BaseImageProcessor, PreTrainedTokenizerBase

from otmel.data.findings import Findings
from otmel.data.records import Entity, ImageSource, Mention
from otmel.errors import CheckpointError
from otmel.inputs.collate import collate
from otmel.inputs.image import Pixels, SharedPixels
from otmel.inputs.pretrained import quiet, read_pretrained
from otmel.inputs.settings import InputSettings
from otmel.inputs.text import Wording, entity_text, special_id
from otmel.settings import validated
from otmel.types import Batch

SETTINGS_FILE = "input_settings.json"


class InputProcessor:
    """Turns records into batches with masks.

    Args:
        tokenizer: of the text tower.
        image_processor: of the vision tower; ``None`` where there is none (every ``has_image`` is then ``False``).
        settings: wording and lengths.
        patch_size: pixels of a patch's side in the vision tower; gives ``patch_grid``.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: BaseImageProcessor | None,
        settings: InputSettings | None = None,
        *,
        patch_size: int | None = None,
    ) -> None:
        self.tokenizer, self.image_processor = tokenizer, image_processor
        self.settings = settings or InputSettings()
        self.patch_size = patch_size
        self.findings = OnceFindings()
        self._wording = Wording(tokenizer, self.settings.wording, self.settings.window)
        self._pixels = Pixels(image_processor if self.settings.images else None)
        self._pad = special_id(tokenizer, "pad") or 0  # padding is masked, so any id will do

    def shared(self) -> InputProcessor:
        """The same processor for one task whose items share images, with findings of its own; see ``SharedPixels``."""
        other = copy.copy(self)
        other._pixels, other.findings = SharedPixels(self._pixels), OnceFindings()
        return other

    def uncached(self) -> InputProcessor:
        """The same processor with findings of its own, for images that may change under their paths: it keeps none."""
        other = copy.copy(self)
        other._pixels = Pixels(self.image_processor if self.settings.images else None, cache_bytes=0)
        other.findings = OnceFindings()
        return other

    def fault(self, image: ImageSource) -> str | None:
        """What is wrong with an image that this shared processor tried lately; ``None`` where it does not know."""
        return self._pixels.fault(image) if isinstance(self._pixels, SharedPixels) else None

    def mentions(self, mentions: Sequence[Mention]) -> Batch:
        """The batch of ``B`` mentions: Eq. 4 of their name and sentence, Eq. 5 of their image."""
        names, contexts = [m.name for m in mentions], [m.context for m in mentions]
        ids = self._wording.encode(names, contexts, self.settings.mention_length)
        images = [() if m.image is None else (m.image,) for m in mentions]
        places = [f"mention {m.id or m.name}" for m in mentions]
        return collate(ids, self._pad, *self._pixels.stack(images, places, self.findings))

    def entities(self, entities: Sequence[Entity]) -> Batch:
        """The batch of ``B`` entities: Eq. 4 of their name and text, Eq. 5 of their first image that opens."""
        texts = [entity_text(entity, self.settings.entity_text) for entity in entities]
        ids = self._wording.encode([e.name for e in entities], texts, self.settings.entity_length)
        images, places = [e.images for e in entities], [f"entity {e.id}" for e in entities]
        return collate(ids, self._pad, *self._pixels.stack(images, places, self.findings))

    def texts(self, pairs: Sequence[tuple[str, str]], length: int | None = None) -> Batch:
        """A batch of texts alone, given as ``(name, context)``; ``length`` is by default an entity's."""
        names, contexts = [name for name, _ in pairs], [context for _, context in pairs]
        ids = self._wording.encode(names, contexts, length or self.settings.entity_length)
        return collate(ids, self._pad, torch.zeros(len(ids), 3, 1, 1), torch.zeros(len(ids), dtype=torch.bool))

    def tokens(self, input_ids: Int[Tensor, " L"] | Sequence[int]) -> list[str]:
        """The tokens of one row as a reader would write them, one per id, padding and special tokens included."""
        special = set(self.tokenizer.all_special_ids)
        names = self.tokenizer.convert_ids_to_tokens([int(i) for i in input_ids])
        return [
            name if int(i) in special else str(self.tokenizer.decode([int(i)])).strip() or "␣"
            for i, name in zip(input_ids, names, strict=True)
        ]

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width, in pixels, of the images in a batch."""
        return self._pixels.shape

    @property
    def patch_grid(self) -> tuple[int, int] | None:
        """Rows and columns of patches in an image; ``None`` where the vision tower has none."""
        if self.patch_size is None or self.image_processor is None:
            return None
        return self.image_shape[0] // self.patch_size, self.image_shape[1] // self.patch_size

    def save_pretrained(self, folder: str | Path) -> None:
        """Tokenizer and image processor in transformers' own files, and ``input_settings.json``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        with quiet():
            self.tokenizer.save_pretrained(folder)
            if self.image_processor is not None:
                self.image_processor.save_pretrained(folder)
        record = {
            "settings": self.settings.model_dump(mode="json"),
            "patch_size": self.patch_size,
            "images": self.image_processor is not None,
        }
        (Path(folder) / SETTINGS_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf8")

    @classmethod
    def from_pretrained(cls, folder: str | Path, settings: InputSettings | None = None) -> InputProcessor:
        """The processor that ``save_pretrained`` wrote to ``folder``; ``settings`` replace the saved ones.

        Raises:
            CheckpointError: a file is missing or broken.
            ConfigurationError: the saved settings hold an unknown key or value.
        """
        path = Path(folder) / SETTINGS_FILE
        try:
            record = json.loads(path.read_text(encoding="utf8"))
            saved, patch_size, images = record["settings"], record["patch_size"], record["images"]
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise CheckpointError(f"the input settings cannot be read: {fault}", where=str(path)) from fault
        settings = settings or validated(InputSettings, saved, where=str(path))
        tokenizer = read_tokenizer(str(folder))
        return cls(tokenizer, read_image_processor(str(folder)) if images else None, settings, patch_size=patch_size)


class OnceFindings(Findings):
    """Findings that count a kind at a place once, however often the record is read (once per epoch)."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[str, str]] = set()

    def add(self, kind: str, where: str) -> None:
        """Count one finding of ``kind`` at ``where``, unless it was counted before."""
        if (kind, where) not in self._seen:
            self._seen.add((kind, where))
            super().add(kind, where)


def read_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or of a name on the Hub. Raises ``CheckpointError``."""
    return read_pretrained(AutoTokenizer.from_pretrained, name, "the tokenizer")


def read_image_processor(name: str) -> BaseImageProcessor:
    """The image processor of a folder or of a name on the Hub, on Pillow. Raises ``CheckpointError``."""
    return read_pretrained(AutoImageProcessor.from_pretrained, name, "the image processor", backend="pil")
