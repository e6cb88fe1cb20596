"""The text that a model is pre-trained on: training rows of task tables, and lines of files, each text once."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import preprocess.common as preprocess
from pretraining.flags import PretrainFlags, names_in
from utils.console import NOTES
from utils.errors import UserError, quoted
from utils.flags import nearest


@dataclass(frozen=True)
class Part:
    """The `texts` of one domain, each once, in the order of its rows; `name` is TASK/DOMAIN or text/FILE."""

    name: str
    texts: Sequence[str]

    @property
    def fingerprint(self) -> str:
        """64 hex digits, of the texts."""
        return fingerprint_of(self.texts)


@dataclass(frozen=True)
class Corpus:
    """Text i is `texts[i]`, the text number `place[i]` of the part number `part[i]`; both int64 [texts]."""

    parts: Sequence[Part]
    texts: Sequence[str]
    part: np.ndarray
    place: np.ndarray

    @property
    def fingerprint(self) -> str:
        """64 hex digits, of all texts."""
        return fingerprint_of(self.texts)

    def places(self, texts: np.ndarray) -> Iterator[tuple[int, int]]:
        """Return the part of each of some texts, and its place there."""
        return zip(self.part[texts], self.place[texts])

    @classmethod
    def of(cls, flags: PretrainFlags) -> "Corpus":
        """Return the text that the flags name, and note how much it is; tables that are absent are made.

        A text of two parts is the first one's. Raises UserError, naming the flag, for an unknown domain, a file that
        cannot be read, and a domain or a file without text.
        """
        found: dict[str, list[str]] = defaultdict(list)
        for name, text in (*rows(flags), *lines(flags)):
            found[name].append(text)
        found = chosen(flags.domains, found)
        parts = [Part(name, [*dict.fromkeys(text for text in texts if text.strip())]) for name, texts in found.items()]
        for part in parts:
            if not part.texts:
                raise UserError(f"--task {flags.task}: the rows of {part.name} have no text; name others by --domains")
        first: dict[str, tuple[int, int]] = {}
        for number, part in enumerate(parts):
            for place, text in enumerate(part.texts):
                first.setdefault(text, (number, place))
        n_rows = sum(map(len, found.values()))
        NOTES.info("text: %d different ones in %d training rows of %s", len(first), n_rows, ", ".join(found))
        part, place = np.array([*first.values()], np.int64).T
        return cls(parts, [*first], part, place)


def fingerprint_of(texts: Sequence[str]) -> str:
    """Return 64 hex digits, of texts in their order."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def rows(flags: PretrainFlags) -> Iterator[tuple[str, str]]:
    """Yield (TASK/DOMAIN, text) of the tables' training rows, of each of a row's text columns.

    Raises UserError, naming the task, for a table that cannot be made.
    """
    for task in names_in(flags.task):
        by_hand = f"make its table with python preprocess/{task}.py --source PATH --out {flags.data_dir}"
        try:
            table = preprocess.prepare(task, None, Path(flags.data_dir), otherwise=by_hand)
        except UserError as error:
            raise UserError(f"--task {task}: {str(error).removeprefix(f'{task}: ')}") from error
        split = table.split(table.train_split)
        domains = split["domain"].to_pylist()
        columns = [split[column].to_pylist() for column in table.spec.text]
        for domain, *texts in zip(domains, *columns):
            yield from ((f"{task}/{domain}", text) for text in texts)


def lines(flags: PretrainFlags) -> Iterator[tuple[str, str]]:
    """Yield (text/FILE, line) of the files, blank ones left out. Raises UserError, naming one, for what is no text."""
    for name in names_in(flags.text):
        path, n_lines = Path(name), 0
        try:
            with path.open(encoding="utf-8") as file:
                for line in file:
                    if line.strip():
                        n_lines += 1
                        yield f"text/{path.stem}", line.rstrip("\n")
        except OSError as error:
            raise UserError(f"--text {name}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UserError(f"--text {name}: is no UTF-8 ({error.reason})") from None
        if not n_lines:
            raise UserError(f"--text {name}: has no text, only blank lines, if any; leave it out")


def chosen(domains: str, found: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return those of the texts `found` that `--domains` names: all of them, if it names none."""
    wanted = names_in(domains)
    known = {short: name for name in found for short in (name, name.partition("/")[2])}
    for name in wanted:
        if name not in known:
            raise UserError(f"--domains {quoted(name)}: no such domain{nearest(name, known)}; the text has "
                            f"{', '.join([*found][:20])}")
    return {name: texts for name, texts in found.items()
            if not wanted or {name, name.partition("/")[2]} & {*wanted}}
