"""Readers of raw data files: tab-separated and JSON lines, strict, with the file and line in every complaint.

A reader hands each record to `row`, which makes the table's row of it, returns None to leave the record out,
or raises ValueError with what is wrong; the reader adds where. A record whose `label` says that it has none is not
handed over: its row is NO_LABEL, which a table counts and leaves out.
"""

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

from utils.console import NOTES
from utils.errors import UserError, quoted

Row = dict[str, Any]
#: how a label is left open: by a dash in MultiNLI's files, by −1 or nothing on the hub and in files made of its rows
UNLABELLED = (None, "", "-", -1, "-1", "-1.0")
NO_LABEL: Row = {"label": None}
Quotes = Literal["refused", "kept", "undone"]  # what becomes of a tab-separated file's quotes: see tsv_rows
QUOTED = re.compile('"(?:[^"]|"")*"')  # a field that csv has quoted
UNQUOTED = ("quotes are part of a text here, as in the official files: write it without quoting "
            "(pandas: to_csv(path, sep='\\t', quoting=csv.QUOTE_NONE)), and texts without tabs and line ends")


def read_tsv(path: Path, columns: Sequence[str], row: Callable[[dict[str, str]], Row | None], *,
             label: str = "", header: bool = True, quotes: Quotes = "refused") -> list[Row]:
    """Return the rows that `row` makes of a tab-separated file, in file order: see `tsv_rows`."""
    with _opened(path) as stream:
        return tsv_rows(stream, str(path), columns, row, label=label, header=header, quotes=quotes)


def tsv_rows(stream: BinaryIO, name: str, columns: Sequence[str],
             row: Callable[[dict[str, str]], Row | None], *,
             label: str = "", header: bool = True, quotes: Quotes = "refused") -> list[Row]:
    """Return the rows of tab-separated UTF-8 bytes called `name`, in order, every field exactly as written.

    There is no quoting: a tab always parts two fields, and a line feed (or CR LF) always ends a line. With
    `header`, the first line names the fields and `columns` says which to pass to `row`; without, `columns`
    names all fields of a line. `quotes` is for official files that are quoted all the same: "kept" reads them as they
    stand and leaves out lines with another number of fields (stderr says how many); "undone" takes off the quotes of a
    field that is quoted as csv does it. `stream` must be seekable.

    Raises UserError, naming file and line, for another number of fields, a missing or repeated header column,
    fields that are quoted all the same, bytes that are not UTF-8, a NUL, whatever `row` complains of, and a file
    without rows.
    """
    if quotes == "refused":
        _refuse_quoted(stream, name)
    lines = _lines(stream, name)
    names = next(lines, (0, ""))[1].split("\t") if header else list(columns)
    for column in columns:
        if names.count(column) != 1:
            found = "twice in the header" if column in names else f"not in the header ({', '.join(names)[:200]})"
            raise UserError(f"{name}:1: column {column!r} is {found}; expected {', '.join(columns)}")
    wanted = [(column, names.index(column)) for column in columns]
    rows: list[Row] = []
    torn = 0
    for number, line in lines:
        fields = line.split("\t")
        if quotes == "undone":
            fields = [field[1:-1].replace('""', '"') if QUOTED.fullmatch(field) else field for field in fields]
        if len(fields) == len(names):
            _append(rows, row, {column: fields[i] for column, i in wanted}, label, f"{name}:{number}")
        elif quotes == "kept":
            torn += 1
        else:
            hint = f"; {UNQUOTED}" if '"' in line else ""
            raise UserError(f"{name}:{number}: expected {len(names)} columns parted by tabs, found {len(fields)}{hint}")
    if torn:
        NOTES.warning("preprocess: %s: left out %d torn lines (not %d columns)", name, torn, len(names))
    return _not_empty(rows, name)


def read_jsonl(path: Path, keys: dict[str, type], row: Callable[[Row], Row | None], *, label: str = "") -> list[Row]:
    """Return the rows that `row` makes of a file with one JSON object a line, in file order.

    `keys` gives the keys each object must have and the exact type of their values (so `True` is no int).

    Raises UserError, naming file and line, for bytes that are not UTF-8, invalid JSON, a line that is no
    object, a missing or repeated key, a value of another type, whatever `row` complains of, and a file without rows.
    """
    rows: list[Row] = []
    with _opened(path) as stream:
        for number, line in _lines(stream, str(path)):
            record = _json_object(line, f"{path}:{number}")
            for key, kind in {} if unlabelled(record, label) else keys.items():
                if type(record.get(key)) is not kind:
                    found = f"has {json.dumps(record[key])[:40]}" if key in record else "is missing"
                    raise UserError(f"{path}:{number}: key {key!r} {found}; expected a {kind.__name__}")
            _append(rows, row, record, label, f"{path}:{number}")
    return _not_empty(rows, str(path))


def read_lines(path: Path, row: Callable[[dict[str, str]], Row]) -> list[Row]:
    """Return the rows that `row` makes of a file's lines, in file order; each comes as {"line": as it stands}.

    Raises UserError, naming file and line, for bytes that are not UTF-8, a NUL, whatever `row` complains of, and a file
    without lines.
    """
    rows: list[Row] = []
    with _opened(path) as stream:
        for number, line in _lines(stream, str(path)):
            _append(rows, row, {"line": line}, "", f"{path}:{number}")
    return _not_empty(rows, str(path))


def unlabelled(record: Row, label: str) -> bool:
    """Whether a record has the column or key `label`, and what stands there says that the row has no label."""
    return label in record and record[label] in UNLABELLED


def class_index(codes: Sequence[str], value: str) -> int:
    """Return the place of a label among the codes a file writes; raises ValueError if it is none of them."""
    if value not in codes:
        raise ValueError(f"label {quoted(value)} is none of {', '.join(codes)}")
    return codes.index(value)


def number(text: str, low: float, high: float) -> float:
    """Return a score; raises ValueError unless it is a finite number from `low` to `high`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # false for NaN too
        raise ValueError(f"score {quoted(text)} is no number from {low:g} to {high:g}")
    return value


def file_name_part(text: str) -> str:
    """Return a domain's or split's name; raises ValueError unless it is safe as a part of a file's name."""
    if type(text) is not str or not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text):
        raise ValueError(f"{quoted(text)} cannot be part of a file name; "
                         "expected at most 100 letters, digits and _ . -")
    return text


def _opened(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():  # to open a pipe would wait for ever
            raise UserError(f"{path}: is no file; expected one of the official files")
        return open(path, "rb")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected one of the official files") from None


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its line end). A byte-order mark at the start is dropped.

    Bytes are split before they are decoded: str.splitlines would also cut at U+2028, U+0085 and the like,
    which stand inside real sentences.
    """
    for number, line in enumerate(stream, 1):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if b"\0" in line:
            raise UserError(f"{name}:{number}: holds a NUL byte; expected UTF-8 text")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            where = f"{name}:{number}: byte {error.start + 1}"
            raise UserError(f"{where} is not UTF-8; expected UTF-8 text") from None


def _refuse_quoted(stream: BinaryIO, name: str) -> None:
    """Raise UserError where fields are quoted as csv and pandas write them, and go back to the start.

    They put quotes round each field that holds one, which they double; or round each field there is. So a quote that
    stands otherwise, as the official files' do, says that quotes are text.
    """
    tabs = quoted_line = 0
    for number, line in enumerate(stream, 1):
        line = line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        tabs = line.count(b"\t") if number == 1 else tabs
        if b'"' not in line or line.count(b"\t") != tabs:  # torn lines say nothing
            continue
        fields = line.split(b"\t")
        marked = [field for field in fields if b'"' in field]
        inner = [field[1:-1] for field in marked if len(field) > 1 and field[0] == field[-1] == ord('"')]
        if len(inner) < len(marked) or any(b'"' in part.replace(b'""', b"") for part in inner):
            break
        if len(marked) == len(fields) > 1 or any(b'"' in part for part in inner):
            quoted_line = quoted_line or number
    else:
        if quoted_line:
            raise UserError(f"{name}:{quoted_line}: its fields are in quotes; {UNQUOTED}")
    stream.seek(0)


def _json_object(line: str, where: str) -> Row:
    try:
        record = json.loads(line, object_pairs_hook=_without_repeats)
        json.dumps(record, ensure_ascii=False).encode()  # "\ud800" alone parses, but is no text
    except UnicodeEncodeError:
        raise UserError(f"{where}: a string holds half a surrogate pair; expected UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON ({error}); expected one object a line") from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: expected a JSON object, found a {type(record).__name__}")
    return record


def _without_repeats(pairs: list[tuple[str, object]]) -> Row:
    record = dict(pairs)
    if len(record) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {quoted(key)} stands twice")
    return record


def _append(rows: list[Row], row: Callable, record: dict, label: str, where: str) -> None:
    try:
        made = NO_LABEL if unlabelled(record, label) else row(record)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    if made is not None:
        rows.append(made)


def _not_empty(rows: list[Row], name: str) -> list[Row]:
    if not rows:
        raise UserError(f"{name}:1: no rows; expected at least one")
    return rows
