"""Tensors in safetensors files, read and written a piece at a time: no model need fit in memory."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from utils.errors import UserError, in_short
from utils.model.trust import check_weight_files
from utils.vectors.layout import Layout, Place
from utils.vectors.transport import WINDOW

#: numbers that are read as float32, by safetensors' names; of bfloat16 the bits
KINDS = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F64": np.float64}


@dataclass(frozen=True)
class Tensor:
    """A tensor of `shape` in a file, from byte `start` on; `dtype` is one of KINDS, or none that is read."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int

    def read(self, first: int, out: np.ndarray) -> None:
        """Fill `out`, float32, with the elements from `first` on. Raises UserError if the file has become shorter."""
        kind = np.dtype(KINDS[self.dtype])
        raw = out if kind == out.dtype else np.empty(len(out), kind)
        with self.file.open("rb", buffering=0) as file:
            file.seek(self.start + first * kind.itemsize)
            rest = raw.data.cast("B")
            while rest:
                if not (count := file.readinto(rest)):
                    raise UserError(f"{self.file}: has become shorter while it was read; begin anew")
                rest = rest[count:]
        if self.dtype == "BF16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        if raw is not out:
            with np.errstate(over="ignore"):  # of float64 to infinity, which is found where windows are read
                out[:] = raw

    def equals(self, other: "Tensor") -> bool:
        """Return whether another tensor has the same numbers, as float32; they are read up to the first difference."""
        if self.shape != other.shape or not {self.dtype, other.dtype} <= KINDS.keys():
            return False
        size = math.prod(self.shape)
        for first in range(0, size, WINDOW):
            mine, its = np.empty((2, min(WINDOW, size - first)), np.float32)
            self.read(first, mine)
            other.read(first, its)
            if not np.array_equal(mine, its):
                return False
        return True


@dataclass(frozen=True)
class Zeros(Tensor):
    """Zeros, as a base has in the place of a tensor that it lacks."""

    def read(self, first: int, out: np.ndarray) -> None:
        """Fill `out` with zeros."""
        out[:] = 0


def tensors_of(asked: str, folder: Path, named: str | None) -> dict[str, Tensor]:
    """Return the tensors of a model's folder by their names in its files; `named` is the file its config.json names.

    Raises UserError, beginning with `asked`, for weights that are absent, no safetensors, or damaged.
    """
    check_weight_files(asked, folder)
    whole, index = folder / (named or "model.safetensors"), folder / "model.safetensors.index.json"
    files = [whole]
    if not named and not whole.exists() and index.is_file():
        files = [folder / name for name in sorted({*json.loads(index.read_bytes())["weight_map"].values()})]
    return {name: tensor for file in files for name, tensor in tensors_in(asked, file).items()}


def tensors_in(asked: str, file: Path) -> dict[str, Tensor]:
    """Return the tensors of one file. Raises UserError if it is no safetensors file that is whole."""
    try:
        with safe_open(file, "numpy"):  # checks the header, and that the tensors fill the file
            pass
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{asked}: {file.name}: {in_short(error)}; give a whole model") from None
    header.pop("__metadata__", None)
    return {name: Tensor(file, about["dtype"], tuple(about["shape"]), 8 + length + about["data_offsets"][0])
            for name, about in header.items()}


class NewFile:
    """A safetensors file of float32 tensors that are written in pieces; threads may do so side by side."""

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        layout = layout_of(shapes.items())
        header: dict[str, dict] = {"__metadata__": {"format": "pt"}, **{
            place.name: {"dtype": "F32", "shape": [*place.shape],
                         "data_offsets": [4 * place.part.start, 4 * place.part.stop]} for place in layout.places}}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        first = 8 + len(text)
        self.tensors = {place.name: Tensor(path, "F32", place.shape, first + 4 * place.part.start)
                        for place in layout.places}
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(first + 4 * layout.size)

    def write(self, name: str, first: int, values: np.ndarray) -> None:
        """Write `values`, float32, to a tensor's elements from `first` on."""
        with self.tensors[name].file.open("r+b") as file:
            file.seek(self.tensors[name].start + 4 * first)
            file.write(values.data.cast("B"))


def layout_of(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> Layout:
    """Return the layout of a vector in which tensors lie one behind the other, as in a NewFile."""
    places, start = [], 0
    for name, shape in shapes:
        stop = start + int(np.prod(shape, dtype=np.int64))
        places.append(Place(name, shape, slice(start, stop)))
        start = stop
    return Layout(start, tuple(places))
