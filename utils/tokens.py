"""Token ids of a split: made once per (table, tokenizer, length, form), memory-mapped, no padding stored."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from utils.console import NOTES
from utils.errors import UserError
from utils.task import TaskSpec

CACHE_FORMAT = 1  # raise it when the files or the way rows become ids change: old caches are then made anew
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

    @property
    def n_rows(self) -> int:
        """Rows in the split."""
        return len(self.lengths)

    def sequences(self, row: int) -> list[np.ndarray]:
        """Return the row's `choices` sequences, each int32 [length] (views)."""
        first = row * self.choices
        return [self.ids[self.offsets[s]:self.offsets[s + 1]] for s in range(first, first + self.choices)]


def open_tokens(table, split_name: str, tokenizer, *, max_length: int, text_to_text: bool,
                cache: Path) -> Tokens:
    """Return a split's tokens from `cache`, tokenising the split first where it has not been.

    `table` is a `utils.table` table. Processes that do this at once each write a folder of their own, and the
    first to rename it into place wins: a reader never sees half a cache. A damaged one is made anew.

    Raises: UserError as `tokenise` does, and when the cache cannot be written.
    """
    form = {"max_length": max_length, "text_to_text": text_to_text}
    key = cache_key(table.fingerprint, split_name, tokenizer, **form)
    folder = Path(cache) / key
    tokens = _read(folder)
    if tokens is not None:
        return tokens
    new, damaged = (folder.with_name(f".{key}.{uuid.uuid4().hex}") for _ in range(2))
    made = tokenise(table.split(split_name), table.spec, tokenizer, **form)
    try:
        _write(new, made)
    except OSError as error:  # a full disk, or a folder that is not ours to write
        shutil.rmtree(new, ignore_errors=True)
        raise UserError(f"{cache}: the token cache cannot be written ({error})") from error
    if folder.exists() and _read(folder) is None:
        NOTES.warning("token cache %s is damaged: made anew", folder)
        try:
            folder.rename(damaged)
        except FileNotFoundError:
            pass  # another process was faster
    tokens = _read(new)  # mapped before it moves: whatever others do to the name, these files stay
    try:
        new.rename(folder)
    except OSError:  # another process was faster, and its files are the same
        shutil.rmtree(new)
    shutil.rmtree(damaged, ignore_errors=True)
    return tokens


def cache_key(fingerprint: str, split_name: str, tokenizer, *, max_length: int, text_to_text: bool) -> str:
    """Return the hex name of a split's cache: a hash of everything that its ids depend on.

    `fingerprint` is the table's, which covers the rows and the whole TaskSpec.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    backend["padding"] = backend["truncation"] = None  # a call's leftovers, no part of what the tokenizer is
    parts = [CACHE_FORMAT, fingerprint, split_name, backend, tokenizer.special_tokens_map,
             _has_types(tokenizer), max_length, text_to_text]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def tokenise(split: pa.Table, spec: TaskSpec, tokenizer, max_length: int, text_to_text: bool) -> Tokens:
    """Return a split's tokens, in memory; each sequence has at most `max_length`, special tokens included.

    A text-to-text model reads the filled-in `spec.prompt`; another the text, the pair of texts, or for each
    choice the pair (text, choice). Where the tokenizer puts nothing between the two (GPT-2), eos goes there.

    Raises: UserError when `max_length` leaves no room for text.
    """
    columns = [split[name].to_pylist() for name in spec.text]
    choices = split["choices"].to_pylist() if spec.kind == "multiple_choice" else None
    if text_to_text:
        columns, per_row = [_prompts(columns, choices, spec)], 1
    elif choices is not None:
        per_row = len(spec.labels)
        texts = [text for text in columns[0] for _ in range(per_row)]
        columns = [texts, [choice for row in choices for choice in row]]
    else:
        per_row = 1
    pair = len(columns) == 2
    with unchanged(tokenizer):
        between = pair and not _separates(tokenizer)
        room = max_length - tokenizer.num_special_tokens_to_add(pair=pair) - between
        if room < len(columns):
            raise UserError(f"--max_length {max_length}: too short, special tokens leave no room for text")
        ids, types = [], []
        for start in range(0, len(columns[0]), _ROWS_AT_ONCE):
            batch = [column[start:start + _ROWS_AT_ONCE] for column in columns]
            encoded = tokenizer(*batch, truncation=True, max_length=max_length - between,
                                return_attention_mask=False, return_token_type_ids=_has_types(tokenizer))
            for i, sequence in enumerate(encoded["input_ids"]):
                segments = encoded["token_type_ids"][i] if _has_types(tokenizer) else []
                if between:
                    owners = encoded.encodings[i].sequence_ids
                    cut = owners.index(1) if 1 in owners else len(owners)
                    sequence[cut:cut], segments[cut:cut] = [tokenizer.eos_token_id], segments and [0]
                sequence = sequence or [tokenizer.eos_token_id]  # no model can read nothing
                ids.append(np.array(sequence, dtype=np.int32))
                types.append(np.array(segments or [0], dtype=np.uint8))
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return Tokens(
        ids=np.concatenate([np.zeros(0, np.int32), *ids]),
        types=np.concatenate([np.zeros(0, np.uint8), *types]) if _has_types(tokenizer) else None,
        offsets=offsets, choices=per_row, lengths=_longest(offsets, per_row))


@contextmanager
def unchanged(tokenizer) -> Iterator[None]:
    """Restore the tokenizer's own truncation and padding afterwards: each call overwrites them."""
    backend = tokenizer.backend_tokenizer
    truncation, padding = backend.truncation, backend.padding
    try:
        yield
    finally:
        backend.no_truncation() if truncation is None else backend.enable_truncation(**truncation)
        backend.no_padding() if padding is None else backend.enable_padding(**padding)


def _prompts(columns: list[list[str]], choices: list[list[str]] | None, spec: TaskSpec) -> list[str]:
    """Return the rows' text-to-text inputs; choices read "(A) first (B) second …"."""
    prompts = []
    for i, texts in enumerate(zip(*columns, strict=True)):
        fields = dict(zip(spec.text, texts, strict=True))
        if choices is not None:
            options = zip(spec.labels, choices[i], strict=True)
            fields["choices"] = " ".join(f"({letter}) {choice}" for letter, choice in options)
        prompts.append(spec.prompt.format(**fields))
    return prompts


def _separates(tokenizer) -> bool:
    """Whether the tokenizer puts a token between the two texts of a pair."""
    first = tokenizer("a", "b").encodings[0].sequence_ids
    return first[first.index(1) - 1] is None


def _has_types(tokenizer) -> bool:
    return "token_type_ids" in tokenizer.model_input_names


def _longest(offsets: np.ndarray, choices: int) -> np.ndarray:
    return np.diff(offsets).reshape(-1, choices).max(axis=1).astype(np.int32)


def _write(folder: Path, tokens: Tokens) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "ids.npy", tokens.ids)
    if tokens.types is not None:
        np.save(folder / "types.npy", tokens.types)
    np.save(folder / "offsets.npy", tokens.offsets)
    meta = {"format": CACHE_FORMAT, "choices": tokens.choices, "sequences": len(tokens.offsets) - 1,
            "tokens": len(tokens.ids), "types": tokens.types is not None}
    (folder / "meta.json").write_text(json.dumps(meta) + "\n")


def _read(folder: Path) -> Tokens | None:
    """Return the cached tokens, memory-mapped; None where none are or their sizes differ from meta's."""
    def mapped(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    try:
        meta = json.loads((folder / "meta.json").read_text())
        ids, offsets, types = mapped("ids"), mapped("offsets"), mapped("types") if meta["types"] else None
        whole = (
            ids.dtype == np.int32 and ids.shape == (meta["tokens"],)
            and offsets.dtype == np.int64 and offsets.shape == (meta["sequences"] + 1,)
            and int(offsets[0]) == 0 and int(offsets[-1]) == meta["tokens"]
            and (types is None or (types.dtype == np.uint8 and types.shape == ids.shape))
        )
        choices = meta["choices"]
        return Tokens(ids, types, offsets, choices, _longest(offsets, choices)) if whole else None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
