"""Make a model that has pickled weights only into one that `--model` takes: safetensors, once and for all.

    python -m utils.model.convert google/multiberts-seed_0-step_20k log/models/multiberts-seed_0-step_20k

NAME is a model of the hub (NAME@REV: a branch, tag or commit) or a folder; OUT a new folder, which gets the weights as
float32, configuration, tokenizer, and conversion.json with where all of it is from. The pickle is opened in a process
that can reach and write nothing else (utils/model/unpickle.py). Exit code 0: done; 2: refused, in one line.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import IO

from utils.command_line import OneLineParser
from utils.console import NOTES, in_bytes
from utils.errors import UserError
from utils.hub_names import split_revision
from utils.machine.ending import exit_code
from utils.machine.new_folder import new_folder
from utils.machine.process import run_program
from utils.machine.workers import quiet_models

PROGRAM = "python -m utils.model.convert"
ROOT = Path(__file__).resolve().parents[2]
PICKLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SHARD = re.compile(r"pytorch_model-\d+-of-\d+\.bin")  # as transformers names a part of them
OF_OTHERS = re.compile(r"tf_model.*|flax_model.*|model\.ckpt.*|rust_model.*")
RECORD = "conversion.json"
HOUR = 3600  # seconds, and one for each MB, are long enough on a slow disk
LAYERS = 1000  # more than any model has
COUNT = re.compile(r"(n|num|inner)_\w*(layer|block|group)s?(_num)?|\w*layers|depth")  # what configurations call it
HEADS = 1 << 20  # numbers in heads, beside once more what the body has


@dataclass(frozen=True)
class Source:
    """A model's files before it is converted."""

    folder: Path
    pickles: tuple[str, ...]
    texts: tuple[str, ...]  #: configuration, tokenizer, README.md
    commit: str = ""  #: the hub's


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    parser = OneLineParser(prog=PROGRAM, allow_abbrev=False, description="Convert a model's pickled weights "
                           "(pytorch_model.bin) to safetensors, in a process without network.")
    parser.add_argument("name", metavar="NAME", help="a model of the hub, NAME@REV, or a folder")
    parser.add_argument("out", metavar="OUT", type=Path, help="a new folder for what --model then takes")
    options = parser.parse_args(argv)
    return exit_code("convert", lambda: convert(options.name, options.out),
                     lambda error: f"OUT {options.out}: {error.strerror}: free some space, or name another folder",
                     "nothing is written")


def convert(name: str, out: Path) -> None:
    """Write the model `name` into the folder `out`, whole or not at all. Raises UserError for what is refused."""
    quiet_models()
    with new_folder(out, "OUT") as folder:
        source = source_of(name)
        largest, total = sizes(name, source.folder)
        for file in source.texts:
            shutil.copyfile(source.folder / file, folder / file)
        weights = folder / "model.safetensors"
        unpickle(name, [str(source.folder / file) for file in source.pickles], str(weights), largest, total)
        report = check_result(name, weights, largest, total)
        check_body(name, folder)
        record = {"source": name, "commit": source.commit, "program": PROGRAM,
                  "sha256": {file: sha256(source.folder / file) for file in source.pickles} | {
                      weights.name: sha256(weights)}, **report}
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for words, names in (("of whole numbers left out", report["left_out"]),
                         ("hold numbers that are not finite", report["not_finite"])):
        if names:
            NOTES.info("%s: %d tensor(s) %s: %s", name, len(names), words,
                       ", ".join(names[:8]))
    NOTES.info("convert: wrote %s: give it to --model", out)


def source_of(name: str) -> Source:
    """Return where a model's files are, downloaded if it is the hub's. Raises UserError when it has no such pickles."""
    from utils.hub.reading import open_snapshot
    from utils.hub.repository import Repository

    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        files = sorted(path.name for path in folder.iterdir() if path.is_file())
        pickles, texts = chosen(name, files)
        pickles = parts_of(name, folder) if INDEX in pickles else pickles
        for file in set(pickles) - set(files):
            raise UserError(f"{name}: {INDEX} names {file}, which is not there: give the whole model")
        return Source(folder, pickles, texts)
    hub_id, revision = split_revision(name)
    found = open_snapshot(Repository("model", hub_id, revision, name, "give a model's folder"))
    pickles, texts = chosen(name, sorted(file for file in found.files if "/" not in file))
    if INDEX in pickles:
        found.fetch([INDEX])
        pickles = parts_of(name, found.folder)
    return Source(found.fetch([*texts, *pickles]), pickles, texts, found.commit)


def chosen(name: str, files: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the pickle, or the index of several, and the texts among a model's `files`."""
    from utils.model.hub_model import TEXT

    if any(file.endswith(".safetensors") for file in files):
        raise UserError(f"{name}: has safetensors: nothing to convert; give it to --model as it is")
    if "config.json" not in files:
        raise UserError(f"{name}: no model there (no config.json)")
    texts = tuple(file for file in files if file.endswith(TEXT) and file not in (INDEX, RECORD) or file == "README.md")
    for weights in (PICKLE, INDEX):
        if weights in files:
            return (weights,), texts
    if any(map(OF_OTHERS.fullmatch, files)):
        raise UserError(f"{name}: its weights are TensorFlow's or Flax's alone, which are not converted; "
                        "transformers 4 reads them (from_tf, from_flax), in a place of its own")
    raise UserError(f"{name}: no {PICKLE} there, nor {INDEX}; other pickles are not converted")


def parts_of(name: str, folder: Path) -> tuple[str, ...]:
    """Return the pickles that an index names."""
    from utils.model.trust import json_object

    files = {file: None for file in json_object(name, folder / INDEX, "weight_map")["weight_map"].values()
             if isinstance(file, str)}
    wrong = [file for file in files if not SHARD.fullmatch(file)]
    if wrong or not files:
        raise UserError(f"{name}: {INDEX} must name files like pytorch_model-00001-of-00002.bin beside it, not "
                        f"{(wrong or ['none'])[0]!r}")
    return tuple(sorted(files))


def check_depth(name: str, found: object) -> None:
    """Raise UserError where a configuration, or a part of it, asks for so many layers that counting takes hours."""
    for key, value in found.items() if isinstance(found, dict) else ():
        if type(value) is int and value > LAYERS and COUNT.fullmatch(key):
            raise UserError(f"{name}: its config.json asks for {value:,} of {key}, and {LAYERS:,} at most are read")
        check_depth(name, value)


def sizes(name: str, folder: Path) -> tuple[int, int]:
    """Return how many numbers the largest tensor of a model may have, and all of them, by its config.json."""
    import torch
    from transformers import AutoModel

    from utils.model.byte_order import without_marks
    from utils.model.loading import load_errors
    from utils.model.model_config import load_config
    from utils.model.trust import json_object

    with load_errors(name), without_marks(str(folder)) as path:
        check_depth(name, json_object(name, Path(path, "config.json")))
        config = load_config(name, path)
        with torch.device("meta"):
            body = AutoModel.from_config(config, trust_remote_code=False)
    found = [math.prod(tensor.shape) for tensor in body.state_dict().values()]
    return max(found), 2 * sum(found) + HEADS


def unpickle(name: str, pickles: list[str], out: str, largest: int, total: int) -> None:
    """Have the process of utils/model/unpickle.py write the pickles' tensors to `out`."""
    from utils.model.unpickle import Request

    size = sum(map(os.path.getsize, pickles))
    NOTES.info("%s: reading %s of pickles in a process without network", name, in_bytes(size))
    if size > 4 * total + HEADS:
        raise UserError(f"{name}: {in_bytes(size)} of weights are more than its config.json asks for")
    request = Request(tuple(os.path.abspath(file) for file in pickles), os.path.abspath(out), largest, total)
    with tempfile.TemporaryFile() as words:  # a file: what the process writes has a limit
        try:
            done = subprocess.run([sys.executable, "-m", "utils.model.unpickle", json.dumps(asdict(request))], cwd=ROOT,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words,
                                  start_new_session=True, timeout=HOUR + size / 1e6)
        except subprocess.TimeoutExpired:
            raise UserError(f"{name}: the process that reads it came to no end in {HOUR + size / 1e6:.0f} s") from None
        if done.returncode:
            raise UserError(f"{name}: {refusal(done.returncode, words)}; nothing is written")


def refusal(code: int, words: IO[bytes]) -> str:
    """Return why the process has ended: its last line, or the signal."""
    words.seek(0)
    lines = words.read(100_000).decode("utf-8", "replace").strip().splitlines()
    if code < 0:
        return f"the process that reads it was ended by signal {-code}, for time or memory beyond its limits"
    return (lines or [f"the process that reads it ended with {code}"])[-1][:300]


def check_result(name: str, weights: Path, largest: int, total: int) -> dict:
    """Return what the process reports in its result's metadata; raises UserError if it is another than it may be."""
    from safetensors import SafetensorError, safe_open

    from utils.model.unpickle import REPORT

    try:
        with safe_open(weights, "pt") as file:
            slices = [file.get_slice(key) for key in file.keys()]
            shapes = [math.prod(one.get_shape()) for one in slices if one.get_dtype() == "F32"]
            report = json.loads((file.metadata() or {})[REPORT])
            tied = {str(key): str(value) for key, value in report["tied"].items()}
            lists = {key: [str(one) for one in report[key]] for key in ("left_out", "not_finite")}
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise UserError(f"{name}: the process that reads it left no whole safetensors") from error
    if not slices or len(shapes) != len(slices) or max(shapes) > largest or sum(shapes) > total:
        raise UserError(f"{name}: the process that reads it left other tensors than its config.json allows")
    return {"tied": tied, **lists}


def check_body(name: str, folder: Path) -> None:
    """Raise UserError unless a converted model's body is whole, the one of its config.json, and all finite numbers.

    It is loaded as `--model` loads it. Heads may be absent, there too much, or not finite: `--model` makes its own.
    """
    from utils.model.body import load_body
    from utils.model.weights import check_weights, in_body

    body, found = load_body(name, folder)
    unexpected = {key for key in found["unexpected_keys"] if in_body(body, key)}
    check_weights(name, body, {**found, "unexpected_keys": unexpected})
    for key, tensor in body.state_dict().items():
        if not tensor.isfinite().all():
            raise UserError(f"{name}: {key} holds numbers that are not finite: no model starts from such weights")


def sha256(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    run_program(main)
