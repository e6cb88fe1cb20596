"""What the models of a folder were made by: flags and text, written down beside them."""

import json
from pathlib import Path
from typing import Any

from pretraining.flags import PretrainFlags, fixed
from utils.errors import UserError, quoted

MADE_BY = "pretrain.json"  # the flags that all models of a folder are of


def made_by(folder: Path) -> dict[str, Any]:
    """Return the flags that a folder's models are of; {} where none are there. Raises UserError for a damaged file."""
    path = folder / MADE_BY
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else {}
        if type(found) is not dict:
            raise ValueError
        return found
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is no JSON object; remove the folder") from None


def check_made_by(flags: PretrainFlags) -> None:
    """Raise UserError, naming the flag, where `--out` holds models of other flags."""
    out = Path(flags.out)
    before = made_by(out)
    for name, value in fixed(flags).items() if before else ():
        if before.get(name) != value:
            raise UserError(f"--{name} {value}: the models in {out} are of {quoted(before.get(name))}; "
                            "name another --out, or remove that folder")
