"""Tensors that travel between modules: what each holds, with its shape.

``B`` items of a batch, ``L`` tokens, ``d`` channels, ``M`` mentions, ``E`` entities.
A mask is ``True`` where there is content; a row whose mask is all ``False`` has no such modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

T = TypeVar("T", bound="TensorRecord")


class TensorRecord:
    """A frozen dataclass of tensors (or of further records) that share their first axis."""

    def _map(self: T, change: Any) -> T:
        made = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, TensorRecord):
                made[field.name] = value._map(change)
            elif isinstance(value, Tensor):
                made[field.name] = change(value)
            elif isinstance(value, dict):
                made[field.name] = {
                    key: item._map(change) if isinstance(item, TensorRecord) else change(item)
                    for key, item in value.items()
                }
            else:
                made[field.name] = value
        return type(self)(**made)

    def to(self: T, *args: Any, **kwargs: Any) -> T:
        """Every tensor moved, as by ``Tensor.to``; masks and ids keep their dtype."""

        def move(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point():
                return tensor.to(*args, **kwargs)
            device_only = [a for a in args if not isinstance(a, torch.dtype)]
            return tensor.to(*device_only, **{k: v for k, v in kwargs.items() if k != "dtype"})

        return self._map(move)

    def __getitem__(self: T, rows: Any) -> T:
        """The given rows (slice, index tensor or list) of every tensor."""
        return self._map(lambda tensor: tensor[rows])

    def __len__(self) -> int:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, dict):
                value = next(iter(value.values()), None)
            if isinstance(value, (Tensor, TensorRecord)):
                return len(value)
        raise TypeError(f"{type(self).__name__} holds no tensor")


@dataclass(frozen=True)
class Elements(TensorRecord):
    """The elements of one modality: what Eq. 4 or Eq. 5 gives."""

    tokens: Float[Tensor, "B L d"]
    mask: Bool[Tensor, "B L"]
    cls: Float[Tensor, "B c"]

    @property
    def present(self) -> Bool[Tensor, " B"]:
        """Which rows have the modality at all."""
        return self.mask.any(-1)


@dataclass(frozen=True)
class Views(TensorRecord):
    """Both modalities of mentions or of entities.

    ``ids`` are the token ids behind ``text`` (under the same mask), for models that embed tokens themselves.
    """

    text: Elements
    image: Elements
    ids: Int[Tensor, "B L"] | None = None


@dataclass(frozen=True)
class Batch(TensorRecord):
    """Model input of ``B`` mentions or entities, before the encoder.

    ``has_image`` is ``False`` where an image is missing or broken; its ``pixels`` are then zeros that nothing reads.
    """

    input_ids: Int[Tensor, "B L"]
    attention_mask: Bool[Tensor, "B L"]
    pixels: Float[Tensor, "B 3 H W"]
    has_image: Bool[Tensor, " B"]


def concatenate(records: Sequence[T]) -> T:
    """Join records along their first axis; token axes are padded to the longest (masks with ``False``)."""
    first = records[0]
    made: dict[str, Any] = {}
    for field in fields(first):  # type: ignore[arg-type]
        values = [getattr(record, field.name) for record in records]
        if isinstance(values[0], TensorRecord):
            made[field.name] = concatenate(values)
        elif isinstance(values[0], Tensor):
            made[field.name] = torch.cat(pad_second_axis(values))
        elif isinstance(values[0], dict):
            made[field.name] = {
                key: concatenate([value[key] for value in values])
                if is_dataclass(item)
                else torch.cat(pad_second_axis([value[key] for value in values]))
                for key, item in values[0].items()
            }
        else:
            made[field.name] = values[0]
    return type(first)(**made)


def pad_second_axis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Pad the second axis of every tensor with zeros (``False``) to the longest."""
    if tensors[0].dim() < 2:
        return list(tensors)
    length = max(tensor.shape[1] for tensor in tensors)
    return [
        tensor
        if tensor.shape[1] == length
        else torch.cat([tensor, tensor.new_zeros(tensor.shape[0], length - tensor.shape[1], *tensor.shape[2:])], 1)
        for tensor in tensors
    ]
