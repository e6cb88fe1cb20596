"""Tensors out of pickles into safetensors, in a process that has shut itself in (utils/machine/confined.py).

    python -m utils.model.unpickle REQUEST      a Request as JSON, from utils/model/convert.py alone

torch's own restricted reader goes through the pickle (`weights_only`): it knows tensors, numbers, texts and containers,
and refuses all else. Should it have a fault, what gets through can write to the result alone, and neither start nor
reach anything. Exit code 0: done; 2: refused, with one line on stderr.
"""

import json
import os
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from safetensors.torch import save

from utils.errors import UserError, in_short
from utils.machine.confined import confine

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
OTHERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)  # positions and masks: left out
REPORT = "conversion"  # the key in the result's metadata
ROOM = 1 << 30  # bytes of addresses for all but the tensors
BYTES_A_SECOND = 10e6  # the slowest that is waited for, of the processor's time


@dataclass(frozen=True)
class Request:
    """What is to be read, and how large it may be."""

    files: tuple[str, ...]  #: the pickles
    out: str  #: the safetensors file
    largest: int  #: numbers of a tensor, at most
    total: int  #: of all tensors, at most


def main(argv: list[str]) -> int:
    """Do what a request asks for; return the exit code."""
    request = Request(**json.loads(argv[0]))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # torch's, about its own older files
    size = sum(os.path.getsize(file) for file in request.files)
    written = 4 * request.total + ROOM // 16
    try:
        with open(request.out, "xb", buffering=0) as out:
            confine(size + 3 * min(2 * size, written) + ROOM, int(60 + size / BYTES_A_SECOND), written)
            content = converted(request)
            with memoryview(content) as rest:
                done = 0
                while done < len(rest):
                    done += out.write(rest[done:done + (1 << 30)])
        return 0
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except MemoryError:
        print("takes more memory than its size and its config.json account for", file=sys.stderr)
        return 2


def converted(request: Request) -> bytes:
    """Return the safetensors file of all the tensors; its metadata says what became of them."""
    kept: dict[tuple, str] = {}  # the first name of each place in memory
    tensors, tied, left_out, odd = dict[str, torch.Tensor](), dict[str, str](), list[str](), list[str]()
    numbers = 0
    for name, tensor in _all_tensors(request.files):
        if name in tensors or name in tied or name in left_out:
            raise UserError(f"holds {name!r} twice")
        if tensor.dtype in OTHERS:
            left_out.append(name)
            continue
        _check(name, tensor, request.largest)
        place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride(),
                 tensor.dtype)
        if tensor.numel() and place in kept:
            tied[name] = kept[place]
            continue
        numbers += tensor.numel()
        if numbers > request.total:
            raise UserError(f"holds more numbers than its config.json asks for ({request.total:,} at most)")
        kept[place] = name
        tensors[name] = tensor.detach().to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        if not tensors[name].isfinite().all():
            odd.append(name)
    if not tensors:
        raise UserError("holds no tensors of numbers")
    report = {"left_out": left_out, "tied": tied, "not_finite": odd}
    return save(tensors, {"format": "pt", REPORT: json.dumps(report)})


def _all_tensors(files: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    for file in files:
        found = _loaded(file)
        if not isinstance(found, Mapping):
            raise UserError(f"{os.path.basename(file)} holds no table of tensors but a {type(found).__name__}")
        for name, tensor in found.items():
            if type(name) is not str or not name.isprintable() or not name or len(name) > 500:
                raise UserError(f"{os.path.basename(file)} holds a tensor whose name is no text: {name!r:.80}")
            if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
                raise UserError(f"{os.path.basename(file)} holds {name!r}, which is no tensor but a "
                                f"{type(tensor).__name__}")
            yield name, tensor


def _check(name: str, tensor: torch.Tensor, largest: int) -> None:
    """Raise UserError for a tensor of another form than a weight's."""
    if tensor.dtype not in FLOATS or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        raise UserError(f"holds {name!r} as {tensor.dtype}, {tensor.layout}; only dense tensors of float32, float16 "
                        "and bfloat16 are converted")
    if tensor.numel() > largest:
        raise UserError(f"holds {name!r} with {tensor.numel():,} numbers, and the largest tensor that its config.json "
                        f"asks for has {largest:,}")


def _loaded(path: str) -> Any:
    """Return what a checkpoint holds, by torch's restricted reader."""
    name = os.path.basename(path)
    try:
        is_zip = zipfile.is_zipfile(path)
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members) \
                    or sum(member.file_size for member in members) > os.path.getsize(path):
                raise UserError(f"{name} is packed, and would be larger unpacked; torch.save packs nothing")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # whatever torch and its reader raise has no common class
        _refuse(name, error)


def _refuse(name: str, error: Exception) -> NoReturn:
    words = str(error) or "it is empty"
    if "allocate memory" in words or "not enough memory" in words:
        raise MemoryError from error
    if asked := re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", words):
        raise UserError(f"{name} asks for {asked[1]}, which is no tensor, and could be any code: refused") from error
    words = " ".join(words.rpartition("WeightsUnpickler error: ")[2].split()).partition(" Check the documentation")[0]
    raise UserError(f"{name} is broken off, or no checkpoint of torch's ({in_short(Exception(words), 120)})") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
