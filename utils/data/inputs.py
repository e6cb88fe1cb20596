"""What a tokenizer is given of a split's rows, and which field of its row each token is of."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from utils.data.task import TaskSpec
from utils.data.truncation import FRAME, SPECIAL

if TYPE_CHECKING:
    from tokenizers import Encoding


class Inputs:
    """The texts of a split's sequences, `choices` of them for each row.

    A text-to-text model reads the filled-in `spec.prompt`; another the text, the pair of texts, or for each choice
    the pair (text, choice). `columns`: one list of texts, or the two of pairs. A row's fields are numbered: first its
    `n_texts` texts, then its choices.
    """

    def __init__(self, split: pa.Table, spec: TaskSpec, text_to_text: bool) -> None:
        self.spec, self.text_to_text = spec, text_to_text
        self.texts = [split[name].to_pylist() for name in spec.text]
        self.options = split["choices"].to_pylist() if spec.kind == "multiple_choice" else None
        self.n_texts, self.choices = len(spec.text), sequences_per_row(spec, text_to_text)
        self.columns = self.texts
        if text_to_text:
            self.columns = [["".join(text for _, text in self.pieces(row)) for row in range(split.num_rows)]]
        elif self.options is not None:
            texts = [text for text in self.texts[0] for _ in range(self.choices)]
            self.columns = [texts, [choice for row in self.options for choice in row]]

    def __len__(self) -> int:
        return len(self.columns[0])

    def pieces(self, row: int) -> list[tuple[int, str]]:
        """Return (field or FRAME, text) of each piece of a row's prompt; end to end the texts are the prompt.

        Choices read "(A) first (B) second …".
        """
        pieces, formatter = [], Formatter()
        for literal, name, form, conversion in formatter.parse(self.spec.prompt):
            pieces.append((FRAME, literal))
            if name == "choices" and self.options is not None:
                options = zip(self.spec.labels, self.options[row], strict=True)
                for number, (letter, choice) in enumerate(options):
                    pieces += [(FRAME, f"{' ' * bool(number)}({letter}) "), (self.n_texts + number, choice)]
            elif name is not None:
                field = self.spec.text.index(name)
                value = formatter.convert_field(self.texts[field][row], conversion)
                pieces.append((field, formatter.format_field(value, form or "")))
        return pieces

    def fields(self, sequence: int, encoding: Encoding) -> np.ndarray:
        """Return the field of each token of a sequence, or FRAME, or SPECIAL: int64 [tokens]."""
        fields = np.array([SPECIAL if owner is None else owner for owner in encoding.sequence_ids])
        if not self.text_to_text:
            return fields
        return np.where(fields == SPECIAL, SPECIAL, fields_of_tokens(self.pieces(sequence), encoding.offsets))


def sequences_per_row(spec: TaskSpec, text_to_text: bool) -> int:
    """Return the number of sequences that a row becomes."""
    return len(spec.labels) if spec.kind == "multiple_choice" and not text_to_text else 1


def fields_of_tokens(pieces: Sequence[tuple[int, str]], offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the field of each token of a prompt, or FRAME: int64 [tokens].

    `offsets` are the tokens' characters in the prompt, from and to. A token with a letter of the frame is the
    frame's; one with the space before a field, as most tokenizers' words have it, is the field's.
    """
    field_of = np.repeat([field for field, _ in pieces] + [FRAME], [len(text) for _, text in pieces] + [1])
    letters = [0]
    for field, text in pieces:
        letters += [not char.isspace() for char in text] if field == FRAME else [False] * len(text)
    before = np.cumsum(letters)  # letters of the frame before each character
    starts, ends = np.array(offsets).T
    first, last = field_of[starts], field_of[np.maximum(ends - 1, starts)]
    return np.where(before[ends] > before[starts], FRAME, np.where(last == FRAME, first, last))
