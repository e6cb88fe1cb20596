"""Token ids of a split: made once per (table, tokenizer, length, form), memory-mapped, no padding stored."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from utils.console import NOTES
from utils.data.inputs import Inputs, sequences_per_row
from utils.data.task import TaskSpec
from utils.data.truncation import Cuts, kept_places, least
from utils.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from utils.data.table import Table

CACHE_FORMAT = 4  # raise it when the files or the way rows become ids change: old caches are then made anew
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Tokens:
    """The token ids of one split in its row order; row r has the sequences [r·choices, (r+1)·choices)."""

    #: int32 [total]: all sequences end to end, special tokens included
    ids: np.ndarray
    #: uint8 [total]: segment of each token; None when the model takes none
    types: np.ndarray | None
    #: int64 [n_sequences + 1]: sequence s is ids[offsets[s]:offsets[s + 1]]
    offsets: np.ndarray
    #: sequences per row: 1 unless multiple choice
    choices: int
    #: int32 [n_rows]: tokens in the row's longest sequence
    lengths: np.ndarray
    #: int32 [n_rows]: what `least` says of a row that is cut, of its sequences the most; 0 of one that is not
    needed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def n_rows(self) -> int:
        """Rows in the split."""
        return len(self.lengths)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that a cache holds."""
        return sum(array.nbytes for array in arrays_of(self).values())

    @property
    def on_disk(self) -> bool:
        """Whether these are mapped files."""
        return isinstance(self.ids, np.memmap)

    def cuts(self, max_length: int, rows: np.ndarray | slice = slice(None)) -> Cuts:
        """Return how many rows are cut to `max_length`, which it was when these were made: of all, or of some `rows`.
        """
        return Cuts.of(self.needed[rows], max_length)

    def sequences(self, row: int) -> list[np.ndarray]:
        """Return the row's `choices` sequences, each int32 [length] (views)."""
        first = row * self.choices
        return [self.ids[self.offsets[s]:self.offsets[s + 1]] for s in range(first, first + self.choices)]


def open_tokens(table: Table, split_name: str, tokenizer: PreTrainedTokenizerFast, *, max_length: int,
                text_to_text: bool, cache: Path, lent: Path | None = None) -> Tokens:
    """Return a split's tokens from `cache`, or from the folder `lent`; where neither has them, tokenise the split.

    Processes that do this at once each write a folder of their own, and the first to rename it into place wins: a
    reader never sees half a cache. A damaged one is made anew. Where this user may not write in `cache`, the tokens
    stay in memory.

    Raises: UserError as `tokenise` does, and when the disk refuses what it should take.
    """
    key = cache_key(table.fingerprint, split_name, tokenizer, max_length=max_length, text_to_text=text_to_text)
    folder = Path(cache) / key
    if folder.parent.is_symlink():
        raise UserError(f"{cache} is a link: put the folder itself there, or remove it")
    shape = table.rows(split_name), sequences_per_row(table.spec, text_to_text), _has_types(tokenizer)
    tokens = _read(folder, *shape) or (_read(lent, *shape) if lent else None)
    if tokens is not None:
        return tokens
    new, damaged = (folder.with_name(f".{key}.{uuid.uuid4().hex}") for _ in range(2))
    made = tokenise(table.split(split_name), table.spec, tokenizer, max_length, text_to_text)
    try:
        write_tokens(new, made)
        if os.path.lexists(folder) and _read(folder, *shape) is None:
            NOTES.warning("token cache %s is damaged: made anew", folder)
            with suppress(FileNotFoundError):  # another process was faster
                folder.rename(damaged)
        tokens = _read(new, *shape)  # mapped before it moves: whatever others do to the name, these stay
        if tokens is None:
            raise OSError("what was written reads back as something else")
        with suppress(OSError):  # another process was faster, and its files are the same
            new.rename(folder)
    except OSError as error:  # a full disk, a file in the folder's place, a disk at fault
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            NOTES.info("token cache %s cannot be written (%s): the tokens of %s are made for this run only", cache,
                       error.strerror, split_name)
            return made
        raise UserError(f"{cache}: the token cache cannot be written ({error}); free some space, or name another "
                        "folder with --data_dir") from error
    finally:
        for left in (new, damaged):
            left.unlink() if left.is_symlink() or left.is_file() else shutil.rmtree(left, ignore_errors=True)
    return tokens


def cache_key(fingerprint: str, split_name: str, tokenizer: PreTrainedTokenizerFast, *, max_length: int,
              text_to_text: bool) -> str:
    """Return the hex name of a split's cache: a hash of everything that its ids depend on.

    `fingerprint` is the table's, which covers the rows and the whole TaskSpec.
    """
    with unchanged(tokenizer):  # what a call leaves there is no part of what the tokenizer is
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
        backend = tokenizer.backend_tokenizer.to_str()
    parts = [CACHE_FORMAT, fingerprint, split_name, backend, tokenizer.special_tokens_map,
             _has_types(tokenizer), tokenizer.truncation_side, max_length, text_to_text]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def tokenise(split: pa.Table, spec: TaskSpec, tokenizer: PreTrainedTokenizerFast, max_length: int,
             text_to_text: bool) -> Tokens:
    """Return a split's tokens, in memory; each sequence has at most `max_length`, special tokens included.

    inputs.py says what is read of a row, truncation.py what is kept where it is too long. Where the tokenizer puts
    nothing between the two texts of a pair (GPT-2), eos goes there.

    Raises: UserError when `max_length` leaves no room for text.
    """
    inputs, typed = Inputs(split, spec, text_to_text), _has_types(tokenizer)
    pair, side, eos = len(inputs.columns) == 2, tokenizer.truncation_side, tokenizer.eos_token_id
    with unchanged(tokenizer):
        between = pair and not _separates(tokenizer)
        most = max_length - between
        if most - tokenizer.num_special_tokens_to_add(pair=pair) < len(inputs.columns):
            raise UserError(f"--max_length {max_length}: too short, special tokens leave no room for text")
        ids, types, needed = [], [], np.zeros(len(inputs), dtype=np.int64)
        for start in range(0, len(inputs), _ROWS_AT_ONCE):
            batch = [column[start:start + _ROWS_AT_ONCE] for column in inputs.columns]
            encoded = tokenizer(*batch, return_attention_mask=False, return_token_type_ids=typed, verbose=False)
            for i, sequence in enumerate(encoded["input_ids"]):
                segments = encoded["token_type_ids"][i] if typed else []
                owners = encoded.encodings[i].sequence_ids if between else []
                if len(sequence) > most:
                    fields = inputs.fields(start + i, encoded.encodings[i])
                    needed[start + i] = least(fields) + between
                    kept = kept_places(fields, inputs.n_texts, most, side)
                    sequence, segments, owners = ([part[k] for k in kept] if part else []
                                                  for part in (sequence, segments, owners))
                if between:
                    cut = owners.index(1) if 1 in owners else len(owners)
                    sequence[cut:cut], segments[cut:cut] = [eos], segments and [0]
                sequence = sequence or [eos]  # no model can read nothing
                ids.append(np.array(sequence, dtype=np.int32))
                types.append(np.array(segments or [0], dtype=np.uint8))
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return Tokens(
        ids=np.concatenate([np.zeros(0, np.int32), *ids]),
        types=np.concatenate([np.zeros(0, np.uint8), *types]) if typed else None,
        offsets=offsets, choices=inputs.choices, lengths=_longest(offsets, inputs.choices),
        needed=needed.reshape(-1, inputs.choices).max(axis=1).astype(np.int32))


@contextmanager
def unchanged(tokenizer: PreTrainedTokenizerFast) -> Iterator[None]:
    """Restore the tokenizer's own truncation and padding afterwards: each call overwrites them."""
    backend = tokenizer.backend_tokenizer
    truncation, padding = backend.truncation, backend.padding
    try:
        yield
    finally:
        backend.no_truncation() if truncation is None else backend.enable_truncation(**truncation)
        backend.no_padding() if padding is None else backend.enable_padding(**padding)


def _separates(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether the tokenizer puts a token between the two texts of a pair."""
    first = tokenizer("a", "b").encodings[0].sequence_ids
    return first[first.index(1) - 1] is None


def _has_types(tokenizer: PreTrainedTokenizerFast) -> bool:
    return "token_type_ids" in tokenizer.model_input_names


def _longest(offsets: np.ndarray, choices: int) -> np.ndarray:
    return np.diff(offsets).reshape(-1, choices).max(axis=1).astype(np.int32)


def write_tokens(folder: Path, tokens: Tokens) -> None:
    """Write `folder` as `open_tokens` reads it. Raises OSError."""
    folder.mkdir(parents=True)
    checksums = {}
    for name, array in arrays_of(tokens).items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        checksums[name] = _checksum(folder / f"{name}.npy")
    (folder / "meta.json").write_text(json.dumps({"crc32": checksums}) + "\n")


def arrays_of(tokens: Tokens) -> dict[str, np.ndarray]:
    """Return the arrays that a cache holds, by their names in it."""
    arrays = {"ids": tokens.ids, "types": tokens.types, "offsets": tokens.offsets, "needed": tokens.needed}
    return {name: array for name, array in arrays.items() if array is not None}


def _checksum(path: Path) -> int:
    return zlib.crc32(np.memmap(path, mode="r").data)


def _read(folder: Path, n_rows: int, choices: int, typed: bool) -> Tokens | None:
    """Return the cached tokens of so many rows, memory-mapped; None where none are, or other than were written.

    meta.json has each file's CRC-32: a disk's or a copy's fault would else train on other words.
    """
    try:
        paths = {name: folder / f"{name}.npy" for name in ("ids", *["types"] * typed, "offsets", "needed")}
        meta = folder / "meta.json"
        if folder.is_symlink() or any(path.is_symlink() or not path.is_file() for path in (meta, *paths.values())):
            return None
        stated = json.loads(meta.read_bytes())
        if stated["crc32"] != {name: _checksum(path) for name, path in paths.items()}:
            return None
        # open_memmap, not np.load: it reads neither pickles nor archives
        arrays = {name: np.lib.format.open_memmap(path, mode="r") for name, path in paths.items()}
        ids, types, offsets, needed = arrays["ids"], arrays.get("types"), arrays["offsets"], arrays["needed"]
        whole = (
            ids.dtype == np.int32 and offsets.dtype == np.int64 and offsets.shape == (n_rows * choices + 1,)
            and offsets[0] == 0 and ids.shape == (offsets[-1],) and (np.diff(offsets) > 0).all()
            and (types is None or (types.dtype == np.uint8 and types.shape == ids.shape))
            and needed.dtype == np.int32 and needed.shape == (n_rows,) and needed.min(initial=0) == 0
        )
        return Tokens(ids, types, offsets, choices, _longest(offsets, choices), needed) if whole else None
    except Exception:  # NumPy's parser of a header raises all kinds; whatever it is, a cache can be made anew
        return None
