"""Arrays on disk: ``npy`` files of version 1.0 with a header that follows from dtype and shape alone.

Nothing in a file is interpreted: a reader knows dtype and shape from a checked record, and a file whose size or first
bytes are not exactly those that the record implies is refused before anything is allocated or mapped. Any reader of
``npy`` can open the files; none of them can hold a pickle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from otmel.checksums import FileSum, checksum
from otmel.errors import CheckpointError, DataError
from otmel.settings import Settings

DType = Literal["<f4", "<f2", "|i1", "<i4", "<i8", "<u8", "|b1", "|u1"]
TORCH: Final[dict[str, torch.dtype]] = {
    "<f4": torch.float32,
    "<f2": torch.float16,
    "|i1": torch.int8,
    "<i4": torch.int32,
    "<i8": torch.int64,
    "<u8": torch.uint64,
    "|b1": torch.bool,
    "|u1": torch.uint8,
}
SMALL: Final = 2**16
"""Bytes up to which a file is read rather than mapped: a system allows only so many maps."""
LARGEST: Final = 2**46
"""Bytes of the largest file that a record may speak of."""


class ArrayRecord(Settings):
    """What a record says of one file.

    Attributes:
        dtype: as numpy writes it.
        shape: of the array.
        size: bytes of the file.
        chunks: its checksums (``FileSum``).
    """

    dtype: DType
    shape: tuple[int, ...] = Field(max_length=3)
    size: int = Field(ge=0, le=LARGEST)
    chunks: str = Field(pattern="^[0-9a-f]*$")

    @property
    def header(self) -> bytes:
        """The bytes before the numbers."""
        return header(self.dtype, self.shape)

    def sum(self, where: str) -> FileSum:
        """Size and checksums. Raises ``CheckpointError`` when size, shape and checksums disagree."""
        stated = [0 <= length <= LARGEST for length in self.shape]
        size = len(self.header) + math.prod(self.shape) * np.dtype(self.dtype).itemsize if all(stated) else -1
        if size != self.size:
            problem = f"an array {list(self.shape)} of {self.dtype} does not have {self.size:,} bytes"
            raise CheckpointError(problem, where=where)
        return file_sum({"size": self.size, "chunks": self.chunks}, where)


def file_sum(value: Any, where: str) -> FileSum:
    """A checksum from plain values. Raises ``CheckpointError``."""
    try:
        return FileSum.from_json(value, where)
    except DataError as fault:
        raise CheckpointError(fault.problem, where=where) from None


def header(dtype: str, shape: Sequence[int]) -> bytes:
    """The header of an ``npy`` file: its length is a multiple of 64, so that the numbers are aligned."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(map(int, shape))!r}, }}".encode()
    padded = text.ljust(-(-(len(text) + 11) // 64) * 64 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


def write_array(path: Path, array: NDArray[Any] | Tensor) -> ArrayRecord:
    """Write an array to a new file. Raises ``OSError``."""
    plain = np.ascontiguousarray(array.detach().cpu().numpy() if isinstance(array, Tensor) else array)
    dtype = cast(DType, plain.dtype.newbyteorder("<").str)
    with path.open("wb") as file:
        file.write(header(dtype, plain.shape))
        file.write(plain.reshape(-1).view(np.uint8).data)
    written = checksum(path).as_json()
    return ArrayRecord(dtype=dtype, shape=plain.shape, size=written["size"], chunks=written["chunks"])


def map_array(path: Path, record: ArrayRecord) -> Tensor:
    """The array of a file: mapped into memory copy-on-write, or read where it is small.

    No file handle stays open. What is written to the tensor never reaches the file.

    Raises:
        CheckpointError: size or header are not those of the record.
    """
    expected = record.header
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            found = file.read(len(expected))
            small = np.frombuffer(bytearray(file.read(SMALL)), dtype=np.uint8) if size <= SMALL else None
    except OSError as fault:
        raise CheckpointError(
            f"the file cannot be read: {(fault.strerror or str(fault)).lower()}", where=str(path)
        ) from fault
    if size != record.size:
        raise CheckpointError(f"the file has {size:,} bytes instead of {record.size:,}", where=str(path))
    if found != expected:
        raise CheckpointError(
            f"the file does not begin as an array {list(record.shape)} of {record.dtype}", where=str(path)
        )
    if not math.prod(record.shape):
        return torch.zeros(record.shape, dtype=TORCH[record.dtype])
    if small is not None:
        return torch.from_numpy(small.copy()).view(TORCH[record.dtype]).view(record.shape)
    whole = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    return whole[len(expected) :].view(TORCH[record.dtype]).view(record.shape)
