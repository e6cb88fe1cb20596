"""Values out of JSON files that may be missing, broken off or of another kind: what is wrong names the file."""

import json
import math
from pathlib import Path
from typing import Any

from utils.errors import UserError

NUMBER = (int, float)
Kind = type | tuple[type, ...]  # what isinstance takes


def read_object(path: Path) -> dict:
    """Return the object of a JSON file; raises UserError naming it when it is missing or malformed."""
    return parse_object(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Return a file's text; raises UserError naming it."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: is missing") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text") from None


def parse_object(text: str, where: str) -> dict:
    """Return a JSON object; raises UserError naming the place."""
    try:
        value = json.loads(text.rstrip())  # so that what is broken off is so on the last line
    except (ValueError, RecursionError) as error:
        line = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) and " line " not in where else ""
        raise UserError(f"{where}{line}: is not JSON, or broken off") from None
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be a JSON object")
    return value


def is_number(value: object) -> bool:
    """Say whether `value` is a finite number."""
    return isinstance(value, NUMBER) and not isinstance(value, bool) and math.isfinite(value)


def take(record: dict, key: str, kind: Kind, where: Path | str) -> Any:
    """Return record[key]; raises UserError when it is missing or of another kind."""
    if key not in record:
        raise UserError(f"{where}: lacks {key!r}")
    value = record[key]
    good = is_number(value) and isinstance(value, kind) if kind in (int, NUMBER) else isinstance(value, kind)
    if not good:
        raise UserError(f"{where}: {key!r} is {str(value)[:40]!r}")
    return value


def check_numbers(values: object, where: Path | str) -> None:
    """Raise UserError unless `values` is a list of finite numbers, or null for those that were not finite."""
    if not isinstance(values, list) or not all(value is None or is_number(value) for value in values):
        raise UserError(f"{where}: must be a list of numbers, and is {str(values)[:40]!r}")
