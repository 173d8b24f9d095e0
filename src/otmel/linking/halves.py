"""One half of a pair that is explained: its state, its projected tokens and what these are called."""

from __future__ import annotations

from dataclasses import dataclass

from otmel.inputs import InputProcessor
from otmel.linking.plans import Axis, Modality, Owner
from otmel.linking.words import word_groups
from otmel.models.base import Side, State
from otmel.models.bundle import Bundle
from otmel.models.name_rows import NameRows
from otmel.models.otmel import OTMEL
from otmel.types import Batch, Views


@dataclass(frozen=True)
class Half:
    """One side of the pair: its state, its projected tokens and their names."""

    state: State
    views: Views
    text: Axis
    image: Axis

    def axis(self, modality: Modality) -> Axis:
        """The tokens of a modality."""
        return self.text if modality == "text" else self.image


def half_of(bundle: Bundle, batch: Batch, names: NameRows, owner: Owner) -> Half:
    """The half that a batch of one mention or one entity makes."""
    model, processor = bundle.model, bundle.processor
    assert processor is not None
    side = Side(batch.to(model.device), names.to(model.device))
    views = model.views(side)
    encode = model.encode_mentions if owner == "mention" else model.encode_entities
    ids = batch.input_ids[0][batch.attention_mask[0]].tolist()
    text = _text_axis(owner, ids, processor)
    image = _image_axis(owner, int(views.image.mask.sum()), processor.patch_grid)
    projected = model.projected(views) if isinstance(model, OTMEL) else views
    return Half(encode(Side(views, side.names)), projected, text, image)


def _text_axis(owner: Owner, ids: list[int], processor: InputProcessor) -> Axis:
    tokenizer, shown = processor.tokenizer, tuple(processor.tokens(ids))
    special = tuple(number for number, one in enumerate(ids) if one in tokenizer.all_special_ids)
    groups = word_groups(tokenizer.convert_ids_to_tokens(ids), shown, special)
    words = tuple((str(tokenizer.decode([ids[n] for n in group])).strip(), group) for group in groups)
    return Axis(owner, "text", shown, special, words)


def _image_axis(owner: Owner, length: int, grid: tuple[int, int] | None) -> Axis:
    """The names of an image's tokens; those before the patches are [CLS] and registers."""
    patches = 0 if grid is None else grid[0] * grid[1]
    if grid is None or patches == 0 or length < patches:
        return Axis(owner, "image", tuple(str(number + 1) for number in range(length)))
    before = ("[CLS]", *(f"[REG{n}]" for n in range(1, length)))[: length - patches]
    places = (f"{row + 1},{column + 1}" for row in range(grid[0]) for column in range(grid[1]))
    return Axis(owner, "image", (*before, *places), tuple(range(len(before))), grid=grid)
